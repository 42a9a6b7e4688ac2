"""Numbers of options that are out of range are a user's mistake, whichever option it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffebm_dsl.cli.commands import COMMANDS, load
from ffebm_dsl.cli.main import main
from ffebm_dsl.cli.numbers import LARGEST
from ffebm_dsl.language.ir.resolve.scope import MAX_INT

SPEC = str(Path(__file__).parents[2] / "specs" / "small" / "smallest.ffe")
ABSURD = ("-1", "nan", "inf", "1e400", str(2**31), str(2**63), str(2**64), "9" * 400)
SECONDS = ("-1", "nan", "inf", "1e400", "9" * 400)
REALS = ("--save-every", "--after", "--beta", "--settle")
NUMBERS = ("IntParamType", "IntRange", "FloatParamType", "FloatRange", "FuncParamType")


def numeric() -> list[tuple[str, str]]:
    found = []
    for name in COMMANDS:
        for parameter in load(name).params:
            if type(parameter.type).__name__ in NUMBERS:
                found.append((name, parameter.opts[0]))
    return found


def arguments(name: str, option: str, value: str) -> list[str]:
    needed = {"check": ["--transients"]} if option in ("--beta", "--sweeps") else {}
    argument = {"predict": [SPEC, SPEC]}.get(name, [SPEC])
    return [name, *argument, *needed.get(name, []), f"{option}={value}"]


@pytest.mark.parametrize(("name", "option"), numeric())
def test_an_absurd_number_of_any_option_is_refused_with_its_range(
    name: str,
    option: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for value in SECONDS if option in REALS else ABSURD:
        assert main(arguments(name, option, value)) == 2, value
        told = capfd.readouterr().err
        assert option in told, value
        assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["train", "sweep", "check", "eval", "bench"])
def test_threads_are_as_many_as_torch_can_start(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([name, SPEC, "--threads=999999"]) == 2
    assert "--threads" in (told := capfd.readouterr().err)
    assert "<=1024" in told


@pytest.mark.parametrize("search", [[], ["--search=2"]])
def test_seeds_of_a_sweep_are_counted_before_they_are_listed(
    search: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", SPEC, f"--seeds={2**31 - 1}", *search]) == 2
    assert "2,147,483,647 trials" in capfd.readouterr().err


def test_no_option_takes_numbers_without_limit() -> None:
    for name in COMMANDS:
        for parameter in load(name).params:
            kind = parameter.type
            assert type(kind).__name__ not in ("IntParamType", "FloatRange"), parameter
            if type(kind).__name__ == "IntRange":
                assert None not in (kind.min, kind.max), parameter


def test_options_and_texts_have_the_same_largest_whole_number() -> None:
    assert LARGEST == MAX_INT  # told twice, as importing the compiler takes a tenth of a second
