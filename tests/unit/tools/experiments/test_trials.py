"""Every combination of alternatives is one trial, checked before anything is trained."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffebm_dsl.language.diagnostics import InputError, SourceFile, SpecError
from ffebm_dsl.tools.experiments.trials import alternatives, make_trials

SPEC = SourceFile(
    "m.ffe",
    """ffe 1.0
param width: int = 4
model m {
  input  x: image(1, 8, 8)
  target y: label(10)
  block b {
    feedforward u = x |> flatten() |> linear(width)
    energy hopfield {
      layer s: [width] hard_sigmoid
      u -> s
    }
    out = s
  }
  readout logits = b |> linear(10)
  loss = cross_entropy(logits, y)
}
train {
  data      = digits()
  optimizer = adam(lr=1e-3)
  epochs    = 1
}
""",
)


def test_all_combinations_with_seeds_last() -> None:
    trials = make_trials(SPEC, {"optimizer.lr": "[1e-3, 3e-3]", "epochs": "2"}, 2)
    assert [trial.name for trial in trials] == [
        "optimizer.lr=1e-3,seed=0",
        "optimizer.lr=1e-3,seed=1",
        "optimizer.lr=3e-3,seed=0",
        "optimizer.lr=3e-3,seed=1",
    ]
    assert trials[2].overrides == {"optimizer.lr": "3e-3", "epochs": "2", "seed": "0"}


def test_without_alternatives_there_is_one_trial() -> None:
    (trial,) = make_trials(SPEC, {}, None)
    assert trial == ("trial", {})


def test_seeds_of_ones_own() -> None:
    trials = make_trials(SPEC, {"seed": "[3, 11]"}, None)
    assert [trial.overrides for trial in trials] == [{"seed": "3"}, {"seed": "11"}]
    with pytest.raises(InputError, match="give `seed` twice"):
        make_trials(SPEC, {"seed": "[3, 11]"}, 2)


def test_calls_are_alternatives_with_names_for_folders() -> None:
    trials = make_trials(SPEC, {"gradient": "[ep(beta=0.1), implicit]"}, None)
    assert [trial.overrides["gradient"] for trial in trials] == ["ep(beta=0.1)", "implicit"]
    assert [trial.name for trial in trials] == ["gradient=ep_beta=0.1", "gradient=implicit"]


@given(st.lists(st.sampled_from(["1", "2e-3", "tanh", "a.b", "f(1, x=[2, 3])", "[4, 5]"])))
def test_a_list_is_split_at_its_own_commas(entries: list[str]) -> None:
    value = f"[{', '.join(entries)}]"
    assert alternatives("k", value) == (entries or ["[]"])


@pytest.mark.parametrize("value", ["[hflip()]", "[hflip(), crop(padding=1)]"])
def test_the_entries_of_a_list_that_is_a_value_itself(value: str) -> None:
    with pytest.raises(SpecError, match="takes a list") as caught:
        make_trials(SPEC, {"data.augment": value, "optimizer.lr": "[x, 1e-3]"}, None)
    remedies = [d.help for d in caught.value.diagnostics]
    assert f"give data.augment=[{value}]" in remedies[0] and "give" not in remedies[1]
    (trial,) = make_trials(SPEC, {"data.augment": f"[{value}]"}, None)
    assert trial.overrides == {"data.augment": value}


def test_a_list_without_an_entry_is_a_value() -> None:
    (trial,) = make_trials(SPEC, {"data.augment": "[]"}, None)
    assert trial == ("trial", {"data.augment": "[]"})
    with pytest.raises(SpecError, match="`lr` takes a number"):
        make_trials(SPEC, {"optimizer.lr": "[]"}, None)


def test_what_is_wrong_is_told_before_anything_is_trained() -> None:
    with pytest.raises(SpecError):
        make_trials(SPEC, {"optimizer.lr": "[1e-3, -1.0]"}, None)
    with pytest.raises(SpecError):
        make_trials(SPEC, {"optimizer.lr": "[1e-3, "}, None)
    with pytest.raises(InputError, match="`width=4` and `width=4-2` mean the same training"):
        make_trials(SPEC, {"width": "[4, 4]"}, None)
    with pytest.raises(InputError, match="10,201 trials"):
        numbers = f"[{', '.join(map(str, range(1, 102)))}]"
        make_trials(SPEC, {"width": numbers, "epochs": numbers}, None)
    text = SPEC.text[: SPEC.text.index("train {")]
    with pytest.raises(InputError, match="has no train section"):
        make_trials(SourceFile("m.ffe", text), {"width": "[4, 5]"}, None)
