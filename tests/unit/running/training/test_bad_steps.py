"""Bad steps: each kind of fault is produced, under each policy."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ffebm_dsl.language.diagnostics import NegativeResult, SpecError
from ffebm_dsl.physics.interfaces import Status
from ffebm_dsl.physics.network.phase_report import PhaseReport
from ffebm_dsl.physics.network.whole_batch import Part
from ffebm_dsl.running.records.record_schema import TROUBLE_PHASES, TROUBLES
from ffebm_dsl.running.training import Options, Progress, Session, loop, train
from ffebm_dsl.running.training.checkpoint import steps
from ffebm_dsl.running.training.data import sample_checks
from ffebm_dsl.running.training.judge import StepJudge, unexplained
from ffebm_dsl.running.training.locate import _diverging
from ffebm_dsl.running.training.measures import Batch, StepNumbers
from ffebm_dsl.running.training.progress import Row
from ffebm_dsl.running.training.resume import resume

from .runs import SPEC, STEPS, STEPS_PER_EPOCH, controls, new_session, parameters, read, rows

STOP = "stop()"
SKIP = "skip_batch(limit=2)"
SKIP_ONE = "skip_batch(limit=1)"
DAMP = "damp(factor=0.5, limit=2)"

LATERAL = SPEC.replace("      s1 <-> s2 : linear()\n", "      s1 <-> s2 : linear()\n      LAT\n", 1)
CYCLING = LATERAL.replace("LAT", "s1 <-> s1 : linear()").replace("hard_sigmoid", "tanh")
GROWING = LATERAL.replace("LAT", "s1 <-> s1 : linear()").replace("hard_sigmoid", "relu")

UNSTABLE = """ffe 1.0
model readout_alone {
  input  x: image(1, 4, 4)
  target y: label(6)
  relax free   { sweeps = 2 }
  relax nudged { sweeps = 1 }
  gradient ep(beta=0.2)
  block b1 {
    feedforward u = x |> flatten() |> linear(8)
    energy hopfield {
      layer s1: [8] hard_sigmoid
      u -> s1
    }
    out = s1
  }
  readout logits = b1 |> linear(6)
  loss = mse(logits, y)
}
train {
  data = npz("data.npz", batch=8)  epochs = 9
  optimizer = sgd(lr=4, groups=[scale(b1, lr=1e-9)])
}
"""

Fault = Callable[[Session], None]


@pytest.fixture(autouse=True)
def large_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples beyond single precision reach the training, as the sums of smaller ones do."""
    monkeypatch.setattr(sample_checks, "LARGEST", math.inf)


def weight(session: Session, label: str) -> torch.nn.Parameter:
    network = session.job.network
    names = {shown: name for name, shown in network.labels().items()}
    return dict(network.named_parameters())[names[label]]


def norm(session: Session, label: str) -> float:
    return float(weight(session, label).detach().norm())


def set_inf(session: Session) -> None:
    with torch.no_grad():
        weight(session, "b1.u.linear.weight")[0, 3] = math.inf


def scale_lateral(factor: float) -> Fault:
    """Makes the lateral coupling of b1.s1 ``factor`` times the identity (acting twice)."""

    def fault(session: Session) -> None:
        w = weight(session, "b1.s1_s1.linear.weight")
        with torch.no_grad():
            w.copy_(torch.eye(len(w)) * factor / 2)

    return fault


def huge_weights(session: Session) -> None:
    """Weights that are finite, with sums that are not."""
    with torch.no_grad():
        weight(session, "b2.u.linear.weight").fill_(3e38)


def spoiling(factor: float) -> Fault:
    """Multiplies the gradient of a weight."""

    def fault(session: Session) -> None:
        weight(session, "b1.s1_s2.linear.weight").register_hook(lambda gradient: gradient * factor)

    return fault


def huge_sample(
    folder: Path, number: int, where: str = "input", value: float | None = None
) -> None:
    """A sample too large to be held in float32, or in float64 to be squared; or of ``value``s."""
    generator = np.random.default_rng(0)
    x, y = generator.random((40, 4, 4)), generator.integers(0, 6, 40)
    if where == "target":
        y = generator.random((40, 6))
        y[number, 1] = 1e300
    elif value is None:
        x[number, 1, 2] = 1e300
    else:
        x[number] = value
    train, test = slice(30), slice(30, 40)
    np.savez(
        folder / "data.npz", x_train=x[train], y_train=y[train], x_test=x[test], y_test=y[test]
    )


