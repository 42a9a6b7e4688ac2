"""Checkpoints verify before they load, and never stand half-written."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from ffebm_dsl.diagnostics import InputError, StorageError
from ffebm_dsl.training import checkpoint as checkpoints
from ffebm_dsl.training.checkpoint import Best, Checkpoint, Identity, Position, Settings


def make(step: int = 0, best: int = 0) -> Checkpoint:
    network = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return Checkpoint(
        network.state_dict(),
        optimizer.state_dict(),
        Position(1, 2, step, -1, 0.5),
        Best(best, 0.25),
        Identity("abc", {"width": "8"}, 3, "float32", {"name": "digits", "train_samples": 4}),
        Settings("cpu", 2, ""),
        {"torch": "2", "threads": 2},
    )


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    saved = make(7)
    loaded = checkpoints.load(checkpoints.save(tmp_path, saved))
    assert loaded.network.keys() == saved.network.keys()
    for name, tensor in saved.network.items():
        assert torch.equal(loaded.network[name], tensor)
    assert replace(loaded, network={}, optimizer={}) == replace(saved, network={}, optimizer={})


def test_the_sidecar_is_read_by_sha256sum(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, make(42))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.name == "step-00000042.pt"
    assert (tmp_path / "step-00000042.pt.sha256").read_text() == f"{digest}  {path.name}\n"


def test_the_last_two_and_the_best_are_kept(tmp_path: Path) -> None:
    for step in range(0, 60, 10):
        checkpoints.save(tmp_path, make(step, best=20))
    assert checkpoints.steps(tmp_path) == [50, 40, 20]
    assert len(list(tmp_path.iterdir())) == 6


def test_the_newest_that_verifies_is_found(tmp_path: Path) -> None:
    for step in (1, 2):
        checkpoints.save(tmp_path, make(step))
    checkpoints.path_of(tmp_path, 2).write_bytes(b"")
    warnings: list[str] = []
    path, found = checkpoints.newest(tmp_path, warnings.append)
    assert found.position.step == 1 and path == checkpoints.path_of(tmp_path, 1)
    assert warnings == [
        f"checkpoint {checkpoints.path_of(tmp_path, 2)} does not fit its checksum; "
        "trying the checkpoint before it"
    ]


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, make(1))
    content = path.read_bytes()
    for place in range(0, len(content), 97):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="does not fit its checksum"):
            checkpoints.load(path)


def test_a_checkpoint_needs_its_checksum(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, make(1))
    (tmp_path / "step-00000001.pt.sha256").unlink()
    with pytest.raises(InputError, match=r"has no checksum in step-00000001\.pt\.sha256"):
        checkpoints.load(path)


def test_the_old_file_of_a_step_verifies_until_the_new_one_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkpoints.save(tmp_path, make(1))
    publish = checkpoints.publish

    def fail_on_checkpoints(target: Path, content: bytes) -> None:
        if target == path:
            raise StorageError("full")
        publish(target, content)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "publish", fail_on_checkpoints)
        with pytest.raises(StorageError):
            checkpoints.save(tmp_path, make(1))
    checkpoints.load(path)
    checkpoints.save(tmp_path, make(1))
    checkpoints.load(path)


def write_signed(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    path.with_name(f"{path.name}.sha256").write_text(f"{digest}  {path.name}\n")
    return path


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code ran",)


def test_pickled_code_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(Evil(), tmp_path / "a.pt")
    write_signed(tmp_path / "a.pt", (tmp_path / "a.pt").read_bytes())
    write_signed(tmp_path / "b.pt", pickle.dumps(Evil(), protocol=2))
    for name in ("a.pt", "b.pt"):
        with pytest.raises(InputError, match="cannot be read"):
            checkpoints.load(tmp_path / name)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "values", [{}, [1], {"format": "other"}, {"format": "ffebm-checkpoint", "version": 2}]
)
def test_other_contents_are_refused(tmp_path: Path, values: object) -> None:
    torch.save(values, tmp_path / "a.pt")
    write_signed(tmp_path / "a.pt", (tmp_path / "a.pt").read_bytes())
    with pytest.raises(InputError, match="cannot be read"):
        checkpoints.load(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("network", "names"),
    [
        (nn.Linear(3, 2, bias=False), "bias"),
        (nn.Linear(4, 2), "weight"),
        (nn.Linear(3, 2, dtype=torch.float64), "weight"),
    ],
)
def test_another_network_is_refused(network: nn.Module, names: str) -> None:
    with pytest.raises(InputError, match=f"does not fit the network in: {names}"):
        checkpoints.restore_network(network, make(), Path("c.pt"))


def test_another_optimizer_is_refused() -> None:
    for optimizer in (
        torch.optim.Adam(nn.Linear(4, 2).parameters()),
        torch.optim.Adam(nn.Linear(3, 2, bias=False).parameters()),
    ):
        with pytest.raises(InputError, match="does not fit"):
            checkpoints.restore_optimizer(optimizer, make(), Path("c.pt"))


def test_a_full_disk_leaves_the_earlier_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.save(tmp_path, make(1))
    monkeypatch.setattr("os.write", disk_full)
    with pytest.raises(StorageError, match="No space left"):
        checkpoints.save(tmp_path, make(2))
    monkeypatch.undo()
    assert checkpoints.newest(tmp_path, pytest.fail)[1].position.step == 1
    assert not list(tmp_path.glob(".*"))


def disk_full(descriptor: int, content: object) -> int:
    raise OSError(28, "No space left on device")
