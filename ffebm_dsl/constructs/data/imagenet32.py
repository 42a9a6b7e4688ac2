"""``data = imagenet32``."""

from ffebm_dsl.constructs.data._settings import IMAGENET, WIDENED, settings
from ffebm_dsl.language.registry import DataConstruct

CONSTRUCT = DataConstruct(
    "imagenet32",
    "ImageNet of 32 x 32 pixels, npz or pickled batches",
    settings(*IMAGENET, batch=256),
    source="Chrabaszcz, Loshchilov and Hutter 2017, arXiv 1707.08819",
    deviations=(f"{WIDENED}1.5 times",),
    shape=(3, 32, 32),
    classes=1000,
)
