"""The page: complete, safe, reproducible, and clear about missing data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.textpath import TextPath

from ffebm_dsl.running.records import Record, write
from ffebm_dsl.tools.report import Run, load, page
from ffebm_dsl.tools.report import agreement as agreement_module
from ffebm_dsl.tools.report import runs as runs_module
from ffebm_dsl.tools.report.agreement import agreement
from ffebm_dsl.tools.report.curves import learning_curves
from ffebm_dsl.tools.report.figure import Artist
from tests.records import add_bad_step, analysed, bare_record, resolved, trained, whole_record

VOID = {"meta", "link", "br"}
SELF_CLOSED_IN_SVG = {"path", "use", "line", "rect", "clipPath"}


class Page(HTMLParser):
    """The page's elements, its texts, and what is wrong with how they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def everything() -> str:
    return page(every_kind())


def every_kind() -> list[Run]:
    """Runs with something for every section."""
    second = trained("run-2", 1, top1=0.8)
    add_bad_step(second.record, step=3, epoch=1, kind="diverging", phase="free", block="b1")
    return [trained("run-1", 0), second, analysed()]


def test_it_is_one_whole_document(everything: str) -> None:
    found = Page(everything)
    assert not found.faults and not found.open
    assert everything.startswith("<!doctype html>")
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    anchors = {a["href"] for tag, a in found.elements if tag == "a"}
    assert anchors == {
        "#comparison",
        "#seeds",
        "#learning",
        "#bad-steps",
        "#transients",
        "#cosine",
        "#convergence",
        "#wall-clock",
        "#provenance",
    }
    assert {anchor and anchor[1:] for anchor in anchors} <= set(ids)


def test_it_asks_nothing_of_the_network_and_runs_nothing(everything: str) -> None:
    found = Page(everything)
    assert found.count("script") == 0
    for tag, attributes in found.elements:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href", "action", "data"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:,")), f"{tag} {name}={value}"
    references = re.findall(r"url\(([^)]*)\)", everything)
    assert references and all(reference.startswith("#f") for reference in references)
    policies = [a["content"] for _, a in found.elements if "http-equiv" in a]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_every_reference_inside_a_figure_is_met(everything: str) -> None:
    ids = {a["id"] for _, a in Page(everything).elements if "id" in a}
    used = set(re.findall(r"url\(#([^)]*)\)", everything))
    used |= set(re.findall(r'href="#(f[^"]*)"', everything))
    assert used and used <= ids


def test_every_figure_speaks(everything: str) -> None:
    found = Page(everything)
    figures = [a for tag, a in found.elements if tag == "svg" and a.get("role") == "img"]
    assert len(figures) == found.count("figure") > 20
    assert found.count("title") == len(figures) + 1
    assert "b1.u.conv2d.weight, gradient over nudged sweeps; after 4: entry 0 EP" in found.text


def misplaced(svg: str) -> list[str]:
    """Centred texts of a figure, upright, that leave it or touch the one to their left."""
    root = ElementTree.fromstring(svg)
    texts = []
    for text in root.iter("text"):
        size = re.search(r"font-size: ([\d.]+)px.*middle", text.attrib.get("style", ""))
        if size and text.text and "rotate(-0" in text.attrib["transform"]:
            half = TextPath((0, 0), text.text, size=float(size[1])).get_extents().width / 2
            texts.append((float(text.attrib["y"]), float(text.attrib["x"]), half, text.text))
    found, width = [], float(root.attrib["viewBox"].split()[2])
    line, end = 0.0, 0.0
    for y, x, half, label in sorted(texts):
        free = end + 2 if y == line else 0.0
        if not free + half <= x <= width - half:
            found.append(label)
        line, end = y, x + half
    return found


