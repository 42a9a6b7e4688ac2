"""``ffebm report``: the place of the page, refusals, and the page in a browser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ffebm_dsl.cli.main import main
from ffebm_dsl.running.records import write
from tests.browser import browsing
from tests.records import analysed, trained

SPEC = Path(__file__).parents[2] / "specs" / "small" / "smallest.ffe"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "run-1"
    directory.mkdir()
    write(trained().record, directory / "run.h5")
    return directory


@pytest.fixture
def analysis(tmp_path: Path) -> Path:
    write(analysed().record, tmp_path / "analysis.h5")
    return tmp_path / "analysis.h5"


def test_the_page_of_one_run_lies_in_its_folder(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out == f"{run / 'report.html'}\n"
    assert "run-1" in (run / "report.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in run.iterdir()) == ["report.html", "run.h5"]


def test_the_page_of_several_runs_lies_here(
    run: Path, analysis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(run), str(analysis)]) == 0
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "2 runs" in text and "analysis" in text


def test_a_page_is_replaced_whole(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.html"
    out.write_text("old", encoding="utf-8")
    assert main(["report", str(run), "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8").endswith("</html>")


def test_a_run_just_trained_has_its_page(tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ["--out", str(run), "--max-steps", "3", "--quiet", "--threads", "1"]
    assert main(["train", str(SPEC), *options, "--set", "diagnose_every=2"]) == 0
    assert main(["report", str(run)]) == 0
    text = (run / "report.html").read_text(encoding="utf-8")
    for shown in ("2 in 1 block", "EP centered β 0.2", "b.s1_s2.linear.weight", "digits"):
        assert shown in text
    for anchor in ("comparison", "learning", "cosine", "convergence", "wall-clock"):
        assert f'<section id="{anchor}">' in text
    assert main(["train", "--resume", str(run), "--max-steps", "4", "--quiet"]) == 0
    assert main(["report", str(run)]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere is not a file"),
        (["EMPTY"], "is not a run directory: it has no run.h5"),
        (["RUN", "--out", "x.txt"], "not named *.html"),
        (["RUN", "--out", "nowhere/x.html"], "there is no folder nowhere"),
        (["TEXT"], "is not an HDF5 file"),
        ([], "RUN..."),
    ],
)
def test_wrong_arguments_end_with_2(
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.h5").write_text("no record", encoding="utf-8")
    places = {"RUN": run, "EMPTY": tmp_path / "empty", "TEXT": tmp_path / "text.h5"}
    assert main(["report", *(str(places.get(a, a)) for a in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and "Traceback" not in err


def test_a_refusing_disk_ends_with_74(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    assert main(["report", str(run), "--out", str(tmp_path / "p.html")]) == 74
    assert "No space left" in capsys.readouterr().err
    assert not (tmp_path / "p.html").exists()


COUNTS = "[...document.querySelectorAll('figure svg')].filter(s => s.getBBox().width > 50).length"


def test_a_browser_opens_it_offline(run: Path, analysis: Path, tmp_path: Path) -> None:
    """No console message, no request but the page itself, figures drawn, nothing too wide."""
    out = tmp_path / "p.html"
    assert main(["report", str(run), str(analysis), "--out", str(out)]) == 0
    with browsing(tmp_path / "profile") as browser:
        browser.ask("Network.emulateNetworkConditions", offline=True, latency=0,
                    downloadThroughput=-1, uploadThroughput=-1)  # fmt: skip
        browser.open(out.as_uri())
        for width in (1280, 390):
            browser.ask("Emulation.setDeviceMetricsOverride", width=width, height=900,
                        deviceScaleFactor=1, mobile=width < 500)  # fmt: skip
            assert browser.value("document.documentElement.scrollWidth") <= width
            columns = browser.value(
                "getComputedStyle(document.querySelector('.panels')).gridTemplateColumns"
            )
            assert len(columns.split()) == (4 if width == 1280 else 1)
        shown = browser.value("document.querySelectorAll('figure').length")
        folded = browser.value("document.querySelectorAll('details figure').length")
        assert browser.value(COUNTS) >= shown - folded > 15
        assert browser.value("document.title") == "2 runs · ffebm report"
        complaints, requests = browser.complaints(), browser.requests()
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [out.as_uri()]


def test_a_browser_would_complain_of_a_faulty_page(tmp_path: Path) -> None:
    """The check above hears what it listens for: a message, a request."""
    page = tmp_path / "p.html"
    page.write_text("<!doctype html><script>console.error('no')</script><img src='x.png'>")
    with browsing(tmp_path / "profile") as browser:
        browser.open(page.as_uri())
        assert browser.complaints() and len(browser.requests()) > 1
