"""``data = digits``."""

from ffebm_dsl.constructs.data._settings import settings
from ffebm_dsl.language.registry import DataConstruct

CONSTRUCT = DataConstruct(
    "digits",
    "the 8 x 8 digits that come with scikit-learn",
    settings((0.3053,), (0.3761,)),
    source="Alpaydin and Kaynak 1998 (UCI repository, optical recognition of handwritten digits)",
    shape=(1, 8, 8),
    classes=10,
)
