"""From the resolved spec to torch modules: the only file that knows both worlds.

Each table maps a registry name to what constructs it; a test holds their keys equal to
the registry's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Generator, nn

from ffebm_dsl.language.ir.model import (
    BlockIR,
    CallIR,
    FeedforwardIR,
    ModelIR,
    OpIR,
    RelaxIR,
    SpecIR,
)
from ffebm_dsl.physics import energy as en
from ffebm_dsl.physics.gradients import EquilibriumPropagation, Estimator, Implicit, Unrolled
from ffebm_dsl.physics.modules import Chain, NamedModules
from ffebm_dsl.physics.network import (
    EnergyBlock,
    HybridBlock,
    HybridNetwork,
    MapWiring,
    Wiring,
    cross_entropy,
    initialise,
    mse,
)
from ffebm_dsl.physics.network.maps import HardSigmoid
from ffebm_dsl.physics.network.whole_batch import BatchNorm1d, BatchNorm2d, Dropout
from ffebm_dsl.physics.relaxation import Anderson, Relaxation, carried, schedule

Arguments = Mapping[str, Any]

ACTIVATIONS: dict[str, type[en.Activation]] = {
    "hard_sigmoid": en.HardSigmoid,
    "identity": en.Identity,
    "relu": en.Relu,
    "sigmoid": en.Sigmoid,
    "tanh": en.Tanh,
}

LOSSES = {"cross_entropy": cross_entropy, "mse": mse}

ESTIMATORS: dict[str, Callable[[Arguments], Estimator]] = {
    "ep": lambda a: EquilibriumPropagation(beta=a["beta"], variant=a["estimator"]),
    "implicit": lambda a: Implicit(tolerance=a["tolerance"], sweeps=a["sweeps"]),
    "unrolled": lambda a: Unrolled(sweeps=a["sweeps"]),
}


def _conv2d(op: OpIR) -> nn.Module:
    a = op.arguments
    return nn.Conv2d(
        op.in_shape[0],
        op.out_shape[0],
        a["kernel"],
        stride=a["stride"],
        padding=a["padding"],
        dilation=a["dilation"],
        groups=a["groups"],
        bias=a["bias"],
    )


def _pool(kind: type[nn.Module]) -> Callable[[OpIR], nn.Module]:
    return lambda op: kind(
        op.arguments["kernel"], stride=op.arguments["stride"], padding=op.arguments["padding"]
    )


def _batch_norm(kind: type[nn.Module]) -> Callable[[OpIR], nn.Module]:
    return lambda op: kind(op.in_shape[0], **op.arguments)


FEEDFORWARD_OPS: dict[str, Callable[[OpIR], nn.Module]] = {
    "adaptive_avg_pool2d": lambda op: nn.AdaptiveAvgPool2d(op.arguments["size"]),
    "avg_pool2d": _pool(nn.AvgPool2d),
    "batch_norm1d": _batch_norm(BatchNorm1d),
    "batch_norm2d": _batch_norm(BatchNorm2d),
    "conv2d": _conv2d,
    "dropout": lambda op: Dropout(op.arguments["p"]),
    "flatten": lambda op: nn.Flatten(),
    "gelu": lambda op: nn.GELU(),
    "group_norm": lambda op: nn.GroupNorm(
        op.arguments["groups"],
        op.in_shape[0],
        eps=op.arguments["eps"],
        affine=op.arguments["affine"],
    ),
    "hard_sigmoid": lambda op: HardSigmoid(op.arguments["slope"]),
    "identity": lambda op: nn.Identity(),
    "layer_norm": lambda op: nn.LayerNorm(
        op.in_shape, eps=op.arguments["eps"], elementwise_affine=op.arguments["affine"]
    ),
    "linear": lambda op: nn.Linear(op.in_shape[0], op.out_shape[0], bias=op.arguments["bias"]),
    "max_pool2d": _pool(nn.MaxPool2d),
    "relu": lambda op: nn.ReLU(),
    "sigmoid": lambda op: nn.Sigmoid(),
    "silu": lambda op: nn.SiLU(),
    "tanh": lambda op: nn.Tanh(),
}

COUPLING_OPS: dict[str, Callable[[OpIR], en.CouplingOp]] = {
    "avg_pool2d": lambda op: en.AvgPool2d(op.in_shape, **op.arguments),
    "conv2d": lambda op: en.Conv2d(
        op.in_shape, op.out_shape[0], **_without(op.arguments, "out_channels")
    ),
    "flatten": lambda op: en.Flatten(op.in_shape),
    "identity": lambda op: en.Identical(op.in_shape),
    "linear": lambda op: en.Linear(op.in_shape, op.out_shape[0], bias=op.arguments["bias"]),
    "max_pool2d": lambda op: en.MaxPool2d(op.in_shape, **op.arguments),
}


def build(
    spec: SpecIR,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> HybridNetwork:
    """The network of a spec, its weights drawn from ``seed``.

    The global random state of torch is neither used nor moved.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        network = _network(spec.model, generator)
    return network.to(device=device, dtype=dtype)


