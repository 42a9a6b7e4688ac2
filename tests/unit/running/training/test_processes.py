"""Several processes train like one: the same numbers, one output, one exit code."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pytest

from ffebm_dsl.cli.main import main
from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.training import checkpoint as checkpoints
from ffebm_dsl.running.training import joined
from ffebm_dsl.running.training.distributed import is_loss
from ffebm_dsl.running.training.world import split
from tests.ranks import Ranks
from tests.unit.running.training.runs import HALVES, SPEC, read, rows, write_data
from tests.unit.running.training.test_on_devices import DEVICE, on

SYNCED = SPEC.replace("batch_norm1d()", "batch_norm1d(sync=true)")
ADMITTED = 1e-6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """26 samples in batches of 8: of the last batch of an epoch, a third process gets none."""
    write_data(tmp_path, train=26)
    (tmp_path / "small.ffe").write_text(SYNCED)
    return tmp_path


def together(folder: Path, *arguments: str, size: int = 2) -> list[tuple[int, str, str]]:
    return ranks(folder, *arguments, size=size).ended()


def ranks(folder: Path, *arguments: str, size: int = 2) -> Ranks:
    return Ranks(folder, [["train", *arguments, *COMMON]] * size)


COMMON = ("--device", "cpu", "--threads", "1")


def alone(folder: Path, *arguments: str) -> int:
    return main(["train", *arguments, *COMMON])


def options(folder: Path, out: str) -> list[str]:
    data = ["--data-dir", str(folder), "--dtype", "float64", "--quiet"]
    return [str(folder / "small.ffe"), *data, "--out", str(folder / out)]


def difference(one: Path, other: Path) -> float:
    """The largest, over all rows of the record and all parameters; counts must be the same."""
    a, b = rows(one), rows(other)
    assert a.keys() == b.keys()
    gaps = [0.0]
    for name in ("amplification/states", "amplification/gradients"):
        # Measured by one process, and itself sensitive to rounding.
        x, y = np.array(a.pop(name)), np.array(b.pop(name))
        gaps.append(0.0 if np.allclose(x, y, rtol=0.5) else np.inf)
    for name in a:
        x, y = np.array(a[name]), np.array(b[name])
        if x.dtype.kind == "f":
            gaps.append(float(np.abs(x - y).max()))
        elif not np.array_equal(x, y):
            gaps.append(np.inf)
    return max(*gaps, parameter_gap(one, other))


def parameter_gap(one: Path, other: Path) -> float:
    """The largest difference of parameters and buffers."""
    a, b = (checkpoints.newest(run / "ckpt", print)[1].network for run in (one, other))
    return max(float((a[name] - b[name]).abs().double().max()) for name in a)


@pytest.mark.parametrize("size", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_several_processes_equal_one(folder: Path, size: int) -> None:
    """Noise, dropout, augmentation, batch norm, uneven parts, a process without a sample."""
    noise = SYNCED.replace("sweeps = 8", "noise = [read(0.05)]  sweeps = 8")
    (folder / "small.ffe").write_text(
        noise.replace("sweeps = 4", "noise = [read(0.02)]  sweeps = 4")
    )
    assert alone(folder, *options(folder, "one")) == 0
    lead, *others = together(folder, *options(folder, "many"), size=size)
    assert lead[0] == 0 and lead[1].startswith("test accuracy ") and lead[2] == ""
    assert others == [(0, "", "")] * (size - 1)
    assert difference(folder / "one", folder / "many") < ADMITTED


@pytest.mark.slow
def test_two_processes_share_batches_of_two_inputs(folder: Path) -> None:
    """Each input is cut at the same samples, and both are augmented and mixed as by one."""
    (folder / "small.ffe").write_text(HALVES)
    assert alone(folder, *options(folder, "one")) == 0
    assert together(folder, *options(folder, "many"), "--max-steps", "3")[0][0] == 0
    found = together(folder, "--resume", str(folder / "many"))
    assert [code for code, _, _ in found] == [0, 0]
    assert difference(folder / "one", folder / "many") < ADMITTED


@pytest.mark.slow
def test_a_run_goes_on_with_another_number(folder: Path) -> None:
    """The first steps with two, the next alone, the rest with two again."""
    assert alone(folder, *options(folder, "one")) == 0
    assert together(folder, *options(folder, "two"), "--max-steps", "3")[0][0] == 0
    run = str(folder / "two")
    assert alone(folder, "--resume", run, "--max-steps", "6") == 0
    assert [code for code, _, _ in together(folder, "--resume", run)] == [0, 0]
    assert difference(folder / "one", folder / "two") < ADMITTED
    record = read(folder / "two" / "run.h5")
    assert record["segments"]["exact"].tolist() == [1, 0, 0]
    events = zip(record["events"]["kind"], record["events"]["message"], strict=True)
    changes = [message for kind, message in events if kind == "change"]
    assert len(changes) == 2 and changes[0].startswith("processes: was 2, is 1")


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
def test_several_processes_have_the_device_of_one(folder: Path, size: int) -> None:
    """Its draws, and the ranges that its converters find in the whole batch."""
    text = on(DEVICE).replace("batch_norm1d()", "batch_norm1d(sync=true)")
    (folder / "small.ffe").write_text(text)
    assert alone(folder, *options(folder, "one")) == 0
    found = together(folder, *options(folder, "many"), size=size)
    assert [code for code, _, _ in found] == [0] * size
    # A state at the border between two levels may fall to either side.
    assert difference(folder / "one", folder / "many") < 1e-3


def test_the_comparison_can_fail(folder: Path) -> None:
    assert alone(folder, *options(folder, "one")) == 0
    assert alone(folder, *options(folder, "other"), "--seed", "6") == 0
    assert difference(folder / "one", folder / "other") > ADMITTED


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.ffe"], "absent.ffe"),
        (["small.ffe", "--data-dir", "nowhere"], "nowhere is not a folder"),
        (["small.ffe", "--data-dir", ".", "--out", "."], "exists and is not an empty folder"),
        (["--resume", "nowhere"], "nowhere is not a run directory"),
    ],
)
def test_what_is_wrong_is_said_once(folder: Path, arguments: list[str], message: str) -> None:
    lead, other = together(folder, *arguments)
    assert (lead[0], other[0]) == (2, 2)
    assert message in lead[2] and other[1:] == ("", "")
    assert sorted(path.name for path in folder.iterdir()) == ["data.npz", "small.ffe"]


LATE_OPTIMIZER = """
from pathlib import Path
from ffebm_dsl.running.training import joined
with joined() as world:
    import torch.optim
    torch.optim.Adam([torch.nn.Parameter(torch.ones(1))])
