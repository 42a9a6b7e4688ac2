"""Constructs by name, one table for each kind; a construct's file is read when it is asked for.

A table is a folder of ``ffebm_dsl.constructs``: ``constructs/ops/conv2d.py`` holds the op
``conv2d`` as its ``CONSTRUCT``. To list a table is to list its folder; to look a name up
imports that one file. Packages that a spec names add the files of theirs. The keys of
``train``, which no package adds to, are :data:`TRAIN`.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Collection, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from types import MappingProxyType
from typing import Generic, TypeVar

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.registry.construct import (
    ActivationConstruct,
    Construct,
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
from ffebm_dsl.language.registry.data_constructs import AugmentationConstruct, DataConstruct
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE, NOT_NEGATIVE, Kind, Parameter
from ffebm_dsl.language.registry.physical_constructs import (
    ArrayConstruct,
    ConverterConstruct,
    NoiseConstruct,
    TermConstruct,
)

ConstructT = TypeVar("ConstructT", bound=Construct, covariant=True)

FOLDER = "ffebm_dsl.constructs"
OWN = "ffebm"
"""The owner of the constructs of :data:`FOLDER`."""

PROCESS = "this process"
"""The owner of the constructs that :func:`register` enters."""


def normalised(distribution: str) -> str:
    """The name of a distribution as all its spellings have it in common."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


@dataclass(eq=False)
class Table(Mapping[str, ConstructT], Generic[ConstructT]):
    """The constructs of one kind by name, in alphabetical order.

    The table has all constructs that this process knows: ffebm's own, those of the packages
    that specs have named, and registered ones. What one spec sees of it is :meth:`visible`.

    ``noun`` is what a message calls one of them, ``kind`` the class that each is of,
    ``statement`` a line of a text with ``{}`` in the place of a call of one. A table
    that is not ``extensible`` holds what the language has words for, and no package adds to it.
    """

    name: str
    noun: str
    kind: type[ConstructT]
    statement: str
    extensible: bool = True
    _read: dict[str, ConstructT] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def _entries(self) -> dict[str, tuple[str, str]]:
        """Owner and module of each construct; at first ffebm's own."""
        folder = import_module(f"{FOLDER}.{self.name}")
        found = (module.name for module in pkgutil.iter_modules(folder.__path__))
        own = (name for name in found if not name.startswith("_"))
        return {name: (OWN, f"{FOLDER}.{self.name}.{name}") for name in own}

    def owner(self, name: str) -> str | None:
        """The package that brings a construct; None where there is none of that name."""
        return self._entries[name][0] if name in self._entries else None

    def module(self, name: str) -> str:
        """The module that holds a construct; ``""`` for a registered one."""
        return self._entries[name][1]

    def enter(self, name: str, module: str, owner: str) -> None:
        """Make a construct known whose file is ``module``, in the package ``owner``."""
        self._entries[name] = (owner, module)

    def visible(self, packages: Collection[str] = ()) -> Mapping[str, ConstructT]:
        """The constructs that a spec can name if it uses these packages (:func:`normalised`)."""
        owners, seen = {OWN, PROCESS, *packages}, copy(self)
        seen._entries = {n: entry for n, entry in self._entries.items() if entry[0] in owners}
        return seen

    def __getitem__(self, name: str) -> ConstructT:
        owner, module = self._entries[name]
        if name not in self._read:
            self._read[name] = self._read_file(name, owner, module)
        return self._read[name]

    def _read_file(self, name: str, owner: str, module: str) -> ConstructT:
        """The ``CONSTRUCT`` of a file.

        Raises:
            InputError: the file of another package cannot be imported, or does not hold a
                construct of this table and name.
        """
        try:
            construct = import_module(module).CONSTRUCT
            if not isinstance(construct, self.kind) or construct.name != name:
                raise TypeError(f"its CONSTRUCT is no {self.kind.__name__} `{name}`")
        except Exception as error:
            if owner == OWN:
                raise
            raise InputError(
                f"the {self.noun} `{name}` of the package `{owner}` is faulty ({module}): {error}",
                help="tell its authors",
            ) from error
        return construct

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)


