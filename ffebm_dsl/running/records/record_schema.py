"""The schema ``ffebm-log 1.6`` as data.

The writer, the checks of the reader and the tables of ``docs/record.md`` are derived from it. A
dataset named like one of its group's dimensions is the scale of that dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

FORMAT = "ffebm-log"
FORMAT_VERSION = "1.6"

STATUSES = ("converged", "exhausted", "cycling", "diverged")
"""Final statuses of a sample's relaxation, in the order of the codes of relaxation.Status."""

RUN_STATES = ("running", "finished", "stopped", "diverged")
"""Values of the attribute ``status`` of ``/run``."""

EVENT_KINDS = (
    "start",
    "resume",
    "change",
    "note",
    "warning",
    "signal",
    "diverged",
    "test",
    "finish",
)
"""Kinds of events; ``change``: something that affects results was changed, as the user allowed;
``note``: what is no fault but affects results, such as cycles; ``test``: the test set was read."""

TROUBLES = ("not finite", "diverging", "exploding")
"""Kinds of bad numbers."""

TROUBLE_PHASES = (
    *("input", "target", "weights", "buffers", "map", "free", "loss"),
    *("nudged", "adjoint", "gradient"),
)
"""The phases of a step in which they may occur, in order of computation."""

ACTIONS = ("stopped", "skipped", "damped")
"""Responses to a bad step; ``damped``: a damped try of the batch succeeded."""

DTYPES = MappingProxyType(
    {"f8": "<f8", "f4": "<f4", "i8": "<i8", "i4": "<i4", "i2": "<i2", "u1": "|u1", "str": "UTF-8"}
)


@dataclass(frozen=True)
class Field:
    """One dataset: its name, type (a key of ``DTYPES``), dimensions, meaning and units.

    ``absent`` is its value in records of earlier versions that do not have it; None if every record
    has it.
    """

    name: str
    dtype: str
    dims: tuple[str, ...]
    long_name: str
    units: str = "1"
    absent: int | None = None


@dataclass(frozen=True)
class Group:
    """One group below ``/run``.

    ``rows`` is the dimension that grows during a run ("" if none does): every field with it as
    first dimension is a column. The other fields are set once. ``signal`` is the field that viewers
    plot by default ("" if none).
    """

    name: str
    title: str
    rows: str
    fields: tuple[Field, ...]
    signal: str = ""

    @property
    def nx_class(self) -> str:
        return "NXdata" if self.signal else "NXcollection"

    @property
    def columns(self) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if self.rows and f.dims[:1] == (self.rows,))

    @property
    def constants(self) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if not self.rows or f.dims[:1] != (self.rows,))


_STEP = Field("step", "i8", ("step",), "training steps done")
_GRID = ("step", "solve")
_PER_TENSOR = ("step", "parameter")

PROVENANCE = Group(
    "provenance",
    "what was run, on what, by which program",
    "",
    (
        Field("spec_name", "str", (), "file name of the spec"),
        Field("spec_text", "str", (), "source text of the spec"),
        Field("spec_sha256", "str", (), "SHA-256 of the spec's text in UTF-8"),
        Field("spec_resolved", "str", (), "resolved spec as JSON, overrides applied"),
        Field("override", "str", ("override",), "overrides given as key=value"),
        Field("argv", "str", ("argv",), "command line that started the run"),
        Field("package", "str", ("package",), "versions of the packages in use"),
        Field("environment", "str", (), "machine and settings as JSON"),
        Field("seed", "i8", (), "seed of initial weights, data order and augmentation"),
        Field("rng_scheme", "str", (), "how random numbers follow from the seed"),
        Field("dtype", "str", (), "floating-point type of the network"),
        Field("device", "str", (), "device at the start of the run"),
        Field("threads", "i4", (), "CPU threads of torch at the start of the run"),
        Field("dataset_name", "str", (), "name of the data set"),
        Field("dataset_file", "str", ("dataset_file",), "files the data set was read from"),
        Field("dataset_sha256", "str", (), "SHA-256 of the data set's arrays"),
        Field("train_samples", "i8", (), "samples in the training set"),
        Field("test_samples", "i8", (), "samples in the test set"),
        Field("parameter_count", "i8", (), "trainable parameters"),
    ),
)

TRAIN = Group(
    "train",
    "one row per training step",
    "step",
    (
        _STEP,
        Field("epoch", "i4", ("step",), "epoch of the step, counted from 1"),
        Field("batch_size", "i4", ("step",), "samples in the batch"),
        Field("loss", "f8", ("step",), "mean loss of the batch", "nat"),
        Field("accuracy", "f8", ("step",), "part of the batch classified rightly"),
        Field("learning_rate", "f8", ("step",), "learning rate of the step"),
        Field("gradient_norm", "f8", ("step",), "Euclidean norm of the whole gradient"),
        Field("free_sweeps", "f8", ("step",), "mean sweeps of the free phases"),
        Field("wall_time", "f8", ("step",), "time spent in training up to the step's end", "s"),
    ),
    signal="loss",
)

