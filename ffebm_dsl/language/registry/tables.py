"""Constructs by name, one table for each kind; a construct's file is read when it is asked for.

A table is a folder of ``ffebm_dsl.constructs``: ``constructs/ops/conv2d.py`` holds the op
``conv2d`` as its ``CONSTRUCT``. To list a table is to list its folder; to look a name up
imports that one file.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from types import MappingProxyType
from typing import Generic, TypeVar

from ffebm_dsl.language.registry.construct import (
    ActivationConstruct,
    AugmentationConstruct,
    Construct,
    DataConstruct,
    EnergyConstruct,
    EstimatorConstruct,
    InitialiserConstruct,
    LossConstruct,
    OpConstruct,
    OptimizerConstruct,
    PolicyConstruct,
    RoutingConstruct,
    ScheduleConstruct,
    SolverConstruct,
    TargetConstruct,
)

ConstructT = TypeVar("ConstructT", bound=Construct, covariant=True)

FOLDER = "ffebm_dsl.constructs"


class Table(Mapping[str, ConstructT], Generic[ConstructT]):
    """The constructs of one kind by name, in alphabetical order.

    ``noun`` is what a message calls one of them, ``kind`` the class that each is of. A table
    that is not ``extensible`` holds what the language has words for, and no package adds to it.
    """

    def __init__(
        self, name: str, noun: str, kind: type[ConstructT], *, extensible: bool = True
    ) -> None:
        self.name = name
        self.noun = noun
        self.kind = kind
        self.extensible = extensible
        self._read: dict[str, ConstructT] = {}
        self._added: tuple[str, ...] = ()

    def add(self, construct: Construct) -> None:
        """Enter a construct that has no file: see :func:`register`."""
        if not isinstance(construct, self.kind):
            raise TypeError(f"the table `{self.name}` takes a {self.kind.__name__}")
        if not self.extensible:
            raise ValueError(f"nothing can be added to the table `{self.name}`")
        if construct.name in self:
            raise ValueError(f"`{construct.name}` is taken in the table `{self.name}`")
        self._read[construct.name] = construct
        self._added = (*self._added, construct.name)

    @cached_property
    def _files(self) -> tuple[str, ...]:
        folder = import_module(f"{FOLDER}.{self.name}")
        found = (module.name for module in pkgutil.iter_modules(folder.__path__))
        return tuple(sorted(name for name in found if not name.startswith("_")))

    def __getitem__(self, name: str) -> ConstructT:
        if name not in self._read:
            if name not in self._files:
                raise KeyError(name)
            construct = import_module(f"{FOLDER}.{self.name}.{name}").CONSTRUCT
            assert isinstance(construct, self.kind) and construct.name == name
            self._read[name] = construct
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._read or name in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(sorted((*self._files, *self._added)))

    def __len__(self) -> int:
        return len(self._files) + len(self._added)


OPS = Table("ops", "op", OpConstruct)
ACTIVATIONS = Table("activations", "activation", ActivationConstruct)
ENERGIES = Table("energies", "energy", EnergyConstruct)
INITIALISERS = Table("initialisers", "initialiser", InitialiserConstruct)
PHASES = Table("phases", "phase", Construct, extensible=False)
ROUTINGS = Table("routings", "routing", RoutingConstruct)
SOLVERS = Table("solvers", "solver", SolverConstruct)
GRADIENTS = Table("gradients", "gradient estimator", EstimatorConstruct)
LOSSES = Table("losses", "loss", LossConstruct)
INPUTS = Table("inputs", "kind of input", Construct)
TARGETS = Table("targets", "kind of target", TargetConstruct)
DATA = Table("data", "data set", DataConstruct)
AUGMENTATIONS = Table("augmentations", "augmentation", AugmentationConstruct)
OPTIMIZERS = Table("optimizers", "optimizer", OptimizerConstruct)
SCHEDULES = Table("schedules", "schedule", ScheduleConstruct)
GROUPS = Table("groups", "parameter group", Construct, extensible=False)
POLICIES = Table("policies", "policy", PolicyConstruct)

TABLES: Mapping[str, Table[Construct]] = MappingProxyType(
    {
        table.name: table
        for table in (
            OPS,
            ACTIVATIONS,
            ENERGIES,
            INITIALISERS,
            PHASES,
            ROUTINGS,
            SOLVERS,
            GRADIENTS,
            LOSSES,
            INPUTS,
            TARGETS,
            DATA,
            AUGMENTATIONS,
            OPTIMIZERS,
            SCHEDULES,
            GROUPS,
            POLICIES,
        )
    }
)
"""Every table by name; :attr:`Parameter.table` refers to these names."""


def register(construct: Construct, table: str) -> None:
    """Enter a construct into a table of this process: for notebooks and tests.

    A construct that others are to use belongs into a package that they can install.

    Args:
        construct: of the class that the table takes, such as :class:`OpConstruct` for ``ops``.
        table: a name of :data:`TABLES`.

    Raises:
        KeyError: there is no such table.
        TypeError: the construct is of another class.
        ValueError: the name is taken, or the table takes no additions.
    """
    TABLES[table].add(construct)
