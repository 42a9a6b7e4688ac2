"""Weights of classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, Kind, Parameter
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE

if TYPE_CHECKING:
    from torch import Tensor


def class_weights(name: str, doc: str) -> Parameter:
    """The parameter of a weight for each class, or one for all of them."""
    return Parameter(name, Kind.REALS, doc, (1.0,), NOT_NEGATIVE)


def one_for_each_class(name: str) -> Callable[[Arguments, int], tuple[str, str] | None]:
    """The check of a loss with such weights."""

    def misfit(arguments: Arguments, size: int) -> tuple[str, str] | None:
        weights = arguments[name]
        if len(weights) not in (1, size):
            return (
                f"`{name}` has {len(weights)} entries, and the target {size} classes",
                "give one for each class, or one for all",
            )
        if not any(weights):
            return f"`{name}` is 0 for every class, so that nothing is learned", "leave it out"
        return None

    return misfit


def tensor_of(weights: tuple[float, ...], like: Tensor) -> Tensor | None:
    """The weights (K,) in the type of ``like``, (B, K); None where all are 1."""
    return None if set(weights) == {1.0} else like.new_tensor(weights).expand(like.shape[1])
