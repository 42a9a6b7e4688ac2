"""The fuzzer of the front end, briefly; and that it would see a bug."""

from __future__ import annotations

import pytest

from benchmarks import fuzz_specs


@pytest.mark.parametrize("first", [0, 40, 80])
def test_every_text_is_answered(first: int) -> None:
    ended = {fuzz_specs.try_one(seed) for seed in range(first, first + 40)}
    assert any(how.endswith("refused") for how in ended)


def test_a_bug_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(source: object, overrides: object) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr(fuzz_specs, "compile_spec", broken)
    monkeypatch.setattr("sys.argv", ["fuzz_specs.py", "--inputs", "50"])
    assert fuzz_specs.main() == 1
    assert "RecursionError" in capsys.readouterr().out
