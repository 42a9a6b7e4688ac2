"""Construction of torch modules from a resolved spec; the only module that imports both sides.

The meaning of a call is defined by its construct; this module assembles the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

import torch
from torch import Generator, Tensor, nn

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.ir.model import (
    BlockIR,
    CallIR,
    CouplingIR,
    DriveIR,
    FeedforwardIR,
    LossIR,
    ModelIR,
    OpIR,
    RelaxIR,
    Shape,
    SpecIR,
    TermIR,
)
from ffebm_dsl.language.ir.resolve.statements import Inherited
from ffebm_dsl.language.ir.restate import require_consistent
from ffebm_dsl.language.ir.tools.count import backward_parameters, op_parameters
from ffebm_dsl.language.ir.tools.part_names import op_names
from ffebm_dsl.language.registry import (
    ACTIVATIONS,
    ARRAYS,
    CONVERTERS,
    ENERGIES,
    GRADIENTS,
    INITIALISERS,
    LOSSES,
    NOISES,
    OPS,
    ROUTINGS,
    SOLVERS,
    TERMS,
)
from ffebm_dsl.physics.energy import (
    Coupling,
    Drive,
    Energy,
    LayerTerm,
    OpChain,
    OpWeights,
    keep_nonnegative,
    keep_zero_diagonal,
    projections,
)
from ffebm_dsl.physics.hardware import Device
from ffebm_dsl.physics.interfaces import (
    Activation,
    DeviceSettings,
    Estimator,
    Layer,
    NonlinearOp,
    PhaseSettings,
    RoutedOp,
    Solver,
    Sweeps,
)
from ffebm_dsl.physics.modules import Chain, NamedModules
from ffebm_dsl.physics.network import (
    Auxiliary,
    BlockSettings,
    Draw,
    EnergyBlock,
    HybridBlock,
    HybridNetwork,
    LossTerm,
    MapWiring,
    Wiring,
    initialise,
)
from ffebm_dsl.physics.relaxation import OverRelaxation, carried, schedule


def build(
    spec: SpecIR,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> HybridNetwork:
    """The network of a spec, with weights drawn from ``seed``.

    The global random state of torch is neither used nor changed.

    Raises:
        InputError: the spec is inconsistent, as an edited one may be, or an op does not have the
            number of parameters that its construct states.
    """
    require_consistent(spec)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        # For parameters that a module of an op draws itself, besides those of the initialiser.
        torch.default_generator.manual_seed(seed)
        hardware = {device.name: device for device in spec.hardware}
        network = _network(spec.model, hardware, generator)
    network.project()
    return network.to(device=device, dtype=dtype)


def default_settings(energy: Energy) -> BlockSettings:
    """The settings of a block with this energy in a spec without any."""
    settings = Inherited()
    assert settings.gradient is not None
    return BlockSettings(
        _relaxation(settings.relax("free"), energy),
        _relaxation(settings.relax("nudged"), energy),
        _estimator(settings.gradient.ir),
    )


def _network(model: ModelIR, hardware: Mapping[str, CallIR], generator: Generator) -> HybridNetwork:
    stages: dict[str, nn.Module] = {}
    wiring: dict[str, MapWiring] = {}
    loss_block = ""
    for stage in model.stages:
        if isinstance(stage, BlockIR):
            if stage.gradient.arguments.get("nudge") == "loss":
                loss_block = stage.name
            device = hardware.get(stage.hardware)
            stages[stage.name] = _block(stage, device, model.readout.source, generator)
        else:
            stages[stage.name] = _map(stage, model.init, generator)
            wiring[stage.name] = MapWiring(stage.sources, stage.name)
    readout = _map(model.readout, model.init, generator)
    # Drawn last, so that the other weights are the same as in the model without them.
    heads = {head.name: _map(head, model.init, generator) for head in model.auxiliary}
    return HybridNetwork(
        NamedModules(stages),
        wiring,
        readout,
        [_loss(term, model.readout.name) for term in model.losses],
        {end.name: end.shape for end in model.inputs},
        model.readout.sources,
        loss_block,
        Auxiliary(NamedModules(heads), {head.name: head.sources for head in model.auxiliary}),
    )


def _loss(term: LossIR, logits: str) -> LossTerm:
    per_sample = partial(LOSSES[term.call.name].per_sample, **term.call.arguments)
    of = "" if term.readout == logits else term.readout
    return LossTerm(per_sample, term.weight, of, LOSSES[term.call.name].curvature)


def _map(ir: FeedforwardIR, init: CallIR, generator: Generator) -> Chain:
    modules = _named(ir.ops, lambda op: OPS[op.name].module(op))
    chain = Chain(modules)
    initialise(chain, _draw(init), generator, _own_draws(modules.values(), ir.ops, init))
    return chain


def _draw(init: CallIR) -> Draw:
    return partial(INITIALISERS[init.name].draw, **init.arguments)


def _own_draws(
    modules: Iterable[nn.Module], ops: Iterable[OpIR], init: CallIR
) -> dict[nn.Module, Draw]:
    """The initialisation of ops that state an `init` or a `gain`."""
    draws: dict[nn.Module, Draw] = {}
    for module, op in zip(modules, ops, strict=True):
        own, gain = op.arguments.get("init"), op.arguments.get("gain", 1.0)
        if isinstance(own, CallIR) or gain != 1:
            draw = _draw(own if isinstance(own, CallIR) else init)
            draws[module] = partial(_draw_amplified, draw=draw, gain=gain)
    return draws


def _draw_amplified(weight: Tensor, generator: Generator, *, draw: Draw, gain: float) -> None:
    draw(weight, generator)
    weight.mul_(gain)


def _block(
    ir: BlockIR, hardware: CallIR | None, prediction: str, generator: Generator
) -> HybridBlock:
    index = {layer.name: i for i, layer in enumerate(ir.layers)}
    maps = {f.name: _map(f, ir.init, generator) for f in ir.feedforwards}
    couplings: dict[str, Coupling] = {}
    for c in ir.couplings:
        couplings[c.name] = _coupling(c, index, couplings)
    layers = [Layer(layer.name, layer.shape, _activation(layer.activation)) for layer in ir.layers]
    drives = {d.name: Drive(index[d.layer], _named(d.ops, _coupling_op)) for d in ir.drives}
    parts: list[object] = [layers, couplings, drives]
    if ENERGIES[ir.energy].terms:
        shapes = {layer.name: layer.shape for layer in ir.layers}
        parts.append({t.name: _term(t, index[t.layer], shapes[t.layer]) for t in ir.terms})
    energy = ENERGIES[ir.energy].make(*parts)
    _check_routing(ir, energy)
    _initialise(ir, energy, {**couplings, **drives}, generator)
    outputs = {f"{ir.name}.{output.name}": index[output.layer] for output in ir.outputs}
    made = _device(hardware) if hardware else None
    if ir.gradient.arguments.get("nudge") == "loss":
        # Such a block is read by the loss only, through this output and no converter.
        outputs = {prediction: outputs[prediction]}
        made = made and replace(made, outputs=None, cotangents=None)
    if made and not GRADIENTS[ir.gradient.name].nudges:
        made = replace(made, cotangents=None)
    noises: tuple[CallIR, ...] = hardware.arguments["noise"] if hardware else ()
    settings = BlockSettings(
        _relaxation(ir.free, energy, noises),
        _relaxation(ir.nudged, energy, noises),
        _estimator(ir.gradient),
    )
    device = None
    if made is not None:
        kept = projections(energy, energy.weights())
        device = Device(ir.name, made, layers, [*outputs.values()], len(drives), kept)
    core = EnergyBlock(energy, list(outputs.values()), settings, name=ir.name, device=device)
    wiring = Wiring(
        {f.name: f.sources for f in ir.feedforwards},
        [d.source for d in ir.drives],
        list(outputs),
    )
    return HybridBlock(ir.name, NamedModules(maps), core, wiring)


def _initialise(
    ir: BlockIR, energy: Energy, chains: Mapping[str, OpChain], generator: Generator
) -> None:
    """Draw the weights of an energy; ``chains`` are its couplings and drives by name."""
    connections: list[CouplingIR | DriveIR] = [*ir.couplings, *ir.drives]
    own: dict[nn.Module, Draw] = {}
    for connection in connections:
        own |= _own_draws(chains[connection.name].ops, connection.ops, ir.init)
    initialise(energy, _draw(ir.init), generator, own)
    for connection in connections:
        if connection.settings["nonnegative"]:
            _keep(chains[connection.name], keep_nonnegative)
        if connection.settings.get("zero_diagonal"):
            _keep(chains[connection.name], keep_zero_diagonal)


def _device(hardware: CallIR) -> DeviceSettings:
    """The device of a hardware section, except its noise, which is part of relaxations."""
    given = hardware.arguments
    converters = {
        key: CONVERTERS[given[key].name].make(given[key].arguments)
        for key in ("drives", "outputs", "cotangents", "updates")
    }
    array = ARRAYS[given["weights"].name].make(given["weights"].arguments)
    return DeviceSettings(array, **converters, offset=given["update_offset"], seed=given["seed"])


def _keep(chain: OpChain, constrain: Callable[[nn.Module, str], nn.Module]) -> None:
    for op in chain.ops:
        for name, _ in op.named_parameters(recurse=False):
            if name != "bias":
                constrain(op, name)


def _check_routing(ir: BlockIR, energy: Energy) -> None:
    """Refuse frozen routings for an energy without routings, which would ignore them."""
    routed = [op.name for c in ir.couplings for op in c.ops if OPS[op.name].routed]
    if routed and not energy.routed:
        raise InputError(
            f"block `{ir.name}` has `{routed[0]}` in a coupling, and the energy `{ir.energy}` "
            "takes only linear ops there",
            help=f"put a linear op in the place of `{routed[0]}`, or choose another energy",
        )


def _term(ir: TermIR, layer: int, shape: Shape) -> LayerTerm:
    """Raises InputError if the term's number of parameters is not that of its construct."""
    construct, arguments = TERMS[ir.call.name], ir.call.arguments
    module = LayerTerm(layer, construct.make(arguments, shape))
    _require_count(construct.name, construct.count_parameters(arguments, shape), module)
    return module