@pytest.mark.parametrize("lowest", [0.9, 0.99, 0.9992, 1 - 1e-5, 1 - 1e-7])
def test_no_cosine_leaves_its_figure_or_touches_another(lowest: float) -> None:
    run = analysed()
    table = run.record["transients"]
    # Long names leave little room.
    names = [f"b{k}.s1_s2.conv2d.weight" for k in range(len(table["parameter"]))]
    table.constants["parameter"] = np.array(names, object)
    cosines = table["cosine"]
    cosines[:] = np.linspace(lowest, 1.0, cosines.size).reshape(cosines.shape)
    figures = re.findall(r"<svg viewBox.*?</svg>", page([run]), re.DOTALL)
    panels = [svg for svg in figures if ">cosine by parameter" in svg]
    assert panels and not [text for svg in panels for text in misplaced(svg)]


def test_a_misplaced_label_is_found() -> None:
    def draw(ticks: dict[float, str]) -> str:
        def plot(ax: Axes) -> None:
            ax.set_xlim(0, 1)
            ax.set_xticks([*ticks], [*ticks.values()])

        return Artist().draw(plot, caption="", alt="").svg

    assert misplaced(draw({0.5: "1.00000", 0.9: "0.5"})) == []
    assert misplaced(draw({0.5: "0.5", 1.0: "1.00000"})) == ["1.00000"]
    assert misplaced(draw({0.5: "0.99925", 0.65: "0.99950"})) == ["0.99950"]


def test_figures_take_the_pages_colours(everything: str) -> None:
    assert "#fe00" not in everything
    assert "var(--series-0)" in everything and "var(--ink)" in everything
    assert "prefers-color-scheme: dark" in everything


def test_equal_records_give_equal_pages(everything: str) -> None:
    assert page(every_kind()) == everything


@pytest.mark.parametrize(
    ("runs", "present", "missing"),
    [
        ([analysed], {"transients", "cosine"}, {"learning", "convergence", "wall-clock"}),
        (
            [trained],
            {"learning", "cosine", "convergence", "wall-clock"},
            {"transients", "bad-steps"},
        ),
        ([lambda: Run("bare", bare_record("bare", resolved()))], {"provenance"}, {"cosine"}),
    ],
)
def test_what_is_missing_is_said_and_left_out(
    runs: list[Callable[[], Run]], present: set[str], missing: set[str]
) -> None:
    text = page([make() for make in runs])
    found = Page(text)
    anchors = {attributes.get("id") for tag, attributes in found.elements if tag == "section"}
    assert present <= anchors and not missing & anchors
    assert "Not in these records" in found.text


def test_a_run_of_one_step_and_one_without_finite_numbers() -> None:
    one = trained(steps=1)
    table = one.record["train"]
    table["loss"][:] = float("nan")
    assert not Page(page([one])).faults
    endless = trained()
    endless.record["train"]["loss"][:] = float("inf")
    endless.record["relaxation"]["residual_max"][:] = float("nan")
    assert not Page(page([endless])).faults


def test_a_page_holds_no_number_that_is_none() -> None:
    """A run ends with a loss that is none: what it ends at is left open, in words too."""
    run, analysis = trained(), analysed()
    for group in ("train", "eval", "gradients", "relaxation"):
        table = run.record[group]
        for field in table.group.columns:
            if field.dtype.startswith("f"):
                table[field.name][-1] = float("nan")
    analysis.record["transients"]["cosine"][:] = float("nan")
    assert not re.search(r"\bnan\b", page([run, analysis]), re.IGNORECASE)


HOSTILE = (
    "</title></svg><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;$x^{$\x00\x1b\u202e"
)


def spoiled(found: Record) -> Record:
    """The record with every text in it replaced."""
    attributes = dict.fromkeys(found.attributes, HOSTILE)
    for table in found.tables.values():
        for field in table.group.fields:
            if field.dtype == "str" and field.name != "spec_resolved":
                values = table[field.name]
                values[...] = HOSTILE
    return Record(attributes, found.tables)


