"""The rules of the code, checked on syntax trees: imports, sizes, forbidden names.

Each rule is a function from source text to violations, and is itself tested on a source that
breaks it.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = {"ffebm_dsl": ROOT / "ffebm_dsl"} | {
    f"ffebm_dsl.{name}": ROOT / name for name in ("cli", "grammar", "specs")
}

LEVELS = ("language", "physics", "running", "tools")

IMPORTS: Mapping[str, frozenset[str]] = {
    part: frozenset(may_import.split())
    for part, may_import in {
        "diagnostics": "",
        "grammar": "",
        "specs": "",
        "modules": "layout",
        "layout": "",
        "complex_functions": "",
        # What derives from an interface finds the engine through it, when it runs.
        "interfaces": "layout gradients",
        "allocation": "",
        "syntax": "diagnostics",
        "registry": "diagnostics",
        "constructs": "hardware registry interfaces layout energy network gradients relaxation "
        "datasets hdf5 modules complex_functions",
        "ir": "syntax registry diagnostics",
        "comparison": "ir registry",
        "netlist": "energy interfaces network diagnostics",
        "cost": "ir interchange registry diagnostics",
        "drawing": "ir registry",
        "editor": "ir syntax registry diagnostics",
        "highlighting": "syntax registry",
        "interchange": "ir syntax registry diagnostics grammar",
        "migrations": "syntax diagnostics",
        "relaxation": "interfaces layout",
        "energy": "interfaces modules layout relaxation",
        "gradients": "interfaces layout energy relaxation",
        "hardware": "interfaces layout network gradients",
        # A block without settings has those of the language, which it asks `build` for.
        "network": "hardware interfaces modules layout energy relaxation gradients build",
        "build": "ir registry diagnostics interfaces hardware network energy relaxation gradients "
        "modules",
        "storage": "diagnostics",
        "run_directory": "storage diagnostics",
        "seal": "",
        "hdf5": "diagnostics",
        "records": "hdf5 storage seal diagnostics",
        "report": "cost experiments ir records registry diagnostics",
        "experiments": "records storage run_directory ir registry syntax diagnostics",
        "reproduction": "experiments training datasets storage ir registry diagnostics",
        "exporting": "build network relaxation energy training storage interchange ir diagnostics",
        "datasets": "storage hdf5 registry diagnostics",
        "checking": "build constructs interfaces network gradients relaxation energy modules ir "
        "registry diagnostics training records",
        "training": "interchange build constructs interfaces network gradients relaxation storage "
        "records run_directory seal datasets ir registry diagnostics",
        "benchmarking": "checking build interfaces network gradients relaxation energy layout ir "
        "registry diagnostics",
        "cli": "cost allocation storage benchmarking training checking report comparison "
        "experiments reproduction exporting build datasets records run_directory ir registry "
        "syntax diagnostics network specs drawing netlist editor interchange migrations interfaces",
        "__main__": "cli",
        "": "exporting build constructs interchange interfaces ir energy network registry "
        "diagnostics training",
    }.items()
}
"""Part of the package -> the parts it may import; ``""`` is ``ffebm_dsl/__init__.py``."""

HEAVY = frozenset({"h5py", "jinja2", "matplotlib", "numpy", "scipy", "sklearn", "torch"})
BANNED_FROM: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        (
            "diagnostics",
            "syntax",
            "registry",
            "ir",
            "comparison",
            "cost",
            "drawing",
            "editor",
            "highlighting",
            "interchange",
            "migrations",
        ),
        HEAVY | {"rich", "typer"},
    ),
    **dict.fromkeys(
        ("storage", "seal", "run_directory", "hdf5", "records", "datasets"),
        frozenset({"torch", "typer"}),
    ),
    **dict.fromkeys(("energy", "relaxation", "gradients", "network"), frozenset({"h5py", "typer"})),
}
"""Libraries that a part may not import anywhere."""

DEFERRED_IN: Mapping[str, frozenset[str]] = {
    part: HEAVY
    | {
        f"ffebm_dsl.{name}"
        for name in (
            "build",
            "physics.energy",
            "physics.gradients",
            "physics.layout",
            "physics.network",
            "physics.relaxation",
            "running.datasets",
            "running.training",
            "tools.checking",
            "tools.report",
        )
    }
    for part in ("cli", "constructs", "interfaces", "", "__main__")
}
"""What a part may import only inside the function that needs it."""

LONGEST_MODULE, LONGEST_FUNCTION = 400, 60


@dataclass(frozen=True)
class Import:
    """``module`` is absolute; ``runs_at_import`` is false inside functions and for types."""

    module: str
    line: int
    runs_at_import: bool = True
    for_types: bool = False


def sources() -> dict[str, str]:
    """Every module of the package by its full name."""
    found = {}
    for package, folder in PACKAGE.items():
        for file in sorted(folder.rglob("*.py")):
            parts = file.relative_to(folder).with_suffix("").parts
            found[".".join((package, *parts)).removesuffix(".__init__")] = file.read_text()
    return found


def part_of(module: str) -> str:
    """``ir`` of ``ffebm_dsl.language.ir.model``, ``build`` of ``ffebm_dsl.build``, else ``""``."""
    parts = [part for part in module.split(".")[1:] if part not in LEVELS]
    return "".join(parts[:1])


def imports(text: str) -> Iterator[Import]:
    """Every import of a module; ``from ffebm_dsl import build`` counts as ``ffebm_dsl.build``."""

    def visit(node: ast.AST, at_import: bool, for_types: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                for module in _targets(child):
                    yield Import(module, child.lineno, at_import and not for_types, for_types)
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            types = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            yield from visit(child, at_import and not inside, for_types or types)

    return visit(ast.parse(text), True, False)


def _targets(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if node.level:
        return ["." * node.level + (node.module or "")]
    module = node.module or ""
    if module == "ffebm_dsl" or module.removeprefix("ffebm_dsl.") in LEVELS:
        names = [alias.name for alias in node.names]
        return [f"{module}.{name}" if name in IMPORTS else module for name in names]
    return [module]


def direction_violations(module: str, text: str) -> Iterator[str]:
    part = part_of(module)
    for found in imports(text):
        where = f"{module}:{found.line} imports {found.module}"
        if found.module.startswith("."):
            yield f"{where}: relative"
        elif found.module.split(".")[0] == "ffebm_dsl":
            target = part_of(found.module)
            if target and target != part and target not in IMPORTS[part]:
                yield f"{where}: {part or 'the package root'} may not"
        elif found.module.split(".")[0] in BANNED_FROM.get(part, ()):
            yield f"{where}: banned from {part}"
        if found.runs_at_import and _reaches(found.module, DEFERRED_IN.get(part, frozenset())):
            yield f"{where}: only inside the function that needs it"


def _reaches(module: str, names: frozenset[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def size_violations(module: str, text: str) -> Iterator[str]:
    lines = text.count("\n")
    if lines > LONGEST_MODULE:
        yield f"{module} has {lines} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield f"{module}:{node.lineno} {node.name} has {length} lines"


PICKLE_USES = frozenset(
    f"pickle.{name}" for name in ("Pickler", "Unpickler", "dump", "dumps", "load", "loads")
)


def safety_violations(module: str, text: str) -> Iterator[str]:
    """Whatever could run what a file says: a spec, a record or a checkpoint is data."""
    for found in imports(text):
        if found.module.split(".")[0] in ("dill", "marshal", "shelve"):
            yield f"{module}:{found.line} imports {found.module}"
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        unsafe = name in ("__import__", "compile", "eval", "exec", "os.system", "yaml.load")
        pickled = name == "torch.load" and keywords.get("weights_only") != "True"
        if unsafe or pickled or keywords.get("allow_pickle") == "True":
            yield f"{module}:{node.lineno} calls {name}"


def pickle_violations(module: str, text: str) -> Iterator[str]:
    """Every use of pickle but the name of its own error, and an unpickler with names of its own.

    That one must say in ``find_class`` what each name is, and never ask Python's.
    """
    tree = ast.parse(text)
    restricted = {
        base
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and "super().find_class" not in ast.unparse(node)
        for base in node.bases
        if any(
            isinstance(part, ast.FunctionDef) and part.name == "find_class" for part in node.body
        )
    }
    for node in ast.walk(tree):
        if node in restricted:
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "pickle":
            yield f"{module}:{node.lineno} imports from pickle"
        if isinstance(node, ast.Attribute) and ast.unparse(node) in PICKLE_USES:
            yield f"{module}:{node.lineno} uses {ast.unparse(node)}"


def exports(text: str) -> list[str] | None:
    """The names of ``__all__``, or None where a module has none."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def export_violations(module: str, text: str) -> Iterator[str]:
    """Constants, then classes, then functions, each by name: the order ruff sorts to."""
    names = exports(text) or []

    def rank(name: str) -> tuple[int, str]:
        return (0 if name.isupper() else 1 if name[0].isupper() else 2), name

    if names != sorted(set(names), key=rank):
        yield f"{module}: __all__ is not sorted, or names something twice"