def _estimator(call: CallIR) -> Estimator:
    estimator: Estimator = GRADIENTS[call.name].make(call.arguments)
    return estimator


def _activation(call: CallIR) -> Activation:
    activation: Activation = ACTIVATIONS[call.name].make(**call.arguments)
    return activation


def _coupling(
    ir: CouplingIR, index: Mapping[str, int], earlier: Mapping[str, Coupling]
) -> Coupling:
    feedback = ir.settings["feedback"]
    if ir.settings["tied_to"]:
        others = earlier[ir.settings["tied_to"]].ops
        names = op_names(op.name for op in ir.ops)
        tied = {
            name: _coupling_op(op, tied_to=other)
            for name, op, other in zip(names, ir.ops, others, strict=True)
        }
        return Coupling(index[ir.source], index[ir.target], tied, feedback=feedback)
    own = feedback == "own"
    ops = _named(ir.ops, partial(_coupling_op, backward=own), own=own)
    return Coupling(index[ir.source], index[ir.target], ops, feedback=feedback)


def _coupling_op(
    op: OpIR, *, backward: bool = False, tied_to: OpWeights | None = None
) -> OpWeights:
    """Raises InputError if the op is not of the kind that its construct states."""
    construct = OPS[op.name]
    assert construct.coupling is not None, "the front end admits only ops with a coupling"
    made = construct.coupling(op)
    said = construct.routed, construct.nonlinear, construct.holomorphic
    smooth = isinstance(made, NonlinearOp)
    if said != (isinstance(made, RoutedOp), smooth, smooth and made.holomorphic):
        raise InputError(
            f"the construct `{op.name}` states a wrong kind for its op {type(made).__name__} is",
            help="correct its `routed`, `nonlinear` and `holomorphic`",
        )
    return OpWeights(made, backward=backward, tied_to=tied_to)


