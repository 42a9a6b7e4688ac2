"""Random specs that mix all constructs: energies, feedback, terms, estimators, losses.

A text may be invalid, such as with complex phases of an activation with kinks; it is then refused.
Everything else must be right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

SMOOTH = ("tanh(0.5)", "sigmoid(0.8)", "shifted_sigmoid(1, 0.3)", "holotanh(0.5, 2)", "identity")
BENT = ("softplus(0.5)", "softmax(0.8)", "leaky_relu(0.2, 0.5)", "hard_sigmoid(0.5)", "relu(0.5)")
OPS = {
    ("image", "image"): ("conv2d(kernel=3, padding=1)", "conv2d(kernel=1, bias=false)"),
    ("image", "small"): (
        "conv2d(kernel=3, padding=1) |> avg_pool2d(2)",
        "conv2d(kernel=3, padding=1) |> max_pool2d(2)",
        "conv2d(kernel=3, padding=1) |> softmax_pool2d(2, temperature=0.4)",
    ),
    ("image", "vector"): ("flatten() |> linear()", "avg_pool2d(2) |> flatten() |> linear()"),
    ("small", "small"): ("conv2d(kernel=1)",),
    ("small", "vector"): ("flatten() |> linear(bias=false)",),
    ("tokens", "tokens"): ("linear()",),
    ("tokens", "vector"): ("flatten() |> linear()",),
    ("vector", "vector"): ("linear()",),
}
LAYERS = {"image": "[2, 4, 4]", "small": "[2, 2, 2]", "tokens": "[4, 3]", "vector": "[5]"}
DRIVES = {
    "image": "u = x |> conv2d(2, kernel=3, padding=1)",
    "tokens": "u = x |> patches(2) |> linear(3)",
    "vector": "u = x |> flatten() |> linear(5)",
}
TERMS = {
    "image": ("unit_bias()",),
    "small": ("unit_bias()",),
    "tokens": ("attention(heads=2, dim=2, gamma=0.5)", "memory(3)", "unit_bias()"),
    "vector": ("unit_bias()", "memory(3)"),
}
CHAINS = (
    ("image", "small", "vector"),
    ("image", "image"),
    ("image", "vector", "vector"),
    ("tokens", "vector"),
    ("tokens", "vector"),
    ("tokens", "tokens", "vector"),
    ("vector", "vector", "vector"),
    ("vector", "vector"),
)
ORDERS = ("synchronous", "asynchronous", "asynchronous_reversed", "forward", "backward")
VARIANTS = (
    "",
    "estimator=positive",
    "estimator=negative",
    "points=3",
    "points=4",
    "stencil=4",
    "nudge=loss",
    "nudge=loss, stencil=4",
    "nudge=loss, estimator=positive",
)


def sometimes(draw: st.DrawFn, often: int) -> bool:
    """True once in ``often`` times; where hypothesis shrinks, False."""
    return draw(st.integers(0, often - 1)) == often - 1


def pick(draw: st.DrawFn, choices: Sequence[T]) -> T:
    return draw(st.sampled_from(choices))


def couplings(draw: st.DrawFn, kinds: Sequence[str], *, feedback: bool) -> list[str]:
    """A chain with skips and laterals; where ``feedback``, with factors that an energy has or,
    once in a while, has not."""
    weights = [pick(draw, (0.3, 1.0, 1.0, 2.0, -1.0)) if feedback else 1.0 for _ in kinds]
    ends = [(i, i + 1) for i in range(len(kinds) - 1)]
    ends += [
        (i, j)
        for i in range(len(kinds))
        for j in range(i, len(kinds))
        if j != i + 1 and (kinds[i], kinds[j]) in OPS and sometimes(draw, 3)
    ]
    own = feedback and sometimes(draw, 3)
    lines, tied = [], sometimes(draw, 3)
    first: dict[tuple[str, str, str], str] = {}
    for i, j in ends:
        factor: float | str = weights[j] / weights[i]
        if own and draw(st.booleans()):
            factor = "own"
        elif feedback and sometimes(draw, 20):
            factor = 0.7
        ops = pick(draw, OPS[kinds[i], kinds[j]])
        settings = [] if factor == 1 else [f"feedback = {factor}"]
        if factor != "own":
            other = first.setdefault((kinds[i], kinds[j], ops), f"s{i}_s{j}")
            weighted = "linear" in ops or "conv2d" in ops
            if tied and weighted and other != f"s{i}_s{j}":
                settings.append(f'tied_to = "{other}"')
        setting = f" {{ {'  '.join(settings)} }}" if settings else ""
        lines.append(f"s{i} <-> s{j} : {ops}{setting}")
    return lines


def hopfield(draw: st.DrawFn, kinds: Sequence[str]) -> list[str]:
    smooth = draw(st.booleans())
    activations = [pick(draw, SMOOTH if smooth else (*SMOOTH, *BENT)) for _ in kinds]
    terms = sometimes(draw, 2)
    return [
        "energy hopfield {",
        *(f"layer s{i}: {LAYERS[k]} {activations[i]}" for i, k in enumerate(kinds)),
        "u -> s0",
        *(
            ["x -> s1 : flatten() |> linear()"]
            if sometimes(draw, 4) and kinds[1] == "vector"
            else []
        ),
        *couplings(draw, kinds, feedback=draw(st.booleans())),
        *(
            f"s{i} : {pick(draw, TERMS[kind])}"
            for i, kind in enumerate(kinds)
            if terms and (kind == "tokens" or draw(st.booleans()))
        ),
        "}",
    ]


def resistive(draw: st.DrawFn, kinds: Sequence[str]) -> list[str]:
    return [
        "energy resistive {",
        *(
            f"layer s{i}: {LAYERS[kind]} {pick(draw, ('diode', 'identity', 'clipped_relu(2)'))}"
            for i, kind in enumerate(kinds)
        ),
        "u -> s0",
        *couplings(draw, kinds, feedback=False),
        "}",
    ]


def oscillator(draw: st.DrawFn, kinds: Sequence[str]) -> list[str]:
    harmonic = pick(draw, (-0.5, -0.8))
    return [
        "energy oscillator {",
        *(f"layer s{i}: {LAYERS[kind]} angle({harmonic})" for i, kind in enumerate(kinds)),
        "u -> s0",
        *couplings(draw, kinds, feedback=False),
        "}",
    ]


def gradient(draw: st.DrawFn) -> str:
    name = pick(draw, ("ep", "ep", "ep", "aep", "aep", "implicit", "unrolled", "coupled_learning"))
    if name == "coupled_learning":
        return f"{name}(eta=0.05, estimator={pick(draw, ('centered', 'positive', 'negative'))})"
    if name in ("implicit", "unrolled"):
        return f"{name}()"
    beta = "auto" if sometimes(draw, 4) else "0.05"
    variant = pick(draw, VARIANTS)
    return f"{name}({', '.join(part for part in (f'beta={beta}', variant) if part)})"


def relaxation(draw: st.DrawFn, *, noise: bool) -> list[str]:
    order = pick(draw, ORDERS)
    damping = pick(draw, (0.3, 0.5)) if order == "synchronous" else pick(draw, (0, 0, 0.2))
    kinds = ("read(1e-6)", "state(1e-6)", "read(1e-6), state(1e-6)")
    stated = f" noise = [{pick(draw, kinds)}]" if noise and sometimes(draw, 4) else ""
    return [
        f"relax free {{ sweeps = 60 order = {order} damping = {damping}{stated} }}",
        f"relax nudged {{ sweeps = 40 order = {order} damping = {damping}{stated} }}",
    ]


TARGETS = {
    "label(3)": ("cross_entropy", "mse", "mse(low=-1)", "cross_entropy(label_smoothing=0.1)"),
    "vector(3)": ("mse",),
    "labels(3)": ("binary_cross_entropy",),
    "probabilities(3)": ("cross_entropy",),
}


def loss(name: str, port: str) -> str:
    head, _, rest = name.partition("(")
    return f"{head}({port}, y{', ' + rest if rest else ')'}"


@st.composite
def mixed_specs(draw: st.DrawFn) -> str:
    """One or two blocks; the second reads the first's output."""
    target = pick(draw, (*TARGETS, "label(3)", "label(3)"))
    blocks, source = [], "x"
    for k in range(draw(st.integers(1, 2))):
        kind = pick(draw, ("hopfield", "hopfield", "hopfield", "resistive", "oscillator"))
        kinds = pick(draw, CHAINS)
        energy = {"hopfield": hopfield, "resistive": resistive, "oscillator": oscillator}[kind]
        inside = energy(draw, kinds)
        estimator = gradient(draw)
        maps = [DRIVES[kinds[0]]]
        if k and kinds[-1] == "vector":
            # What the first block says, beside the input: a cotangent crosses into it.
            maps.append(f"w = {source} |> flatten() |> linear(5)")
            inside.insert(-1, f"w -> s{len(kinds) - 1}")
        blocks += [
            f"block b{k} {{",
            *(f"feedforward {line}" for line in maps),
            f"gradient {estimator}",
            *relaxation(draw, noise="ep(" in estimator),
            *inside,
            f"out = s{len(kinds) - 1}",
            "out first = s0",
            "}",
        ]
        source = f"b{k}"
    name = pick(draw, TARGETS[target])
    several = sometimes(draw, 3)
    inner = [f"readout inner = {source}.first |> flatten() |> linear(3)"] if several else []
    angle = " |> cos()" if kind == "oscillator" else ""
    return "\n".join(
        [
            "ffe 1.1",
            "model mixed {",
            "input x: image(1, 4, 4)",
            f"target y: {target}",
            "init normal(std=0.15)",
            *blocks,
            f"readout logits = {source}{angle} |> flatten() |> linear(3)",
            *inner,
            f"loss = {loss(name, 'logits')}"
            + (f" + 0.5 * {loss(name, 'inner')}" if several else ""),
            "}",
        ]
    )
