"""Checkpoints are verified before loading, and are never half-written."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy
import torch
from torch import nn

from ffebm_dsl.language.diagnostics import InputError, StorageError
from ffebm_dsl.running import seal
from ffebm_dsl.running.training import checkpoint as checkpoints
from ffebm_dsl.running.training.checkpoint import Best, Checkpoint, Position, RunIdentity, Settings
from ffebm_dsl.running.training.restoring import (
    optimizer_state,
    restore_network,
    restore_optimizer,
)

KEEP = 2


def make(step: int = 0, best: int = 0) -> Checkpoint:
    network = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return Checkpoint(
        "run",
        "ffe 1.0",
        network.state_dict(),
        optimizer_state(optimizer, dict(network.named_parameters())),
        Position(1, 2, step, -1, 0.5),
        Best(best, 0.25),
        RunIdentity("abc", {"width": "8"}, 3, "float32", {"name": "digits", "train_samples": 4}),
        Settings("cpu", 2, "", 2, 600.0),
        {"torch": "2", "threads": 2},
    )


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    saved = make(7)
    loaded = checkpoints.load(checkpoints.save(tmp_path, saved, KEEP))
    assert loaded.network.keys() == saved.network.keys()
    for name, tensor in saved.network.items():
        assert torch.equal(loaded.network[name], tensor)
    assert replace(loaded, network={}, optimizer={}) == replace(saved, network={}, optimizer={})


def test_the_last_two_and_the_best_are_kept(tmp_path: Path) -> None:
    for step in range(0, 60, 10):
        checkpoints.save(tmp_path, make(step, best=20), KEEP)
    assert checkpoints.steps(tmp_path) == [50, 40, 20]
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("keep", [1, 3])
def test_more_or_fewer_are_kept(tmp_path: Path, keep: int) -> None:
    for step in range(0, 60, 10):
        checkpoints.save(tmp_path, make(step, best=0), keep)
    assert checkpoints.steps(tmp_path) == [*range(50, 50 - 10 * keep, -10), 0]


def test_a_damaged_later_checkpoint_does_not_displace_a_good_one(tmp_path: Path) -> None:
    """Resumed before it, the run keeps what it writes, not what it could not read."""
    for step in (10, 20):
        checkpoints.save(tmp_path, make(step), 1)
    checkpoints.path_of(tmp_path, 20).write_bytes(b"damaged")
    checkpoints.save(tmp_path, make(15), 1)
    assert checkpoints.steps(tmp_path) == [15]


def test_the_newest_that_verifies_is_found(tmp_path: Path) -> None:
    for step in (1, 2):
        checkpoints.save(tmp_path, make(step), KEEP)
    checkpoints.path_of(tmp_path, 2).write_bytes(b"")
    warnings: list[str] = []
    path, found = checkpoints.newest(tmp_path, warnings.append)
    assert found.position.step == 1 and path == checkpoints.path_of(tmp_path, 1)
    assert warnings == [
        f"checkpoint {checkpoints.path_of(tmp_path, 2)} does not fit its checksum; "
        "trying the checkpoint before it"
    ]


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, make(1), KEEP)
    content = path.read_bytes()
    for place in range(0, len(content), 97):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="does not fit its checksum"):
            checkpoints.load(path)


@cache
def good() -> bytes:
    content = checkpoints.to_bytes(make(3))
    assert checkpoints.from_bytes(content, Path("c")).position.step == 3
    return content


def changed(**entries: object) -> bytes:
    """A good checkpoint with some of its values replaced."""
    content = good()
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    values = json.loads(metadata["values"]) | entries
    tensors = safetensors.numpy.load(content)
    metadata |= {"values": json.dumps(values), "checksum": seal.TEXT.decode()}
    return seal.sealed(safetensors.numpy.save(tensors, metadata))


def unlike(**metadata: str) -> bytes:
    """Another file of the same format, sealed."""
    return seal.sealed(safetensors.numpy.save({}, {"a": seal.TEXT.decode(), **metadata}))


@pytest.mark.parametrize(
    "content",
    [
        seal.sealed(seal.TEXT),
        seal.sealed((1 << 40).to_bytes(8, "little") + seal.TEXT),
        unlike(),
        unlike(format="other"),
        unlike(format="ffebm-checkpoint", version="99"),
        unlike(format="ffebm-checkpoint", version="3", values="[" * 10_000),
        changed(position={"step": 1}),
        *(
            changed(position=asdict(Position()) | {name: value})
            for name, value in (
                ("step", -1),
                ("step", 1.5),
                ("epoch", 1 << 70),
                ("seconds", float("nan")),
                ("seconds", float("inf")),
            )
        ),
        changed(best={"step": 1, "score": float("nan")}),
        changed(best={"step": -1, "score": 0.5}),
        *(
            changed(settings=asdict(make().settings) | {name: value})
            for name, value in (
                ("threads", 0),
                ("threads", 1 << 40),
                ("keep", 0),
                ("save_every", float("nan")),
                ("data_dir", "a\0b"),
            )
        ),
        changed(identity=asdict(make().identity) | {"overrides": {"width": 8}}),
        changed(identity=asdict(make().identity) | {"data": {"name": [1]}}),
        changed(best={"step": 1, "score": "high"}),
        changed(identity={"seed": 1}),
        changed(settings={}),
        changed(environment={"torch": [1]}),
        changed(run_id=3),
        changed(spec_text=None),
    ],
)
def test_other_contents_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        checkpoints.load(tmp_path / "a")


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD])
def test_every_field_of_an_optimizer_is_checked(kind: type[torch.optim.Optimizer]) -> None:
    """One that lacks a key, has another or a wrong shape or type would fail inside torch."""
    network = nn.Linear(3, 2)
    more = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    optimizer = kind(network.parameters(), lr=0.1, **more)  # type: ignore[call-arg]
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    parameters = dict(network.named_parameters())
    saved = optimizer_state(optimizer, parameters)
    restore_optimizer(optimizer, parameters, saved, Path("c.pt"))
    state = saved["weight"]
    wrong = [{key: state[key] for key in state if key != left} for left in state]
    wrong += [{**state, "other": torch.zeros(())}]
    for key, tensor in state.items():
        wrong += [{**state, key: tensor.double()}, {**state, key: torch.zeros(7)}]
    for change in wrong:
        with pytest.raises(InputError, match=r"does not fit the network in: .* of weight"):
            restore_optimizer(optimizer, parameters, {**saved, "weight": change}, Path("c.pt"))


class Rowwise(torch.optim.Optimizer):
    """Of a package: its constructor takes more than the parameters, and its state is neither all
    tensors nor of the parameters' shapes."""

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, {"lr": lr})
        self.rate = lr

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for parameter in self.param_groups[0]["params"]:
            state = self.state[parameter]
            if not state:
                state.update(step=0, decayed=0.1, rows=torch.zeros(len(parameter)))
            state["step"] += 1
            state["decayed"] *= 0.7
            state["rows"] += parameter.grad.flatten(1).sum(1) if parameter.dim() > 1 else 1
            rows = state["rows"].view(-1, *[1] * (parameter.dim() - 1))
            parameter -= self.rate * state["decayed"] * rows / state["step"]


