"""Training in several processes, with torch.distributed.

Numbers, texts and files are exchanged over gloo on the CPU; gradients and the sums of batch norm
over NCCL if each process has a GPU of its own. When a process dies, the kernel closes its
connections, and gloo reports it to the others immediately. NCCL does not, so each of its
operations is preceded by a synchronisation over gloo, and has a timeout of :data:`GPU_WAIT`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ffebm_dsl.language.diagnostics import (
    FfebmError,
    InputError,
    NegativeResult,
    PeerLost,
    StorageError,
)
from ffebm_dsl.physics.network.whole_batch import Part
from ffebm_dsl.running.training.world import ALONE, World, split

T = TypeVar("T")

WAIT = timedelta(minutes=10)
"""Timeout for other processes that are alive, and at the start for them to join."""

GPU_WAIT = timedelta(seconds=45)

SIGNS_OF_LOSS = (
    *("connection closed", "connection reset", "connection refused", "connection timed out"),
    *("broken pipe", "pair closure", "timed out waiting", "socket timeout", "no route to host"),
)
"""Messages of gloo, in lower case, when the process at the other end is gone."""

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

_KINDS: dict[int, type[FfebmError]] = {
    kind.exit_code: kind for kind in (InputError, NegativeResult, StorageError)
}


@contextmanager
def joined(environment: Mapping[str, str] | None = None) -> Iterator[World]:
    """The world described by the environment variables of torchrun; a single process without them.

    Raises:
        InputError: the variables are incomplete or wrong, or the other processes did not join.
        PeerLost: another process has ended, or cannot be reached any more.
    """
    variables = os.environ if environment is None else environment
    if (variables.get("WORLD_SIZE") or "1") == "1":
        if "WORLD_SIZE" not in variables:
            _refuse_tasks(variables)
        yield ALONE
        return
    world = _meet(variables)
    try:
        yield world
        world.any(False)  # wait until all processes have received their last message
    except RuntimeError as error:
        if is_loss(error):
            raise _lost(world) from error
        raise
    finally:
        dist.destroy_process_group()


def _refuse_tasks(variables: Mapping[str, str]) -> None:
    """Refuse several unconnected tasks of a launcher, each of which would train everything.

    SLURM_NTASKS alone is no evidence: batch scripts of a single process have it too.
    """
    for name in ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"):
        count = variables.get(name, "")
        if count.isdecimal() and int(count) > 1:
            break
    else:
        name, count = "SLURM_PROCID", variables.get("SLURM_PROCID", "")
        if not count.isdecimal() or int(count) == 0:
            return
    raise InputError(
        f"this is one of several tasks ({name} is {count}), and WORLD_SIZE is not set: each "
        "would train everything",
        help="let torchrun start the processes: srun --ntasks-per-node=1 torchrun "
        "--nproc-per-node=N ... -m ffebm_dsl train ...; to train in each task alone, set "
        "WORLD_SIZE=1",
    )


def _meet(variables: Mapping[str, str]) -> Processes:
    missing = [name for name in NEEDED if name not in variables]
    if missing:
        raise InputError(
            f"WORLD_SIZE is {variables['WORLD_SIZE']}, but {', '.join(missing)} is not set",
            help="start the processes with torchrun, or set what torchrun sets",
        )
    try:
        numbers = {name: int(variables[name]) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT")}
        local = int(variables.get("LOCAL_RANK", "0"))
    except ValueError as error:
        raise InputError(
            f"RANK, WORLD_SIZE, LOCAL_RANK and MASTER_PORT must be numbers: {error}",
            help="start the processes with torchrun, or set what torchrun sets",
        ) from error
    rank, size = numbers["RANK"], numbers["WORLD_SIZE"]
    if not 0 <= rank < size:
        raise InputError(
            f"RANK is {rank} in a world of {size} processes",
            help="ranks count from 0 to WORLD_SIZE - 1",
        )
    # Functions of this module have the process group of the time of its import as a default
    # argument, and torch.optim imports it. Such a reference would keep the group's threads until
    # the interpreter is finalized, which aborts the process if one of them is running then.
    import_module("torch.distributed.nn.functional")

    try:
        dist.init_process_group("gloo", rank=rank, world_size=size, timeout=WAIT)
    except (dist.DistError, RuntimeError, ValueError) as error:
        address = f"{variables['MASTER_ADDR']}:{variables['MASTER_PORT']}"
        raise InputError(
            f"process {rank} of {size} cannot connect to the others at {address}: "
            f"{_first_line(error)}",
            help="start all processes, with one MASTER_ADDR and a MASTER_PORT that is free there",
        ) from error
    return Processes(rank, size, local)


class Processes(World):
    """This process as one of several."""

    def __init__(self, rank: int, size: int, local: int) -> None:
        self.rank, self.size, self._local = rank, size, local
        self._heavy: dist.ProcessGroup | None = None

    def part(self, total: int) -> Part:
        first, count = split(self.rank, self.size, total)
        return Part(first, count, total, self._reduce, self.size)

    def place(self, device: torch.device) -> torch.device:
        if str(device) != "cuda":
            return device
        count = torch.cuda.device_count()
        if self._local >= count:
            raise InputError(
                f"process {self.rank} finds no GPU of its own: torch sees {count} CUDA devices",
                help=f"start {count} processes on a machine, or give --device cpu, or --device "
                "cuda:N for all to share one",
            )
        torch.cuda.set_device(self._local)
        return torch.device("cuda", self._local)

    def parallel(self, network: nn.Module, device: torch.device) -> nn.Module:
        self._heavy = self._group(device)
        parallel = DistributedDataParallel(network, process_group=self._heavy)
        # Buffers are sent by `broadcast_buffers`, not in every step. Torch 2.13 renamed the
        # argument of the constructor; this attribute is what old and new versions look at.
        parallel.broadcast_buffers = False
        return parallel

    def broadcast_buffers(self, network: nn.Module) -> None:
        for buffer in network.buffers():
            here = buffer.cpu()
            with _reaching(self):
                dist.broadcast(here, 0)
            buffer.copy_(here)

    def all_reduce_values(self, values: Sequence[float]) -> list[float]:
        return [
            float(value) for value in self.all_reduce(torch.tensor(values, dtype=torch.float64))
        ]

    def all_reduce(self, tensor: Tensor) -> Tensor:
        here = tensor.detach().cpu().clone()
        with _reaching(self):
            dist.all_reduce(here)
        return here.to(tensor.device)

    def all_reduce_max(self, value: int) -> int:
        here = torch.tensor(value)
        with _reaching(self):
            dist.all_reduce(here, dist.ReduceOp.MAX)
        return int(here)

    def all_gather(self, own: T) -> list[T]:
        found: list[Any] = [None] * self.size
        with _reaching(self):
            dist.all_gather_object(found, own)
        return found

    def broadcast(self, own: T) -> T:
        found = [own]
        with _reaching(self):
            dist.broadcast_object_list(found)
        return found[0]

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        failure: FfebmError | None = None
        try:
            yield
        except FfebmError as error:
            failure = error
        own = failure and (failure.exit_code, failure.message, failure.help)
        found = [(rank, said) for rank, said in enumerate(self.all_gather(own)) if said]
        if failure is not None:
            raise failure
        if found:
            rank, (code, message, help) = found[0]
            raise _KINDS.get(code, InputError)(f"process {rank}: {message}", help=help)

    def _group(self, device: torch.device) -> dist.ProcessGroup:
        """The group that exchanges gradients: NCCL only if each process has a GPU of its own."""
        own = f"{os.uname().nodename} {device}" if device.type == "cuda" else ""
        places = self.all_gather(own)
        if "" not in places and len(set(places)) == self.size:
            return dist.new_group(backend="nccl", timeout=GPU_WAIT)
        return dist.new_group(backend="gloo", timeout=WAIT)

    def _reduce(self, tensor: Tensor) -> None:
        dist.all_reduce(tensor, group=self._heavy)


@contextmanager
def _reaching(world: World) -> Iterator[None]:
    """Turn torch's errors about broken connections into a message."""
    try:
        yield
    except RuntimeError as error:
        if is_loss(error):
            raise _lost(world) from error
        raise


def is_loss(error: RuntimeError) -> bool:
    """Whether torch failed because another process could not be reached.

    Gloo raises a plain RuntimeError, also for errors of the caller such as unequal sizes.
    """
    text = str(error).lower()
    return isinstance(error, dist.DistError) or any(sign in text for sign in SIGNS_OF_LOSS)


def _lost(world: World) -> PeerLost:
    return PeerLost(
        f"process {world.rank} of {world.size} cannot reach the others: one of them has ended",
        help="go on from the last checkpoint, on any number of processes: "
        "torchrun ... -m ffebm_dsl train --resume RUN",
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