LOSSES = Group(
    "losses",
    "one row per training step, one column per term of a loss of several",
    "step",
    (
        _STEP,
        Field("term", "str", ("term",), "term, without its weight"),
        Field("weight", "f8", ("term",), "what the term is multiplied by in the loss"),
        Field("loss", "f8", ("step", "term"), "mean of the term over the batch", "nat"),
    ),
    signal="loss",
)

EVAL = Group(
    "eval",
    "one row per evaluation during training, on the validation set where there is one",
    "step",
    (
        _STEP,
        Field("epoch", "i4", ("step",), "epoch of the last step before, counted from 1"),
        Field("samples", "i8", ("step",), "samples evaluated"),
        Field("loss", "f8", ("step",), "mean loss over the set", "nat"),
        Field("top1", "f8", ("step",), "part of the set classified rightly"),
        Field("top5", "f8", ("step",), "part whose label is among the five largest outputs"),
        Field("block", "str", ("block",), "energy block"),
        Field("sweeps", "f8", ("step", "block"), "mean sweeps of the free phase"),
        Field("wall_time", "f8", ("step",), "time spent in training up to the evaluation", "s"),
    ),
    signal="top1",
)

QUANTITIES = Group(
    "quantities",
    "one row per evaluation, one column per quantity that a block's energy measures",
    "step",
    (
        _STEP,
        Field("quantity", "str", ("quantity",), "quantity, as block.name"),
        Field("mean", "f8", ("step", "quantity"), "mean over the samples evaluated", "SI"),
    ),
    signal="mean",
)

TEST = Group(
    "test",
    "one row per reading of the test set, where a validation set is what training is judged by",
    "step",
    (
        _STEP,
        Field("weights", "i8", ("step",), "step of the weights: those of the best evaluation"),
        Field("samples", "i8", ("step",), "samples evaluated"),
        Field("loss", "f8", ("step",), "mean loss over the test set", "nat"),
        Field("top1", "f8", ("step",), "part of the test set classified rightly"),
        Field("top5", "f8", ("step",), "part whose label is among the five largest outputs"),
    ),
)

RELAXATION = Group(
    "relaxation",
    "one row per training step, one column per solve (a phase of a block)",
    "step",
    (
        _STEP,
        Field("solve", "str", ("solve",), "solve, as block.phase"),
        Field("block", "str", ("solve",), "block of the solve"),
        Field("phase", "str", ("solve",), "phase of the solve: free, nudged or adjoint"),
        Field("residual_max", "f4", _GRID, "largest relative change in the last sweep"),
        Field("residual_median", "f4", _GRID, "median relative change in the last sweep"),
        Field("sweeps_mean", "f4", _GRID, "mean sweeps used"),
        Field("sweeps_max", "i4", _GRID, "most sweeps used"),
        Field("accelerated", "i4", _GRID, "samples that `solver = auto` accelerated", absent=0),
        *(Field(name, "i4", _GRID, f"samples that ended {name}") for name in STATUSES),
    ),
    signal="residual_max",
)

GRADIENTS = Group(
    "gradients",
    "one row per gradient diagnostic, one column per parameter tensor",
    "step",
    (
        _STEP,
        Field("parameter", "str", ("parameter",), "parameter tensor"),
        Field("norm", "f8", _PER_TENSOR, "Euclidean norm of the gradient used in training"),
        Field("norm_implicit", "f8", _PER_TENSOR, "Euclidean norm of the implicit gradient"),
        Field("cosine", "f8", _PER_TENSOR, "cosine between the two gradients"),
        Field("relative_error", "f8", _PER_TENSOR, "norm of the difference / norm_implicit"),
        Field("exhausted", "i4", ("step",), "samples whose adjoint did not converge", absent=0),
        Field("diverged", "i4", ("step",), "samples whose adjoint diverged", absent=0),
    ),
    signal="cosine",
)

AMPLIFICATION = Group(
    "amplification",
    "one row after the epochs 1, 2, 4, 8, ... and the last one, one column per block",
    "step",
    (
        _STEP,
        Field("block", "str", ("block",), "block"),
        Field("states", "f8", ("step", "block"), "change of its free state"),
        Field("gradients", "f8", ("step", "block"), "change of its weights' gradients"),
    ),
    signal="gradients",
)
"""Relative changes in float64, divided by that of all weights."""