RULES: dict[str, Callable[[str, str], Iterator[str]]] = {
    "direction": direction_violations,
    "size": size_violations,
    "safety": safety_violations,
    "pickle": pickle_violations,
    "exports": export_violations,
}


@pytest.mark.parametrize("rule", RULES)
def test_the_package_keeps_the_rule(rule: str) -> None:
    found = [fault for module, text in sources().items() for fault in RULES[rule](module, text)]
    assert not found, "\n".join(found)


PLANTED = [
    ("direction", "ffebm_dsl.language.syntax.planted", "import torch"),
    ("direction", "ffebm_dsl.language.ir.planted", "def f():\n    import numpy.linalg"),
    (
        "direction",
        "ffebm_dsl.language.syntax.planted",
        "from ffebm_dsl.language.ir import compile_spec",
    ),
    ("direction", "ffebm_dsl.physics.energy.planted", "from ffebm_dsl.physics import network"),
    ("direction", "ffebm_dsl.language.diagnostics.planted", "from ..ir import model"),
    ("direction", "ffebm_dsl.cli.planted", "import torch.nn"),
    (
        "direction",
        "ffebm_dsl.cli.planted",
        "if True:\n    from ffebm_dsl.running.training import train",
    ),
    ("direction", "ffebm_dsl.cli.planted", "from ffebm_dsl.tools.report import page"),
    ("direction", "ffebm_dsl.tools.report.planted", "from ffebm_dsl.running.training import train"),
    ("direction", "ffebm_dsl", "from ffebm_dsl.build import build"),
    ("size", "ffebm_dsl.language.ir.planted", "x = 1\n" * 401),
    ("size", "ffebm_dsl.language.ir.planted", "def f():\n" + "    x = 1\n" * 60),
    ("safety", "ffebm_dsl.language.ir.planted", "import marshal"),
    ("pickle", "ffebm_dsl.language.ir.planted", "import pickle\npickle.loads(text)"),
    ("pickle", "ffebm_dsl.language.ir.planted", "from pickle import loads"),
    ("pickle", "ffebm_dsl.language.ir.planted", "class A(pickle.Unpickler):\n    pass"),
    (
        "pickle",
        "ffebm_dsl.language.ir.planted",
        "class A(pickle.Unpickler):\n    def find_class(self, module, name):\n"
        "        return super().find_class(module, name)",
    ),
    ("safety", "ffebm_dsl.language.ir.planted", "eval('1')"),
    ("safety", "ffebm_dsl.language.ir.planted", "yaml.load(text)"),
    ("safety", "ffebm_dsl.running.training.planted", "torch.load(path)"),
    ("safety", "ffebm_dsl.running.training.planted", "np.load(path, allow_pickle=True)"),
    ("exports", "ffebm_dsl.language.ir.planted", "__all__ = ['b', 'a']"),
    ("exports", "ffebm_dsl.language.ir.planted", "__all__ = ['a', 'a']"),
]