def test_an_optimizer_of_ones_own_continues_where_it_was(tmp_path: Path) -> None:
    def trained(steps: int, saved: Checkpoint | None = None) -> tuple[nn.Module, Rowwise]:
        torch.manual_seed(0)
        network = nn.Linear(3, 2)
        optimizer = Rowwise(network.parameters(), lr=0.1)
        if saved is not None:
            restore_network(network, saved.network, tmp_path)
            parameters = dict(network.named_parameters())
            restore_optimizer(optimizer, parameters, saved.optimizer, tmp_path)
        for _ in range(steps):
            optimizer.zero_grad()
            network(torch.ones(1, 3)).square().sum().backward()
            optimizer.step()
        return network, optimizer

    network, optimizer = trained(2)
    state = optimizer_state(optimizer, dict(network.named_parameters()))
    half = replace(make(2), network=network.state_dict(), optimizer=state)
    loaded = checkpoints.load(checkpoints.save(tmp_path, half, KEEP))
    found, again = trained(3, loaded)
    expected, optimizer = trained(5)
    for ours, theirs in zip(found.parameters(), expected.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    for one, other in zip(again.state.values(), optimizer.state.values(), strict=True):
        assert type(one["step"]) is int
        assert (one["step"], one["decayed"]) == (other["step"], other["decayed"])


def test_links_are_not_followed(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, make(1), KEEP)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="cannot be read"):
        checkpoints.load(path)


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
        restore_network(network, make().network, Path("c.pt"))


def test_another_optimizer_is_refused() -> None:
    for network in (nn.Linear(4, 2), nn.Linear(3, 2, bias=False)):
        parameters = dict(network.named_parameters())
        optimizer = torch.optim.Adam(parameters.values())
        with pytest.raises(InputError, match="does not fit"):
            restore_optimizer(optimizer, parameters, make().optimizer, Path("c.pt"))


def test_a_full_disk_leaves_the_earlier_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.save(tmp_path, make(1), KEEP)
    monkeypatch.setattr("os.write", disk_full)
    with pytest.raises(StorageError, match="No space left"):
        checkpoints.save(tmp_path, make(2), KEEP)
    monkeypatch.undo()
    assert checkpoints.newest(tmp_path, pytest.fail)[1].position.step == 1
    assert not list(tmp_path.glob(".*"))


def disk_full(descriptor: int, content: object) -> int:
    raise OSError(28, "No space left on device")
