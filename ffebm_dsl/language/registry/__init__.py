"""Signatures of everything a spec can name, as plain data.

One table per category. Binding, nearest names, the reference tables of the docs and
whatever else needs to know an argument's name, type, default or range read them here.
What an entry *does* is implemented elsewhere, in the module that a table's user names.
"""

from collections.abc import Mapping
from types import MappingProxyType

from ffebm_dsl.language.registry.model import (
    ACTIVATIONS,
    ENERGIES,
    GRADIENTS,
    INITIALISERS,
    INPUTS,
    LOSSES,
    ORDERS,
    PHASES,
    ROUTINGS,
    SOLVERS,
    TARGETS,
)
from ffebm_dsl.language.registry.ops import OPS, OpSignature
from ffebm_dsl.language.registry.signature import (
    REQUIRED,
    Bounds,
    Kind,
    Parameter,
    SameAs,
    Signature,
    describe_default,
)
from ffebm_dsl.language.registry.train import (
    AUGMENTATIONS,
    DATA,
    GROUPS,
    OPTIMIZERS,
    POLICIES,
    SCHEDULES,
    TRAIN,
    AugmentationSignature,
    DataSignature,
)

TABLES: Mapping[str, Mapping[str, Signature]] = MappingProxyType(
    {
        "ops": OPS,
        "activations": ACTIVATIONS,
        "energies": ENERGIES,
        "initialisers": INITIALISERS,
        "phases": PHASES,
        "routing": ROUTINGS,
        "solvers": SOLVERS,
        "gradients": GRADIENTS,
        "losses": LOSSES,
        "inputs": INPUTS,
        "targets": TARGETS,
        "data": DATA,
        "augmentations": AUGMENTATIONS,
        "optimizers": OPTIMIZERS,
        "schedules": SCHEDULES,
        "groups": GROUPS,
        "policies": POLICIES,
    }
)
"""Every table by name; :attr:`Parameter.table` refers to these names."""

NOUNS: Mapping[str, str] = MappingProxyType(
    {
        "ops": "op",
        "activations": "activation",
        "energies": "energy",
        "initialisers": "initialiser",
        "phases": "phase",
        "routing": "routing",
        "solvers": "solver",
        "gradients": "gradient estimator",
        "losses": "loss",
        "inputs": "kind of input",
        "targets": "kind of target",
        "data": "data set",
        "augmentations": "augmentation",
        "optimizers": "optimizer",
        "schedules": "schedule",
        "groups": "parameter group",
        "policies": "policy",
    }
)
"""What one entry of each table is called in a message."""

__all__ = [
    "ACTIVATIONS",
    "AUGMENTATIONS",
    "DATA",
    "ENERGIES",
    "GRADIENTS",
    "GROUPS",
    "INITIALISERS",
    "INPUTS",
    "LOSSES",
    "NOUNS",
    "OPS",
    "OPTIMIZERS",
    "ORDERS",
    "PHASES",
    "POLICIES",
    "REQUIRED",
    "ROUTINGS",
    "SCHEDULES",
    "SOLVERS",
    "TABLES",
    "TARGETS",
    "TRAIN",
    "AugmentationSignature",
    "Bounds",
    "DataSignature",
    "Kind",
    "OpSignature",
    "Parameter",
    "SameAs",
    "Signature",
    "describe_default",
]
