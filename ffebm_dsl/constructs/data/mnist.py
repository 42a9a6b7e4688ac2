"""``data = mnist``."""

from types import MappingProxyType

from ffebm_dsl.constructs.data._idx import TEST, TRAIN, downloads, read
from ffebm_dsl.constructs.data._parameters import settings
from ffebm_dsl.language.registry import DataConstruct
from ffebm_dsl.language.registry.data_constructs import DataFiles, Form, Layout

# Yann LeCun's own page has not served the files for years; these two carry the same bytes.
_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
)

_FILES = DataFiles(
    name="mnist",
    title="MNIST",
    train=60_000,
    test=10_000,
    shape=(1, 28, 28),
    classes=10,
    layouts=(
        Layout(
            Form.IDX,
            (".", "mnist", "MNIST/raw"),
            TRAIN,
            TEST,
            MappingProxyType(
                {
                    TRAIN[0]: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                    TRAIN[1]: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                    TEST[0]: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                    TEST[1]: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                }
            ),
        ),
    ),
    downloads=downloads(
        _MIRRORS,
        (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    origin="http://yann.lecun.com/exdb/mnist/",
)

CONSTRUCT = DataConstruct(
    "mnist",
    "MNIST, from its four IDX files",
    settings((0.1307,), (0.3081,)),
    source="LeCun et al. 1998 (Proc. IEEE 86)",
    read=read,
    files=_FILES,
)
