"""``data = fashion_mnist``."""

from ffebm_dsl.constructs.data._idx import TEST, TRAIN, downloads, read
from ffebm_dsl.constructs.data._parameters import settings
from ffebm_dsl.language.registry import DataConstruct
from ffebm_dsl.language.registry.data_constructs import DataFiles, Form, Layout

_MIRRORS = ("https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",)

_FILES = DataFiles(
    name="fashion_mnist",
    title="Fashion-MNIST",
    train=60_000,
    test=10_000,
    shape=(1, 28, 28),
    classes=10,
    # Never the data directory itself: its files have the names of MNIST's.
    layouts=(
        Layout(
            Form.IDX,
            ("fashion_mnist", "fashion-mnist", "FashionMNIST/raw"),
            TRAIN,
            TEST,
        ),
    ),
    downloads=downloads(
        _MIRRORS,
        (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
    origin="https://github.com/zalandoresearch/fashion-mnist",
    balanced=True,
)

CONSTRUCT = DataConstruct(
    "fashion_mnist",
    "Fashion-MNIST, from its four IDX files",
    settings((0.286,), (0.353,)),
    source="Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747",
    read=read,
    files=_FILES,
)
