"""Constructs: all that the compiler and its tools know of an op, a loss, a data set, ...

A construct is one object in one file. What it is called, what it takes and the facts that
checking, counting and printing need are plain data and functions without torch. What it does
in a network or a training run is a function beside them, which imports torch when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ffebm_dsl.language.registry.parameters import Parameter
from ffebm_dsl.language.registry.shapes import Arguments, Fit, Misfit, OpIR, same_shape


@dataclass(frozen=True)
class Construct:
    """A name of the language.

    Attributes:
        name: as a spec writes it.
        doc: what it is, in one line.
        parameters: in the order of positional arguments.
        equation: what it computes, in plain text; ``""`` where there is nothing to compute.
        source: the work that it is taken from; ``""`` where it is common property.
        deviations: where it is not what its source, or PyTorch under that name, has.
        removed: what to do about arguments that earlier versions had, by name.
        conflict: why these arguments do not go together, and the remedy; None where they do.
    """

    name: str
    doc: str
    parameters: tuple[Parameter, ...] = ()
    equation: str = ""
    source: str = ""
    deviations: tuple[str, ...] = ()
    removed: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    conflict: Callable[[Arguments], tuple[str, str] | None] = field(
        default=lambda arguments: None, kw_only=True
    )

    def parameter(self, name: str) -> Parameter:
        return next(p for p in self.parameters if p.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.parameters)


@dataclass(frozen=True, kw_only=True)
class OpConstruct(Construct):
    """An op of feedforward maps, readouts and, where it has a ``coupling``, of couplings.

    Attributes:
        module: the op between known shapes -> ``torch.nn.Module`` on batches.
        coupling: the same -> :class:`ffebm_dsl.physics.interfaces.CouplingOp`; None where the op
            may not be in a coupling. There it acts both ways: what is not linear must be routed
            or nonlinear.
        shape: the shape rule: arguments and the shape of the input -> that of the output.
        joins: it reads a second tensor, at its parameter ``port``. The module takes both, and the
            shape rule both shapes. Such an op cannot be in a coupling.
        count_parameters: trainable numbers of the op.
        count_macs: multiply-accumulates on one sample.
        counted: the parameter that gives the size of the first output dimension of the
            op's weight; ``""`` for an op without weight. In a coupling that argument may be
            left out, and a spec's initialiser draws the weight.
        role: what sort of op this is where ``ffebm diff`` compares networks: ``pooling``,
            ``normalisation`` or ``op``; an op with a weight is of the sort ``weights``.
        does_nothing: whether the op, between these shapes, is the identity.
        per_sample: a sample's result does not depend on the others of its batch.
        random: draws random numbers in training.
        routed: chooses among its inputs, and is linear only once the choice is fixed. Such an
            op may be in a coupling, not on a drive.
        nonlinear: neither linear nor routed: its ``coupling`` is a
            :class:`ffebm_dsl.physics.interfaces.NonlinearOp`. It may not be on a drive.
        holomorphic: of a nonlinear op: that its ``coupling`` is holomorphic.
    """

    module: Callable[[OpIR], Any]
    coupling: Callable[[OpIR], Any] | None = None
    shape: Callable[..., Fit | Misfit] = same_shape
    joins: bool = False
    count_parameters: Callable[[OpIR], int] = lambda op: 0
    count_macs: Callable[[OpIR], int] = lambda op: 0
    counted: str = ""
    role: str = "op"
    does_nothing: Callable[[OpIR], bool] = lambda op: False
    per_sample: bool = True
    random: bool = False
    routed: bool = False
    nonlinear: bool = False
    holomorphic: bool = False

    @property
    def linear(self) -> bool:
        """Whether in a coupling it acts linearly."""
        return not (self.routed or self.nonlinear)

    @property
    def in_coupling(self) -> bool:
        return self.coupling is not None

    @property
    def takes_complex(self) -> bool:
        """Whether in a coupling it acts on complex states: a linear op does, a choice does not."""
        return self.linear or self.holomorphic


@dataclass(frozen=True, kw_only=True)
class ActivationConstruct(Construct):
    """An activation.

    ``make``: the arguments by name -> :class:`ffebm_dsl.physics.interfaces.Activation`.
    """

    make: Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class EnergyConstruct(Construct):
    """A kind of energy.

    Attributes:
        make: layers, couplings and drives by name, as
            :class:`ffebm_dsl.physics.energy.HopfieldEnergy` takes them -> the energy.
        feedback: the number of layers and couplings as (source, target, feedback factor) -> the
            weight of each layer in the energy, or the
            :class:`ffebm_dsl.physics.interfaces.Cycle` that allows none; None for a kind whose
            couplings are equal in both directions.
        holomorphic: whether, of holomorphic activations and ops, it is a function of complex
            states.
        refuses: an :class:`ffebm_dsl.physics.interfaces.Activation` -> why no layer may have
            it, ``""`` where one may; None: layers may have any.
        linear: every op of a coupling must be linear, so that max pooling is none.
        nonnegative: it keeps the weights of its couplings and drives at or above 0.
        terms: its layers may have terms of their own, which ``make`` takes by name, last.
        acceleration: how ``auto`` accelerates sweeps, as
            ``ffebm_dsl.physics.energy.Energy.acceleration`` without terms and without nonlinear
            or lateral couplings; None: not at all.
    """

    make: Callable[..., Any]
    feedback: Callable[[int, Sequence[tuple[int, int, float]]], Any] | None = None
    holomorphic: bool = False
    refuses: Callable[[Any], str] | None = None
    linear: bool = False
    nonnegative: bool = False
    terms: bool = False
    acceleration: Any = None


@dataclass(frozen=True, kw_only=True)
class InitialiserConstruct(Construct):
    """How weights are drawn.

    Attributes:
        draw: a weight in float64, a ``torch.Generator`` and the arguments by name; it fills
            the weight in place and draws from the generator alone.
        zero: whether every weight is 0, so that a gain changes nothing.
    """

    draw: Callable[..., None]
    zero: bool = False


class Backward(NamedTuple):
    """The phases of a block after the free one, from which its gradient is computed.

    ``runs`` times the phase ``name``, each of at most ``sweeps`` sweeps; ``states`` is how
    many states are held besides the free one. ``text`` describes this in output; for phases that
    are those of ``relax nudged`` it is ``""``. ``whole``: the phases begin where the free one does.
    """

    name: str
    runs: int
    sweeps: int
    states: int
    text: str = ""
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class EstimatorConstruct(Construct):
    """A gradient estimator.

    Attributes:
        make: arguments -> :class:`ffebm_dsl.physics.interfaces.Estimator`.
        title: what tables call it.
        backward: arguments and the sweeps of ``relax free`` and ``relax nudged`` -> what it costs.
        nudges: whether its phases are those of ``relax nudged``.
        holomorphic: whether it needs an energy that is a function of complex states.
        any_couplings: whether it is right also where couplings derive from no energy.
        keeps_routing: whether its phases keep the choices that max pooling makes in the free state.
        compared: the arguments with which ``ffebm bench`` measures it beside the others, at
            that many sweeps where it makes sweeps of its own.
        summary: the arguments that tell runs apart, in a few words.
    """

    make: Callable[[Arguments], Any]
    title: str
    backward: Callable[[Arguments, int, int], Backward]
    nudges: bool
    compared: Callable[[int], Arguments]
    holomorphic: Callable[[Arguments], bool] = lambda arguments: False
    summary: Callable[[Arguments], str] = lambda arguments: ""
    any_couplings: bool = False
    keeps_routing: bool = False


@dataclass(frozen=True, kw_only=True)
class SolverConstruct(Construct):
    """A way to make the sweeps of a phase.

    Attributes:
        make: arguments, the sweeps to accelerate (plain, damped or over-relaxed) and the layers
            whose old state a sweep reads -> :class:`ffebm_dsl.physics.interfaces.Solver`.
        noisy: whether a phase with noise may have it.
    """

    make: Callable[[Arguments, Any, tuple[int, ...]], Any]
    noisy: bool = False


@dataclass(frozen=True, kw_only=True)
class RoutingConstruct(Construct):
    """How long the choices of max pooling in couplings may change.

    ``freeze_after``: arguments -> the sweeps after which they are kept; -1: never.
    """

    freeze_after: Callable[[Arguments], int]


@dataclass(frozen=True, kw_only=True)
class LossConstruct(Construct):
    """A loss; its first two parameters are the prediction and the target.

    Attributes:
        per_sample: prediction (B, ...), target and the further arguments by name -> the loss of
            each sample, (B,).
        targets: the kinds of target that it takes.
        flat: whether it compares all entries of the prediction with as many numbers; else
            the prediction must be a vector.
        misfit: the further arguments and the size of the target -> why they do not go together,
            and the remedy; None where they do.
        curvature: its second derivative by every entry of the prediction, where that is one
            number and there are no mixed ones; else 0.
        softmax: whether the softmax of the prediction is the probabilities of the classes.
    """

    per_sample: Callable[..., Any]
    targets: tuple[str, ...]
    flat: bool = False
    misfit: Callable[[Arguments, int], tuple[str, str] | None] = lambda arguments, size: None
    curvature: float = 0.0
    softmax: bool = False

    @property
    def settings(self) -> tuple[Parameter, ...]:
        """The parameters but for the prediction and the target."""
        return self.parameters[2:]


@dataclass(frozen=True, kw_only=True)
class TargetConstruct(Construct):
    """A kind of target.

    Attributes:
        fault: the targets of a data set, an array of numpy (n, ...), and the size -> why they are
            not of this kind, as "holds ...", and the remedy; None where they are.
        draw: number of samples, size and ``torch.Generator`` -> targets of this kind in float64
            or int64, as the losses take them.
        classes: a class index, not a number for each class.
        mixture: the kind that a weighted mean of two targets is of, with one-hot vectors in the
            place of class indices; ``""`` where it means nothing.
        of_input: the sample itself, as the network gets it, is the target.
    """

    fault: Callable[[Any, int], tuple[str, str] | None]
    draw: Callable[[int, int, Any], Any]
    classes: bool = False
    mixture: str = ""
    of_input: bool = False


@dataclass(frozen=True, kw_only=True)
class OptimizerConstruct(Construct):
    """An optimizer; its parameters include ``lr``, ``weight_decay`` and ``groups``.

    Attributes:
        make: torch's parameter groups and the arguments -> ``torch.optim.Optimizer``.
    """

    make: Callable[[Any, Arguments], Any]

    def __post_init__(self) -> None:
        missing = {"lr", "weight_decay", "groups"} - set(self.names)
        if missing:
            raise ValueError(f"an optimizer needs the parameters {', '.join(sorted(missing))}")


class EpochPosition(NamedTuple):
    """Where a run is: in ``epoch`` (from 0) of ``epochs``, of which ``part`` (below 1) is done."""

    epoch: int
    epochs: int
    part: float


@dataclass(frozen=True, kw_only=True)
class ScheduleConstruct(Construct):
    """A learning rate over epochs.

    Attributes:
        rate: arguments, the optimizer's rate and where the run is -> the rate. A function of
            the position alone leaves no state that a resumed run could miss.
        changes: arguments -> after how many epochs the rate changes: the first time, or each time
            where the text lists them. Nothing where it changes with every step.
    """

    rate: Callable[[Arguments, float, EpochPosition], float]
    changes: Callable[[Arguments], Sequence[float]] = lambda arguments: ()


@dataclass(frozen=True, kw_only=True)
class PolicyConstruct(Construct):
    """A policy for training steps with non-finite numbers or failed relaxations.

    Attributes:
        retries: how often the batch is tried again, each time more damped.
        damping: arguments and how often the batch was tried -> what the moves of a sweep are
            multiplied by.
        skips: how many batches may be left out in an epoch.
    """

    retries: Callable[[Arguments], int] = lambda arguments: 0
    damping: Callable[[Arguments, int], float] = lambda arguments, tried: 1.0
    skips: Callable[[Arguments], int] = lambda arguments: 0