BAD_STEPS = Group(
    "bad_steps",
    "one row per step whose numbers went wrong",
    "step",
    (
        Field("step", "i8", ("step",), "number of the step"),
        Field("epoch", "i4", ("step",), "epoch of the step, counted from 1"),
        Field("kind", "str", ("step",), "what was wrong first: " + ", ".join(TROUBLES)),
        Field("phase", "str", ("step",), "where in the step: " + ", ".join(TROUBLE_PHASES)),
        Field("block", "str", ("step",), "block, map of the model, or readout"),
        Field("layer", "str", ("step",), "layer, map or weight tensor in it"),
        Field("sample", "i8", ("step",), "first sample concerned, in the batch; -1: none"),
        Field("index", "i8", ("step",), "the same sample in the training set"),
        Field("value", "f8", ("step",), "the number that was wrong; size, residual or growth"),
        Field("tries", "i4", ("step",), "how often the batch was tried"),
        Field("action", "str", ("step",), "what was done: " + ", ".join(ACTIONS)),
    ),
)

_OVER_SWEEPS = ("sweep", "parameter")
_ENTRIES = ("sweep", "parameter", "entry")

TRANSIENTS = Group(
    "transients",
    "EP against autodiff after each nudged sweep, one column per parameter tensor",
    "",
    (
        Field("sweep", "i8", ("sweep",), "nudged sweeps made, t = 0 ... T"),
        Field("parameter", "str", ("parameter",), "parameter tensor"),
        Field("parameter_block", "str", ("parameter",), "block whose sweeps decide it"),
        Field("parameter_shape", "str", ("parameter",), "shape of the tensor, as 64 x 3 x 3"),
        Field("norm", "f8", _OVER_SWEEPS, "Euclidean norm of the EP gradient after t sweeps"),
        Field(
            "norm_unrolled",
            "f8",
            _OVER_SWEEPS,
            "Euclidean norm of the gradient unrolled through the last t sweeps",
        ),
        Field("cosine", "f8", _OVER_SWEEPS, "cosine between the two gradients"),
        Field("relative_error", "f8", _OVER_SWEEPS, "norm of the difference / norm_unrolled"),
        Field("entry", "i8", ("entry",), "number of the entry that is followed"),
        Field(
            "entry_index",
            "i8",
            ("parameter", "entry"),
            "flat index of the entry in its tensor, -1 where the tensor has fewer",
        ),
        Field("value", "f8", _ENTRIES, "EP gradient of the entry after t sweeps"),
        Field("value_unrolled", "f8", _ENTRIES, "unrolled gradient of the entry"),
        Field("block", "str", ("block",), "energy block"),
        Field("beta", "f8", ("block",), "nudging strength"),
        Field("sweeps", "i8", ("block",), "nudged sweeps of the block, the rest is NaN"),
        Field("free_residual", "f8", ("block",), "largest relative change in the last free sweep"),
        Field("diverged", "i8", ("block",), "samples whose free phase diverged"),
        Field(
            "crossings",
            "i8",
            ("block",),
            "units that the nudged phases end on different sides of a kink",
        ),
        Field(
            "mirrored",
            "u1",
            ("block",),
            "1 if the nudged phase is the free phase's sweep in reverse",
        ),
    ),
    signal="cosine",
)

EVENTS = Group(
    "events",
    "what happened, in order",
    "event",
    (
        Field("event", "i8", ("event",), "number of the event"),
        Field("step", "i8", ("event",), "training steps done"),
        Field("time", "str", ("event",), "UTC time in ISO 8601"),
        Field("kind", "str", ("event",), ", ".join(EVENT_KINDS)),
        Field("message", "str", ("event",), "what there is to say of it"),
    ),
)

SEGMENTS = Group(
    "segments",
    "one row per process that worked on the run",
    "segment",
    (
        Field("segment", "i8", ("segment",), "number of the segment"),
        Field("start_step", "i8", ("segment",), "training steps done at its start"),
        Field("start_time", "str", ("segment",), "UTC time of its start in ISO 8601"),
        Field("exact", "u1", ("segment",), "1 if it computes what the first segment would"),
        Field("environment", "str", ("segment",), "machine and settings as JSON"),
    ),
)

GROUPS = (
    PROVENANCE,
    TRAIN,
    LOSSES,
    EVAL,
    TEST,
    QUANTITIES,
    RELAXATION,
    GRADIENTS,
    AMPLIFICATION,
    BAD_STEPS,
    TRANSIENTS,
    EVENTS,
    SEGMENTS,
)

RUN_ATTRIBUTES = MappingProxyType(
    {
        "run_id": "name of the run directory",
        "title": "name of the model in the spec",
        "start_time": "UTC time of the run's start in ISO 8601",
        "end_time": "UTC time of the last change of `status`, empty while running",
        "evaluated_on": "the set of `/run/eval`: `validation` or `test`",
        "test_set": "`none`, `unread`, `read once, at the end`, `read N times`, or `judged by`: "
        "evaluations during training were on it, and the best of them is chosen by it",
        "status": "one of " + ", ".join(f"`{state}`" for state in RUN_STATES),
    }
)