def _network(model: ModelIR, generator: Generator) -> HybridNetwork:
    stages: dict[str, nn.Module] = {}
    wiring: dict[str, MapWiring] = {}
    loss_block = ""
    for stage in model.stages:
        if isinstance(stage, BlockIR):
            if stage.gradient.arguments.get("nudge") == "loss":
                loss_block = stage.name
            stages[stage.name] = _block(stage, model.readout.source, generator)
        else:
            stages[stage.name] = _map(stage, model.init, generator)
            wiring[stage.name] = MapWiring(stage.source, stage.name)
    return HybridNetwork(
        NamedModules(stages),
        wiring,
        _map(model.readout, model.init, generator),
        LOSSES[model.loss.name],
        (model.input.name, model.readout.source),
        loss_block,
    )


def _map(ir: FeedforwardIR, init: CallIR, generator: Generator) -> Chain:
    chain = Chain(_named(ir.ops, FEEDFORWARD_OPS))
    initialise(chain, init.name, init.arguments, generator)
    return chain


def _block(ir: BlockIR, prediction: str, generator: Generator) -> HybridBlock:
    index = {layer.name: i for i, layer in enumerate(ir.layers)}
    maps = {f.name: _map(f, ir.init, generator) for f in ir.feedforwards}
    couplings = {
        c.name: en.Coupling(
            index[c.source], index[c.target], NamedModules(_named(c.ops, COUPLING_OPS))
        )
        for c in ir.couplings
    }
    layers = [
        en.Layer(layer.name, layer.shape, _activation(layer.activation)) for layer in ir.layers
    ]
    energy = en.HopfieldEnergy(layers, couplings, [index[d.layer] for d in ir.drives])
    initialise(energy, ir.init.name, ir.init.arguments, generator)
    outputs = {f"{ir.name}.{output.name}": index[output.layer] for output in ir.outputs}
    if ir.gradient.arguments.get("nudge") == "loss":
        # The loss is the only reader of such a block, through this output.
        outputs = {prediction: outputs[prediction]}
    edges = [(index[c.source], index[c.target]) for c in ir.couplings]
    core = EnergyBlock(
        energy,
        list(outputs.values()),
        _relaxation(ir.free, len(layers), edges),
        _relaxation(ir.nudged, len(layers), edges),
        ESTIMATORS[ir.gradient.name](ir.gradient.arguments),
        name=ir.name,
    )
    wiring = Wiring(
        {f.name: f.source for f in ir.feedforwards},
        [d.source for d in ir.drives],
        list(outputs),
    )
    return HybridBlock(ir.name, NamedModules(maps), core, wiring)


def _activation(call: CallIR) -> en.Activation:
    return ACTIVATIONS[call.name](**call.arguments)


def _relaxation(ir: RelaxIR, layers: int, edges: list[tuple[int, int]]) -> Relaxation:
    groups = schedule(ir.order, layers, edges)
    # A damped or over-relaxed layer reads its own old state.
    alone = ir.damping == 0 and ir.over_relaxation == 1
    read = carried(groups, edges) if alone else tuple(range(layers))
    return Relaxation(
        sweeps=ir.sweeps,
        tolerance=ir.tolerance,
        schedule=groups,
        damping=ir.damping,
        routing_after=ir.routing_after,
        solver=Anderson(ir.anderson_memory, read) if ir.anderson_memory else None,
        feedforward=ir.start == "feedforward",
        over_relaxation=ir.over_relaxation,
    )


Op = TypeVar("Op", bound=nn.Module)


def _named(ops: tuple[OpIR, ...], table: Mapping[str, Callable[[OpIR], Op]]) -> dict[str, Op]:
    """The ops of a chain under their own names: ``conv2d``, ``relu``, ``conv2d_2``."""
    named: dict[str, Op] = {}
    count: dict[str, int] = {}
    for op in ops:
        count[op.name] = count.get(op.name, 0) + 1
        name = op.name if count[op.name] == 1 else f"{op.name}_{count[op.name]}"
        named[name] = table[op.name](op)
    return named


def _without(arguments: Arguments, name: str) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if key != name}