def test_hostile_texts_stay_texts() -> None:
    run = trained().record
    add_bad_step(run, step=3)
    runs = [Run(HOSTILE, spoiled(run)), Run("x", spoiled(analysed().record))]
    text = page(runs)
    found = Page(text)
    assert not found.faults and not found.open
    assert found.count("script") == found.count("img") == 0
    assert not any(name.startswith("on") for _, a in found.elements for name in a)
    assert "alert(1)" in found.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", text)


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "nothing",
        "[]",
        "3",
        DEEP,
        json.dumps({"model": {"stages": [3, {"kind": "block", "layers": 7, "gradient": []}]}}),
        json.dumps({"model": [], "train": "x"}),
        json.dumps({"model": {"name": {"a": HOSTILE}}, "train": {"epochs": None, "seed": []}}),
    ],
)
def test_a_resolved_spec_may_be_anything(spec: str) -> None:
    run = Run("odd", bare_record("odd", spec))
    assert not Page(page([run])).faults
    assert run.spec.layers in ((), (0,))


def test_gradient_norms_stand_on_a_logarithmic_axis() -> None:
    def drawn(run: Run) -> str:
        return "".join(figure.svg for figure in learning_curves([run], Artist()).groups[0].figures)

    run = trained()
    run.record["train"]["gradient_norm"][:] = 10.0 ** -np.arange(20)
    decade = re.compile(r"\b1e-1\d\b")
    assert decade.search(drawn(run))
    assert not decade.search(drawn(trained()))


def test_runs_of_one_name_are_told_apart() -> None:
    text = Page(page([trained("same"), trained("same", 1)])).text
    assert "same (1)" in text and "same (2)" in text


def test_the_reference_of_gradients_in_training_is_named() -> None:
    text = Page(page([trained("a")])).text
    assert "a: EP centered β 0.2 against the implicit gradient" in text
    assert agreement_module.TRAINING_REFERENCE in text
    assert agreement_module.TRAINING_REFERENCE not in Page(page([analysed()])).text


def test_runs_of_several_sweeps_have_the_names_of_their_folders(tmp_path: Path) -> None:
    folders = [tmp_path / sweep / "seed=0" for sweep in ("ep", "backprop")]
    for folder in folders:
        folder.mkdir(parents=True)
        write(trained().record, folder / "run.h5")
    assert "seed=0 (2)" in Page(page([load(folder) for folder in folders])).text
    for folder in folders:
        (folder.parent / "sweep.json").touch()
    text = Page(page([load(folder) for folder in folders])).text
    assert "ep/seed=0" in text and "backprop/seed=0" in text and "(2)" not in text
    assert "ep/seed=0" not in Page(page([load(folders[0])])).text


def test_the_number_of_figures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ffebm_dsl.tools.report.sections.MOST_FIGURES", 1)
    found = Page(page([analysed()]))
    assert "The first 1 of 2 are shown." in found.text


def test_no_run_needs_more_of_a_record_than_reading_gives() -> None:
    assert runs_module.RECORD == "run.h5"


@pytest.mark.parametrize(
    ("columns", "rows"),
    [("loss", slice(0, 1)), ("wall_time", slice(None)), ("all", slice(None)), ("all", slice(0, 1))],
)
def test_numbers_beyond_all_measure_are_left_out_and_counted(
    tmp_path: Path, columns: str, rows: slice
) -> None:
    """Matplotlib overflows beyond 1e300, sums of squares before."""
    record = whole_record(steps=5)
    for group, table in record.tables.items():
        for field in table.group.columns:
            if field.dtype == "f8" and group != "bad_steps" and columns in (field.name, "all"):
                table[field.name][rows] = 1e308
    write(record, tmp_path / "run.h5")
    shown = page([load(tmp_path / "run.h5")])
    assert re.search(r"\d+ numbers? beyond 1e\+100", shown)


def test_a_line_through_one_point_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained("run-1", 0)
    table = run.record["gradients"]
    table.cut(table["step"][0])
    plot, markers = Axes.plot, list[object]()

    def seen(ax: Axes, *data: object, **style: object) -> object:
        markers.append(style.get("marker"))
        return plot(ax, *data, **style)  # type: ignore[arg-type]

    monkeypatch.setattr(Axes, "plot", seen)
    agreement([run], Artist())
    assert len(table["step"]) == 1 and markers.count("o") == 9 and "" not in markers