@pytest.mark.parametrize(("rule", "module", "text"), PLANTED)
def test_a_planted_violation_is_found(rule: str, module: str, text: str) -> None:
    assert list(RULES[rule](module, text))


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("ffebm_dsl.cli.planted", "def f():\n    import torch"),
        (
            "ffebm_dsl.cli.planted",
            "if TYPE_CHECKING:\n    from ffebm_dsl.running.training import Options",
        ),
        (
            "ffebm_dsl.running.training.planted",
            "torch.load(path, weights_only=True)\nnetwork.eval()",
        ),
        ("ffebm_dsl.running.training.planted", "import pickle\nE = pickle.UnpicklingError"),
        (
            "ffebm_dsl.running.training.planted",
            "class A(pickle.Unpickler):\n    def find_class(self, module, name):\n"
            "        return NAMES[module, name]",
        ),
        ("ffebm_dsl.language.ir.planted", "__all__ = ['OPS', 'Shape', 'count']"),
    ],
)
def test_what_is_allowed_is_not_reported(module: str, text: str) -> None:
    assert not [fault for rule in RULES.values() for fault in rule(module, text)]


def test_every_part_has_its_imports_stated() -> None:
    assert {part_of(module) for module in sources()} == set(IMPORTS)


def test_every_package_is_installed() -> None:
    """A folder of modules that pyproject.toml does not list would be missing from the wheel."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        ".".join((package, *file.parent.relative_to(folder).parts))
        for package, folder in PACKAGE.items()
        for file in folder.rglob("*.py")
    }
    assert sorted(folders) == setuptools["packages"]
    for folder in PACKAGE.values():
        for file in folder.rglob("*.py"):
            assert (file.parent / "__init__.py").is_file(), f"{file.parent} is not a package"


UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")


def test_no_two_classes_share_a_name() -> None:
    """A reader who meets a name, or searches for it, finds one class."""
    found: dict[str, list[str]] = {}
    for module, text in sources().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(module)
    assert {name: modules for name, modules in found.items() if len(modules) > 1} == {}


def test_no_two_modules_share_a_name() -> None:
    """Except where the place says what a file is: a construct's name in a table, a command's."""
    files = (ROOT / "ffebm_dsl").rglob("[a-z]*.py")
    count = Counter(file.name for file in files if "constructs" not in file.parts)
    assert [name for name, times in count.items() if times > 1] == []


def test_nothing_is_marked_unfinished() -> None:
    kept = ("ffebm_dsl", "cli", "grammar", "specs", "tests", "examples", "docs", "benchmarks")
    files = [file for folder in kept for file in (ROOT / folder).rglob("*") if file.is_file()]
    files += [file for file in ROOT.iterdir() if file.suffix in (".md", ".toml", ".txt")]
    readable = {".py", ".lark", ".ffe", ".md", ".toml", ".txt"}
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in files
        if file.suffix in readable
        for number, line in enumerate(file.read_text().splitlines(), start=1)
        if UNFINISHED.search(line)
    ]
    assert not found
    assert UNFINISHED.search("# TO" + "DO: later")


CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def test_the_picture_of_a_training_is_true() -> None:
    """Every file and function of CONTRIBUTING.md's picture is there."""
    places = re.findall(r"([\w/]+\.py): (\w+)", CONTRIBUTING)
    assert len(places) >= 15
    for path, name in places:
        tree = ast.parse((ROOT / "ffebm_dsl" / path).read_text())
        defined = (ast.FunctionDef, ast.ClassDef)
        assert name in {n.name for n in tree.body if isinstance(n, defined)}, f"{path}: {name}"


def test_the_table_of_parts_is_complete() -> None:
    table = CONTRIBUTING.partition("| level | part | does |")[2].partition("\n\n")[0]
    parts = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row)}
    assert set(IMPORTS) - {"", "__main__", "grammar", "specs"} <= parts