def bad_steps(folder: Path) -> list[dict[str, object]]:
    table = read(folder / "run" / "run.h5")["bad_steps"]
    names = [field.name for field in table.group.columns]
    return [{name: table[name][i] for name in names} for i in range(len(table))]


def one(folder: Path, **expected: object) -> dict[str, object]:
    """The only row of the table, which must hold what is expected."""
    (row,) = bad_steps(folder)
    assert row["kind"] in TROUBLES and row["phase"] in TROUBLE_PHASES
    assert {name: row[name] for name in expected} == expected
    return row


# ------------------------------------------------------------- every fault, every policy


@dataclass(frozen=True)
class Case:
    """A fault of every step from the third on, and what is said of it."""

    text: str
    fault: Fault
    message: str
    poisoned: bool = False


SAMPLE = r"sample 0 of the batch \(\d+ of the training set\)"

FAULTS = {
    "weight": Case(
        SPEC,
        set_inf,
        r"weights, block b1, u\.linear\.weight: is not finite \(inf\)",
        poisoned=True,
    ),
    "size": Case(
        SPEC,
        huge_weights,
        r"weights, block b2, u\.linear\.weight: explodes, factor \((inf|nan)\)",
        poisoned=True,
    ),
    "gradient": Case(
        SPEC,
        spoiling(math.nan),
        r"gradient, block b1, s1_s2\.linear\.weight: is not finite \(nan\)",
    ),
    "diverging": Case(
        GROWING,
        scale_lateral(3),
        rf"free phase, block b1, layer s1, {SAMPLE}: diverges, root mean square",
    ),
}

POLICIES = {
    STOP: [(3, "stopped", 1)],
    SKIP_ONE: [(3, "skipped", 1), (4, "stopped", 1)],
    DAMP: [(3, "stopped", 3)],
}
"""Step, action and tries of every bad step, where no try and no other batch is any better."""


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_stays_ends_the_run(tmp_path: Path, name: str, policy: str) -> None:
    """As the policy says, or at once where the weights are lost; with the state before it."""
    case = FAULTS[name]
    expected = POLICIES[STOP if case.poisoned else policy]
    session = new_session(tmp_path, {"on_bad_step": policy}, text=case.text)
    train(session, controls(max_steps=2))
    case.fault(session)
    before = parameters(session)
    last = expected[-1][0]
    with pytest.raises(NegativeResult, match=f"^step {last}: {case.message}") as caught:
        train(session, controls())
    assert caught.value.exit_code == 1 and caught.value.help
    assert parameters(session) == before
    record = read(tmp_path / "run" / "run.h5")
    assert record.attributes["status"] == "diverged"
    warnings = ["warning"] * (len(expected) - 1)
    assert record["events"]["kind"].tolist()[-len(expected) :] == [*warnings, "diverged"]
    assert record["train"]["step"].tolist() == list(range(1, last + 1))
    found = bad_steps(tmp_path)
    assert [(row["step"], row["action"], row["tries"]) for row in found] == expected
    assert all(row["kind"] in TROUBLES and row["phase"] in TROUBLE_PHASES for row in found)
    assert steps(tmp_path / "run" / "ckpt")[0] == last - 1


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("phase", ["input", "target", "buffers"])
def test_a_bad_sample_under_every_policy(tmp_path: Path, phase: str, policy: str) -> None:
    """Only leaving it out helps; damping cannot mend data, and is not tried where it is they."""
    text, dtype = (SPEC, "float64") if phase == "buffers" else (SPEC, "float32")
    if phase == "target":
        text = SPEC.replace("label(6)", "vector(6)").replace("cross_entropy", "mse")
    huge_sample(tmp_path, 17, phase)
    session = new_session(tmp_path, {"on_bad_step": policy}, text=text, dtype=dtype)
    if policy == SKIP_ONE:
        train(session, controls(max_steps=STEPS_PER_EPOCH))
    else:
        with pytest.raises(NegativeResult, match=phase):
            train(session, controls())
    tries = 3 if (policy, phase) == (DAMP, "buffers") else 1
    action = "skipped" if policy == SKIP_ONE else "stopped"
    row = one(tmp_path, kind="not finite", phase=phase, action=action, tries=tries)
    assert row["index"] == (-1 if phase == "buffers" else 17)