threads = [task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
print(sorted(name for name in threads if "gloo" in name))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system lists no threads")
def test_no_thread_of_gloo_is_left_for_the_interpreter_to_abort_in(tmp_path: Path) -> None:
    found = Ranks(tmp_path, [[]] * 2, program=["-c", LATE_OPTIMIZER]).ended()
    assert found == [(0, "[]\n", "")] * 2


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_to_one_ends_both_after_the_same_step(folder: Path, rank: int) -> None:
    started = ranks(folder, *options(folder, "run"), "--set", "epochs=100000")
    wait_for(folder / "run" / "ckpt", steps=2)
    started.processes[rank].send_signal(signal.SIGTERM)
    lead, other = started.ended()
    assert (lead[0], other[0]) == (143, 143)
    assert "stopped: SIGTERM ended the run after step" in lead[2] and other[2] == ""
    again = together(folder, "--resume", str(folder / "run"), "--max-steps", "0")
    assert [code for code, _, _ in again] == [0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_the_loss_of_a_process_ends_the_other(folder: Path, rank: int) -> None:
    started = ranks(folder, *options(folder, "run"), "--set", "epochs=100000")
    wait_for(folder / "run" / "ckpt", steps=2)
    started.processes[rank].kill()
    ended = started.ended()
    assert ended[rank][0] == -signal.SIGKILL
    code, _, said = ended[1 - rank]
    assert code == 75 and "cannot reach the others" in said and "Traceback" not in said
    assert alone(folder, "--resume", str(folder / "run"), "--max-steps", "0") == 0


def wait_for(folder: Path, steps: int) -> None:
    """Until so many checkpoints are there."""
    while not folder.is_dir() or len(list(folder.glob("*.safetensors"))) < steps:
        time.sleep(0.02)


def test_parts_are_all_of_a_batch() -> None:
    for size in range(1, 6):
        for total in range(1, 12):
            parts = [split(rank, size, total) for rank in range(size)]
            found = [row for first, count in parts for row in range(first, first + count)]
            assert found == list(range(total))
            counts = [count for _, count in parts]
            assert counts[0] > 0 and max(counts) - min(counts) <= 1


@pytest.mark.slow
@pytest.mark.parametrize(("value", "phase"), [(1e30, "buffers"), (3e38, "input")])
def test_a_step_that_is_bad_in_one_process_is_bad_in_all(
    folder: Path, value: float, phase: str
) -> None:
    """A sample too large to be squared, or to be normalised: named alike, left out by all."""
    with np.load(folder / "data.npz") as found:
        data = dict(found)
    for name in ("x_train", "x_test"):
        data[name] = data[name].astype(np.float64)
    data["x_train"][17] = value
    np.savez(folder / "data.npz", **data)
    skip = ["--set", "on_bad_step=skip_batch()", "--set", "data.std=[0.5]", "--dtype", "float32"]
    assert alone(folder, *options(folder, "one"), *skip) == 0
    assert [code for code, _, _ in together(folder, *options(folder, "two"), *skip)] == [0, 0]
    one, two = (read(folder / name / "run.h5")["bad_steps"] for name in ("one", "two"))
    assert two["phase"].tolist() == [phase] * 3 and two["action"].tolist() == ["skipped"] * 3
    assert two["index"].tolist() == [17 if phase == "input" else -1] * 3
    for column in ("step", "kind", "block", "layer", "sample", "index"):
        assert one[column].tolist() == two[column].tolist(), column


@pytest.mark.slow
def test_a_bad_step_is_named_by_all_processes_together(folder: Path) -> None:
    """To find its layer all of them compute the step again, also those without the sample."""
    lateral = SYNCED.replace(
        "      s1 <-> s2 : linear()\n",
        "      s1 <-> s2 : linear()\n      s1 <-> s1 : linear()\n",
        1,
    ).replace("hard_sigmoid", "identity")
    (folder / "small.ffe").write_text(lateral)
    wild = ["--set", "init=normal(std=40)"]
    lead, other = together(folder, *options(folder, "run"), *wild)
    assert (lead[0], other) == (1, (1, "", ""))
    assert "step 1: free phase, block b1, layer s2, sample" in lead[2] and "diverges" in lead[2]
    assert alone(folder, *options(folder, "one"), *wild) == 1
    both = [read(folder / name / "run.h5")["bad_steps"] for name in ("run", "one")]
    for column in ("kind", "layer", "sample", "index"):
        assert both[0][column].tolist() == both[1][column].tolist(), column


@pytest.mark.parametrize(
    ("message", "lost"),
    [
        ("[/pytorch/gloo/pair.cc:547] Connection closed by peer [127.0.0.1]:4711", True),
        ("[/pytorch/gloo/pair.cc:491] Read error [127.0.0.1]:4711: Connection reset by peer", True),
        ("[/pytorch/gloo/buffer.cc:133] Timed out waiting 600000ms for recv to complete", True),
        ("[enforce fail at /gloo/pair.cc:446] op.preamble.length <= op.nbytes. 8 vs 4", False),
        ("Tensors must be contiguous", False),
    ],
)
def test_only_a_lost_connection_is_a_lost_process(message: str, lost: bool) -> None:
    assert is_loss(RuntimeError(message)) is lost


@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "0"},
        {"SLURM_NTASKS": "4", "SLURM_PROCID": "3"},
        {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"},
        {"PMI_SIZE": "2", "PMI_RANK": "1"},
    ],
)
def test_tasks_that_do_not_know_of_each_other_are_refused(variables: dict[str, str]) -> None:
    with (
        pytest.raises(InputError, match="each would train everything") as caught,
        joined(variables),
    ):
        pass
    assert "srun" in caught.value.help and "torchrun" in caught.value.help
    with joined({**variables, "WORLD_SIZE": "1"}) as world:
        assert world.size == 1


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"SLURM_NTASKS": "4", "SLURM_PROCID": "0"},
        {"SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"},
        {"PMI_SIZE": "1"},
        {"SLURM_PROCID": "?"},
    ],
)
def test_one_task_alone_trains(variables: dict[str, str]) -> None:
    """In a batch script of several tasks, too, where one process runs."""
    with joined(variables) as world:
        assert world.size == 1
