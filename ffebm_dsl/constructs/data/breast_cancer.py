"""``data = breast_cancer``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.data._parameters import settings
from ffebm_dsl.language.registry import Arguments, DataConstruct

if TYPE_CHECKING:
    from ffebm_dsl.running.datasets.raw import Raw


def _read(arguments: Arguments, data_dir: Path | None, files: None) -> Raw:
    import numpy as np

    from ffebm_dsl.running.datasets.bundled import columns, rows_for_test, split_by

    table = columns("breast_cancer.csv", heading=1)
    labels = table[:, -1].astype(np.uint8)
    test = rows_for_test(labels)
    mean, std = table[~test, :-1].mean(axis=0), table[~test, :-1].std(axis=0)
    features = (table[:, :-1] - mean) / std
    return split_by(test, "breast_cancer", {"features": features}, labels)


CONSTRUCT = DataConstruct(
    "breast_cancer",
    "30 features of 569 tumours, malignant (0) or benign (1), that come with scikit-learn",
    settings((0.0,), (1.0,), batch=32),
    source="Street, Wolberg and Mangasarian 1993 (SPIE 1905); UCI repository, Breast Cancer "
    "Wisconsin (Diagnostic)",
    deviations=(
        "each feature has mean 0 and variance 1 over the training set",
        "every fifth sample of each class is in the test set: 456 training and 113 test samples",
    ),
    read=_read,
    shapes=((30,),),
    classes=2,
)
