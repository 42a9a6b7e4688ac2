"""Every installed construct, whether or not specs use it: ffebm's own and those of packages.

A package that is installed beside ffebm is thus tested without further code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any

import pytest
from torch import Tensor, nn

from ffebm_dsl.language.ir.model import PackageIR
from ffebm_dsl.language.registry import Construct, OpConstruct, OpIR, Table
from ffebm_dsl.language.registry.packages import GROUP, Package, find_package, load
from ffebm_dsl.language.registry.tables import OWN, normalised
from tests.tables import restored_tables

FAULTY = frozenset({"lab-clash", "lab-faulty", "lab-folders", "lab-rivals"})
"""Packages of tests/packages that are wrong on purpose."""


def _found() -> list[Package]:
    names = {entry.dist.name for entry in entry_points(group=GROUP) if entry.dist is not None}
    packages = (find_package(name) for name in sorted(names))
    return [p for p in packages if p is not None and normalised(p.name) not in {OWN, *FAULTY}]


@contextmanager
def installed_packages() -> Iterator[None]:
    """All packages with constructs are entered into the tables, and gone afterwards."""
    with restored_tables():
        for package in _found():
            load(package)
        yield


def named_packages() -> tuple[PackageIR, ...]:
    """All of them, as a spec names them whose constructs are of any."""
    return tuple(PackageIR(p.name, p.version, p.version) for p in _found())


class WithItself(nn.Module):
    """An op that joins two tensors, which here are the same one."""

    def __init__(self, join: nn.Module) -> None:
        super().__init__()
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        joined: Tensor = self.join(x, x)
        return joined


def module_of(construct: OpConstruct, op: OpIR) -> nn.Module:
    """The op as a module of one tensor."""
    module = construct.module(op)
    assert isinstance(module, nn.Module)
    return WithItself(module) if construct.joins else module


def every(table: Table[Any], *, coupling: bool = False) -> pytest.MarkDecorator:
    """Parametrises a test by ``construct``: all of the table, or those with a coupling."""
    with installed_packages():
        found: list[Construct] = [c for c in table.values() if not coupling or c.in_coupling]
    return pytest.mark.parametrize("construct", found, ids=[construct.name for construct in found])