def _relaxation(ir: RelaxIR, energy: Energy, noises: tuple[CallIR, ...] = ()) -> PhaseSettings:
    layers, edges = len(energy.layers), energy.edges
    groups = schedule(ir.order, layers, edges)
    together = any(a != b and {a, b} <= {*group} for group in groups for a, b in edges)
    sweeps = Sweeps(groups, ir.damping, None if together else energy.acceleration)
    solver: Solver = sweeps
    if ir.over_relaxation > 1:
        solver = OverRelaxation(ir.over_relaxation, sweeps)
    # A damped or over-relaxed layer depends on its own old state.
    alone = ir.damping == 0 and ir.over_relaxation == 1
    read = carried(groups, edges) if alone else tuple(range(layers))
    noise = tuple(NOISES[n.name].make(n.arguments) for n in (*ir.noise, *noises))
    solver = SOLVERS[ir.solver.name].make(ir.solver.arguments, solver, read)
    return PhaseSettings(
        ir.sweeps,
        ir.tolerance,
        solver,
        freeze_after=ROUTINGS[ir.routing.name].freeze_after(ir.routing.arguments),
        feedforward=ir.start == "feedforward",
        noise=noise,
    )


Op = TypeVar("Op", bound=nn.Module)


def _named(
    ops: tuple[OpIR, ...], make: Callable[[OpIR], Op], *, own: bool = False
) -> dict[str, Op]:
    """The ops of a chain by unique names: ``conv2d``, ``relu``, ``conv2d_2``.

    ``own``: the backward direction has weights of its own.

    Raises:
        InputError: an op does not have the number of parameters that its construct states.
    """
    named: dict[str, Op] = {}
    for name, op in zip(op_names(op.name for op in ops), ops, strict=True):
        named[name] = make(op)
        counted = op_parameters(op) + (backward_parameters(op) if own else 0)
        _require_count(op.name, counted, named[name])
    return named


def _require_count(name: str, counted: int, module: nn.Module) -> None:
    """Verify a number of parameters, by which a network's size is judged before it is built."""
    held = sum(parameter.numel() for parameter in module.parameters())
    if held != counted:
        raise InputError(
            f"the construct `{name}` counts {counted:,} parameters, and its module has {held:,}",
            help="correct its `count_parameters`",
        )
