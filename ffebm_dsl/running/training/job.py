"""The computation of a run, independent of its files: network, optimiser, data, identity."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import AnyPath, InputError
from ffebm_dsl.language.ir import Compiled
from ffebm_dsl.language.ir.model import SpecIR, TrainIR
from ffebm_dsl.language.ir.tools.count import count
from ffebm_dsl.physics.network import HybridNetwork, label
from ffebm_dsl.physics.network.whole_batch import BatchNorm1d
from ffebm_dsl.running.datasets.raw import Raw
from ffebm_dsl.running.training.checkpoint import RunIdentity, Settings
from ffebm_dsl.running.training.data import Data, data_of
from ffebm_dsl.running.training.environment import choose_device, choose_dtype
from ffebm_dsl.running.training.judge import initial_sizes
from ffebm_dsl.running.training.measures import Norms, trainable
from ffebm_dsl.running.training.optimizers import build_optimizer
from ffebm_dsl.running.training.world import ALONE, World

KEPT, SAVE_EVERY = 2, 600.0
"""Defaults: number of checkpoints kept, and seconds between saves within an epoch."""


DATA_DIR = Path("data")
"""The default folder of data sets, if it exists."""

TORCH_THREADS = torch.get_num_threads()
"""PyTorch's own default, or OMP_NUM_THREADS."""

WORTH_THREADS = 100_000_000
"""Multiply-accumulates of a sweep of a batch from which on several threads are faster."""


@dataclass(frozen=True)
class Options:
    """Options of the user besides the spec; None: the default or, on resume, that of the run.

    ``overrides`` are texts by key, as in ``compile_spec``.
    """

    overrides: Mapping[str, str] = field(default_factory=dict)
    data_dir: AnyPath | None = None
    device: str | None = None
    dtype: str | None = None
    threads: int | None = None
    keep: int | None = None
    save_every: float | None = None


@dataclass(frozen=True)
class Job:
    """A network with its optimiser and data, and the identity of this computation.

    ``initial_sizes`` are the norms of the new network's weights, also when a run is resumed; growth
    is measured relative to them.
    """

    spec: SpecIR
    plan: TrainIR
    network: HybridNetwork
    initial_sizes: Norms
    optimizer: torch.optim.Optimizer
    data: Data
    identity: RunIdentity
    settings: Settings

    @property
    def device(self) -> torch.device:
        return self.data.train.device


def assemble(
    compiled: Compiled,
    overrides: Mapping[str, str],
    dtype_name: str,
    settings: Settings,
    world: World = ALONE,
    made: Raw | None = None,
) -> Job:
    """Load and validate the data, unless given as ``made``; build network and optimiser.

    Raises:
        InputError: the spec has no train section, or the data are missing or unsuitable.
    """
    device, dtype = world.place(torch.device(settings.device)), choose_dtype(dtype_name)
    data_dir = Path(settings.data_dir) if settings.data_dir else None
    data = data_of(compiled, data_dir, device, dtype, made)
    spec, plan = compiled.spec, compiled.spec.train
    assert plan is not None
    network = build(spec, seed=plan.seed, dtype=dtype, device=device)
    _check_parts(data, network, world.size)
    labels = network.labels()
    named = {labels[name]: parameter for name, parameter in trainable(network).items()}
    optimizer = build_optimizer(plan.optimizer, named, spec.model.readout.name)
    network.project_after(optimizer)
    fingerprint: dict[str, str | int] = {
        "name": data.name,
        "sha256": data.sha256,
        "train_samples": len(data.train),
        "validation_samples": 0 if data.validation is None else len(data.validation),
        "test_samples": 0 if data.test is None else len(data.test),
    }
    sha256 = hashlib.sha256(compiled.source.text.encode()).hexdigest()
    identity = RunIdentity(sha256, dict(overrides), plan.seed, dtype_name, fingerprint)
    return Job(spec, plan, network, initial_sizes(network), optimizer, data, identity, settings)


def _check_parts(data: Data, network: nn.Module, processes: int) -> None:
    """Refuse parts of one sample for batch norm over vectors, which then has no variance."""
    last = 0 if data.drop_last else len(data.train) % data.batch
    for path, module in network.named_modules():
        if not isinstance(module, BatchNorm1d):
            continue
        name = label(path)
        if last == 1 or data.batch == 1:
            raise InputError(
                f"the last batch of an epoch has 1 sample ({len(data.train)} samples in "
                f"batches of {data.batch}), and {name} is a batch_norm1d",
                help="choose another batch size: --set data.batch=...",
            )
        least = min(last or data.batch, data.batch)
        # A process without a sample of its own takes one anyway, and has no variance either.
        if not module.sync and least < 2 * processes:
            raise InputError(
                f"a batch of {least} samples leaves 1 to one of {processes} processes, "
                f"and {name} is a batch_norm1d",
                help="choose another batch size: --set data.batch=..., or let the processes "
                "share mean and variance: batch_norm1d(sync=true)",
            )


def suitable_threads(spec: SpecIR) -> int:
    """The number of CPU threads for the training of a spec, at most torch's default.

    It is 1 if a sweep of a batch is little work: threads then wait for each other longer than they
    compute, and much longer if other processes use the machine.
    """
    if spec.train is None or "OMP_NUM_THREADS" in os.environ:
        return TORCH_THREADS
    macs = sum(block.phases[0].macs_per_sweep for block in count(spec.model).blocks)
    batch: int = spec.train.data.arguments["batch"]
    return TORCH_THREADS if macs * batch >= WORTH_THREADS else 1


def settle(options: Options, spec: SpecIR, known: Settings | None = None) -> Settings:
    """Choose device, threads and data directory; set the number of threads of torch.

    Raises:
        InputError: the device is not available, or the number of threads is not positive.
    """
    if options.threads is not None and options.threads < 1:
        raise InputError(f"--threads {options.threads}: at least 1 thread is needed")
    torch.set_num_threads(options.threads or (known.threads if known else suitable_threads(spec)))
    device = choose_device(options.device or (known.device if known else "auto"))
    data_dir = known.data_dir if known else ""
    if not data_dir and DATA_DIR.is_dir():
        data_dir = str(DATA_DIR.absolute())
    if options.data_dir is not None:
        # Absolute, so that the run can be resumed from another working directory.
        data_dir = str(Path(options.data_dir).absolute())
    keep = options.keep or (known.keep if known else KEPT)
    save_every = known.save_every if known else SAVE_EVERY
    if options.save_every is not None:
        save_every = options.save_every
    return Settings(str(device), torch.get_num_threads(), data_dir, keep, float(save_every))
