"""The keys of ``train``."""

from __future__ import annotations

from ffebm_dsl.language.registry.construct import Construct
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE, NOT_NEGATIVE, Kind, Parameter

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
        Parameter("eval_every", Kind.INT, "epochs between evaluations", 1, AT_LEAST_ONE),
        Parameter("checkpoint_every", Kind.INT, "epochs between checkpoints", 1, AT_LEAST_ONE),
        Parameter(
            "diagnose_every",
            Kind.INT,
            "steps between gradient diagnostics; 0: none",
            0,
            NOT_NEGATIVE,
        ),
        Parameter(
            "on_bad_step",
            Kind.CALL,
            "what to do about a step whose numbers go wrong",
            "stop",
            table="policies",
        ),
    ),
)