@pytest.mark.parametrize("policy", POLICIES)
def test_weights_that_explode_end_the_run(tmp_path: Path, policy: str) -> None:
    """They are found before the next step moves them, and are not saved; no policy can help."""
    text = SPEC.replace("adam(lr=1e-2)", "sgd(lr=1e-2)")
    session = new_session(tmp_path, {"on_bad_step": policy}, text=text)
    train(session, controls(max_steps=2))
    spoiling(1e9)(session)
    with pytest.raises(NegativeResult, match=r"^step 4: weights, .*: explodes, factor") as caught:
        train(session, controls())
    assert "the last state that was saved is in" in caught.value.help
    one(tmp_path, step=4, kind="exploding", phase="weights", sample=-1, action="stopped", tries=1)
    assert read(tmp_path / "run" / "run.h5").attributes["status"] == "diverged"
    assert steps(tmp_path / "run" / "ckpt")[0] == 2
    again = resume(tmp_path / "run", Options(), pytest.fail)
    train(again, controls(max_steps=3))


def test_weights_that_explode_in_the_last_step_are_not_saved(tmp_path: Path) -> None:
    session = new_session(tmp_path, {"optimizer.lr": "1e4"})
    with pytest.raises(NegativeResult, match=r"step 2: weights, block .*: explodes, factor"):
        train(session, controls(max_steps=1))
    one(tmp_path, kind="exploding", phase="weights", sample=-1)
    assert steps(tmp_path / "run" / "ckpt") == [0]


def test_weights_that_explode_little_by_little(tmp_path: Path) -> None:
    """A readout whose error triples with every step: no step is too long, all together are."""
    for name in ("patient", "run"):
        (tmp_path / name).mkdir()
    patient = new_session(tmp_path / "patient", {"on_bad_step": "stop(growth=20)"}, text=UNSTABLE)
    session = new_session(tmp_path / "run", text=UNSTABLE)
    sizes = [norm(patient, "readout.linear.bias")]
    for end in range(1, 7):
        train(patient, controls(max_steps=end))
        sizes.append(norm(patient, "readout.linear.bias"))
    growth = [size / sizes[0] for size in sizes]
    assert max(after / before for before, after in pairwise(growth)) < 10
    assert growth[5] < 1000 < growth[6]
    with pytest.raises(NegativeResult, match=r"step 7: weights, block readout, linear\.bias: expl"):
        train(session, controls())
    assert norm(session, "readout.linear.bias") == sizes[6]
    one(tmp_path / "run", step=7, kind="exploding", phase="weights")


def test_an_input_that_overflows_is_named_by_its_sample(tmp_path: Path) -> None:
    huge_sample(tmp_path, 17)
    session = new_session(tmp_path)
    with pytest.raises(NegativeResult, match=r"input, x, sample \d of the batch \(17 of the train"):
        train(session, controls())
    row = one(tmp_path, kind="not finite", phase="input", index=17, block="", value=math.inf)
    assert 1 <= int(str(row["step"])) <= 4


def test_a_map_that_overflows_is_named_with_its_sample(tmp_path: Path) -> None:
    """The input is finite, what the map makes of it is not."""
    huge_sample(tmp_path, 17, value=3e38)
    session = new_session(tmp_path, text=SPEC.replace(" |> batch_norm1d()", ""))
    with torch.no_grad():
        weight(session, "b1.u.linear.weight").mul_(8)
    with pytest.raises(NegativeResult, match=r"map, block b1, u, sample \d of the batch \(17 of"):
        train(session, controls())
    one(tmp_path, kind="not finite", phase="map", index=17, block="b1", layer="u")