OPS = Table("ops", "op", OpConstruct, "feedforward u = x |> {}")
ACTIVATIONS = Table("activations", "activation", ActivationConstruct, "layer s1: [60] {}")
ENERGIES = Table(
    "energies", "energy", EnergyConstruct, "energy {} {{ layer s1: [60] identity  v -> s1 }}"
)
TERMS = Table(
    "terms",
    "term",
    TermConstruct,
    "energy hopfield {{ layer s1: [4, 60] tanh  v -> s1  s1 : {} }}",
)
INITIALISERS = Table("initialisers", "initialiser", InitialiserConstruct, "init {}")
PHASES = Table("phases", "phase", Construct, "relax {} {{ sweeps = 50 }}", extensible=False)
CONNECTIONS = Table(
    "connections",
    "connection",
    Construct,
    "energy hopfield {{ layer s1: [60] tanh  v -> s1 }}",
    extensible=False,
)
ROUTINGS = Table("routings", "routing", RoutingConstruct, "relax free {{ routing = {} }}")
SOLVERS = Table("solvers", "solver", SolverConstruct, "relax free {{ solver = {} }}")
NOISES = Table("noises", "noise", NoiseConstruct, "relax free {{ noise = [{}] }}")
ARRAYS = Table("arrays", "array of weights", ArrayConstruct, "hardware h {{ weights = {} }}")
CONVERTERS = Table("converters", "converter", ConverterConstruct, "hardware h {{ drives = {} }}")
GRADIENTS = Table("gradients", "gradient estimator", EstimatorConstruct, "gradient {}")
LOSSES = Table("losses", "loss", LossConstruct, "loss = {}(logits, y)")
INPUTS = Table("inputs", "kind of input", Construct, "input x: {}")
TARGETS = Table("targets", "kind of target", TargetConstruct, "target y: {}")
DATA = Table("data", "data set", DataConstruct, "data = {}")
AUGMENTATIONS = Table(
    "augmentations", "augmentation", AugmentationConstruct, "data = digits(augment=[{}])"
)
OPTIMIZERS = Table("optimizers", "optimizer", OptimizerConstruct, "optimizer = {}")
SCHEDULES = Table("schedules", "schedule", ScheduleConstruct, "schedule = {}")
GROUPS = Table(
    "groups", "parameter group", Construct, "optimizer = adam(groups=[{}])", extensible=False
)
POLICIES = Table("policies", "policy", PolicyConstruct, "on_bad_step = {}")

TABLES: Mapping[str, Table[Construct]] = MappingProxyType(
    {table.name: table for table in tuple(globals().values()) if isinstance(table, Table)}
)
"""Every table above by name; :attr:`Parameter.table` refers to these names."""


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
    known = TABLES[table]
    if not isinstance(construct, known.kind):
        raise TypeError(f"the table `{table}` takes a {known.kind.__name__}")
    if not known.extensible:
        raise ValueError(f"nothing can be added to the table `{table}`")
    if construct.name in known:
        raise ValueError(f"`{construct.name}` is taken in the table `{table}`")
    known.enter(construct.name, "", PROCESS)
    known._read[construct.name] = construct


TRAIN = Construct(
    "train",
    "how the network is trained",
    (
        Parameter("data", Kind.CALL, "data set", table="data"),
        Parameter("optimizer", Kind.CALL, "optimizer", table="optimizers"),
        Parameter(
            "schedule", Kind.CALL, "learning rate over epochs", "constant", table="schedules"
        ),
        Parameter("epochs", Kind.INT, "passes over the training set", bounds=AT_LEAST_ONE),
        Parameter("seed", Kind.INT, "of weights, data order and augmentation", 0, NOT_NEGATIVE),
        Parameter(
            "warmup",
            Kind.REAL,
            "epochs over which the learning rate rises from 0 to what the schedule says",
            0.0,
            NOT_NEGATIVE,
        ),
        Parameter(
            "clip_norm",
            Kind.REAL,
            "largest Euclidean norm of the whole gradient, which is scaled down to it; 0: none",
            0.0,
            NOT_NEGATIVE,
        ),
        Parameter("eval_every", Kind.INT, "epochs between evaluations", 1, AT_LEAST_ONE),
        Parameter(
            "patience",
            Kind.INT,
            "evaluations without improvement after which training ends; 0: never",
            0,
            NOT_NEGATIVE,
        ),
        Parameter("checkpoint_every", Kind.INT, "epochs between checkpoints", 1, AT_LEAST_ONE),
        Parameter(
            "diagnose_every",
            Kind.INT,
            "steps between gradient diagnostics; auto: so many that they take 1 % of the sweeps, "
            "and none if all blocks have implicit or bptt; 0: none",
            "auto",
            NOT_NEGATIVE,
            choices=("auto",),
        ),
        Parameter(
            "on_bad_step",
            Kind.CALL,
            "what to do after a step with invalid numbers",
            "stop",
            table="policies",
        ),
    ),
)
