"""``data = digits``."""

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

    table = columns("digits.csv.gz").astype(np.uint8)
    images, labels = table[:, :-1].reshape(-1, 1, 8, 8), table[:, -1]
    return split_by(rows_for_test(labels), "digits", {"images": images}, labels)


CONSTRUCT = DataConstruct(
    "digits",
    "the 8 x 8 digits that come with scikit-learn",
    settings((0.3053,), (0.3761,)),
    source="Alpaydin and Kaynak 1998 (UCI repository, optical recognition of handwritten digits)",
    read=_read,
    shapes=((1, 8, 8),),
    classes=10,
    integer_maximum=16,
)