def test_poisoned_weights_are_not_saved_over_a_good_checkpoint(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    train(session, controls(max_steps=2))
    path = tmp_path / "run" / "ckpt" / "step-00000002.safetensors"
    good = path.read_bytes()
    set_inf(session)
    with pytest.raises(NegativeResult):
        train(session, controls())
    assert path.read_bytes() == good


# ------------------------------------------------------------------------- skip_batch


def test_a_skipped_batch_leaves_no_trace(tmp_path: Path) -> None:
    huge_sample(tmp_path, 17)
    overrides = {"on_bad_step": SKIP}
    session = new_session(tmp_path, overrides)
    seen: list[tuple[bool, bool]] = []

    class Watching(Progress):
        def __init__(self) -> None:
            self.before = parameters(session)

        def step(self, row: Row) -> None:
            after = parameters(session)
            seen.append((math.isfinite(row["loss"]), after == self.before))
            self.before = after

    train(session, controls(progress=Watching()))
    assert len(seen) == STEPS and [same for _, same in seen].count(True) == 3
    assert (True, True) not in seen, "a good step changes something"
    table = bad_steps(tmp_path)
    assert [row["index"] for row in table] == [17] * 3
    assert [row["action"] for row in table] == ["skipped"] * 3
    record = read(tmp_path / "run" / "run.h5")
    assert record["train"]["step"].tolist() == list(range(1, STEPS + 1))
    assert len(record["relaxation"]) == STEPS - 3
    assert record["events"]["kind"].tolist().count("warning") == 3
    assert record.attributes["status"] == "finished"


def test_the_limit_of_skipped_batches_is_per_epoch_and_survives_a_resume(tmp_path: Path) -> None:
    session = new_session(tmp_path, {"on_bad_step": SKIP})
    train(session, controls(max_steps=1))
    spoiling(math.nan)(session)
    train(session, controls(max_steps=2))
    again = resume(tmp_path / "run", Options(), pytest.fail)
    assert again.position.skipped == 1
    spoiling(math.nan)(again)
    with pytest.raises(NegativeResult, match="step 4: gradient"):
        train(again, controls())
    assert [row["action"] for row in bad_steps(tmp_path)] == ["skipped", "skipped", "stopped"]


def test_skipping_cannot_help_where_the_weights_are_wrong(tmp_path: Path) -> None:
    session = new_session(tmp_path, {"on_bad_step": SKIP})
    set_inf(session)
    with pytest.raises(NegativeResult):
        train(session, controls())
    one(tmp_path, step=1, action="stopped")


def test_a_run_with_skips_resumes_to_the_same_bits(tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
        huge_sample(tmp_path / name, 17)
    whole = new_session(tmp_path / "whole", {"on_bad_step": SKIP})
    train(whole, controls())
    session = new_session(tmp_path / "parts", {"on_bad_step": SKIP})
    for end in (2, 5, 9, -1):
        train(session, controls(max_steps=end))
        if end > 0:
            session = resume(tmp_path / "parts" / "run", Options(), pytest.fail)
    assert parameters(session) == parameters(whole)
    np.testing.assert_equal(rows(tmp_path / "parts" / "run"), rows(tmp_path / "whole" / "run"))


# ------------------------------------------------------------------------------- damp


def test_damping_lets_an_overshooting_phase_settle(tmp_path: Path) -> None:
    """Sweeps s <- u - 2 s grow; half as far they contract: s <- (s + u - 2 s) / 2."""
    text = GROWING.replace("relu", "identity").replace("sweeps = 8", "sweeps = 60")
    session = new_session(tmp_path, {"on_bad_step": DAMP}, text=text)
    scale_lateral(0.0)(session)
    train(session, controls(max_steps=1))
    scale_lateral(-2.0)(session)
    before = parameters(session)
    train(session, controls(max_steps=2))
    row = one(tmp_path, step=2, kind="diverging", block="b1", action="damped")
    assert row["tries"] == 2
    assert parameters(session) != before, "the damped step is applied"
    relaxation = read(tmp_path / "run" / "run.h5")["relaxation"]
    assert relaxation["solve"][0] == "b1.free" and relaxation["converged"][-1, 0] == 8
    settings = session.job.network.settings().values()
    assert all(s.free.solver.plain.damping == 0 for s in settings)


def test_damping_gives_up_after_its_tries(tmp_path: Path) -> None:
    session = new_session(tmp_path, {"on_bad_step": DAMP}, text=GROWING)
    scale_lateral(3)(session)
    before = parameters(session)
    with pytest.raises(NegativeResult, match="diverges"):
        train(session, controls())
    assert parameters(session) == before
    one(tmp_path, tries=3, action="stopped", kind="diverging")


def test_damping_does_not_try_again_what_cannot_change(tmp_path: Path) -> None:
    huge_sample(tmp_path, 17)
    session = new_session(tmp_path, {"on_bad_step": DAMP})
    with pytest.raises(NegativeResult, match="input"):
        train(session, controls())
    one(tmp_path, tries=1)


# ---------------------------------------------------------------------------- healthy


def test_a_healthy_run_is_the_same_under_every_policy(tmp_path: Path) -> None:
    finals = []
    for policy in (STOP, SKIP, DAMP):
        folder = tmp_path / policy.partition("(")[0]
        folder.mkdir()
        session = new_session(folder, {"on_bad_step": policy})
        train(session, controls())
        finals.append(parameters(session))
        assert "bad_steps" not in session.record.tables
    assert finals[0] == finals[1] == finals[2]


@pytest.mark.parametrize("policy", POLICIES)
def test_cycles_are_recorded_and_said_once(tmp_path: Path, policy: str) -> None:
    """A phase that ends in a cycle does not stop a run: it is a fact, not a bad number."""
    session = new_session(tmp_path, {"on_bad_step": policy}, text=CYCLING)
    scale_lateral(-40)(session)
    session.event("note", "another one")
    said: list[str] = []

    class Listening(Progress):
        def say(self, text: str) -> None:
            said.append(text)

    train(session, controls(max_steps=2, progress=Listening()))
    train(resume(tmp_path / "run", Options(), pytest.fail), controls(progress=Listening()))
    record = read(tmp_path / "run" / "run.h5")
    assert record.attributes["status"] == "finished"
    assert "bad_steps" not in record.tables
    assert record["relaxation"]["cycling"][:, 0].min() > 4
    assert [kind for kind in record["events"]["kind"] if kind == "note"] == ["note", "note"]
    assert len(said) == 1 and said[0].startswith("note: most samples of the free phase of block b1")


def test_a_trouble_that_does_not_come_back_is_still_named(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    first = []

    def once(gradient: Tensor) -> Tensor:
        first.append(1)
        return gradient * math.nan if len(first) == 1 else gradient

    weight(session, "b2.s1_s2.linear.weight").register_hook(once)
    with pytest.raises(NegativeResult, match=r"step 1: gradient: is not finite \(nan\)"):
        train(session, controls())


def test_a_relaxation_that_fails_only_once_is_named_by_its_report(tmp_path: Path) -> None:
    """The search computes the step again and finds nothing; what the first try told remains."""
    session = new_session(tmp_path)
    train(session, controls(max_steps=1))
    reports = session.job.network.phases()
    status = torch.full_like(reports[1].status, Status.DIVERGED)
    failed = (reports[0], replace(reports[1], status=status), *reports[2:])
    found = unexplained(StepNumbers(1.0, (1.0,), 0.0, 2.0, True, [], {}), failed)
    assert (found.kind, found.phase, found.block) == ("diverging", reports[1].phase, "b2")
    assert found.value == float(reports[1].residual.max())


def test_of_complex_states_that_diverge_the_moduli_are_told() -> None:
    state = (torch.tensor([[1.0 + 0j, 0]]), torch.tensor([[0, 3j]]))
    one, status = torch.ones(1), torch.full((1,), Status.DIVERGED)
    report = PhaseReport("b1", "nudged", one, one, status, state=state)
    batch = Batch(0, np.array([7]), torch.zeros(1, 2), torch.zeros(1), Part(0, 1, 1))
    found = _diverging(report, 0, ["s1", "s2"], batch)
    assert (found.layer, found.index) == ("s2", 7)
    assert found.value == pytest.approx(math.sqrt(4.5))


@pytest.mark.parametrize("policy", ["stop", "skip_batch", "damp"])
def test_cycling_is_no_argument_any_more(tmp_path: Path, policy: str) -> None:
    with pytest.raises(SpecError, match="`cycling`"):
        new_session(tmp_path, {"on_bad_step": f"{policy}(cycling=0.5)"})


def test_a_step_is_read_in_one_transfer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every further read would make a GPU wait."""
    session = new_session(tmp_path)
    train(session, controls(max_steps=1))
    reads: list[str] = []
    for name in ("cpu", "item", "tolist", "__bool__", "__float__", "__int__"):
        call = getattr(Tensor, name)

        def noted(self: Tensor, *args: object, name: str = name, call: object = call) -> object:
            callers = [frame.filename for frame in traceback.extract_stack()]
            if not any(
                "/ffebm_dsl/physics/" in caller or "/torch/" in caller for caller in callers
            ):
                reads.append(name)
            return call(self, *args)  # type: ignore[operator]

        monkeypatch.setattr(Tensor, name, noted)
    session.parallel = session.job.network
    judge = StepJudge(session.job.network, session.job.plan.on_bad_step, session.job.initial_sizes)
    rows = np.arange(8)
    loop._train_step(session, judge, rows, 0.01)
    assert reads == ["cpu"]
