"""Containers with arbitrary names, and convolutions that replace those of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar, cast

from torch import Tensor, nn

from ffebm_dsl.physics.layout import conv2d

M = TypeVar("M", bound=nn.Module)


class NamedModules(nn.Module, Generic[M]):
    """Modules by name, in order.

    ``nn.ModuleDict`` refuses names that are also attributes of a module (``half``,
    ``keys``, ``training``), which are ordinary names for a block or a layer in a spec.
    Names may be any string without a dot. Iteration gives the modules, not the names.
    """

    def __init__(self, modules: Mapping[str, M]) -> None:
        super().__init__()
        for name, module in modules.items():
            if not name or "." in name:
                raise ValueError(f"a module's name must be non-empty and without dots: {name!r}")
            self._modules[name] = module

    def __getitem__(self, name: str) -> M:
        return cast(M, self._modules[name])

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[M]:
        return iter([self[name] for name in self._modules])

    def __reversed__(self) -> Iterator[M]:
        return reversed(list(self))

    def names(self) -> tuple[str, ...]:
        return tuple(self._modules)


class Join(nn.Module):
    """A module that joins two tensors into one, ``join(x, other)``."""

    def __init__(self, join: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self._join = join

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        return self._join(x, other)


class Chain(NamedModules[nn.Module]):
    """Modules applied one after the other; an empty chain is the identity.

    Besides its input it takes a tensor for each :class:`Join` among them, in order.
    """

    def forward(self, x: Tensor, *joined: Tensor) -> Tensor:
        others = iter(joined)
        for module in self:
            x = module(x, next(others)) if isinstance(module, Join) else module(x)
        return x


class ImageConvolution(nn.Conv2d):
    """``torch.nn.Conv2d``, zero-padded, by :func:`~ffebm_dsl.physics.layout.conv2d`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = self.stride, self.padding, self.dilation, self.groups
        return conv2d(input, self.weight, self.bias, *settings)
