"""Functions of ``torch.nn.init`` as initialisers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor


def torch_init(name: str, **fixed: float) -> Callable[..., None]:
    """What draws as the function of that name does, with the initialiser's arguments by name."""

    def draw(weight: Tensor, generator: Generator, **arguments: float) -> None:
        from torch.nn import init

        getattr(init, name)(weight, generator=generator, **fixed, **arguments)

    return draw
