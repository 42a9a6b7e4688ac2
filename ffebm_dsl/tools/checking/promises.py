"""Promises of activations, compared with their behaviour.

Each function draws one random problem in float64 from a generator and yields one
:class:`Promise` per comparison. References are definitions (inner products, linearity) and
automatic differentiation; no statement of a construct about itself is trusted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ffebm_dsl.physics.interfaces import Activation, inner

BATCH = 3
EXACT = 1e-12
"""Limit for what differs by rounding alone, relative to the size of the numbers compared."""
CONDITIONED = 1e-8
"""Limit for what is computed through inverse functions, to the end of a range, or as a second
derivative, which a sharp function makes far larger than the numbers that it is computed from."""


@dataclass(frozen=True)
class Promise:
    """One promise and the size of its violation.

    Attributes:
        text: description of the promise.
        error: the size of the violation, relative unless the text says otherwise.
        limit: the largest error that rounding explains.
        detail: further information: two shapes, or an exception.
    """

    text: str
    error: float
    limit: float = EXACT
    detail: str = ""

    @property
    def kept(self) -> bool:
        return self.error <= self.limit


def compared(
    text: str,
    compute: Callable[[], tuple[Tensor, Tensor]],
    limit: float = EXACT,
    scale: Callable[[], float] | None = None,
) -> Promise:
    """The largest difference of two tensors, relative to ``scale`` or to their largest entry.

    A construct that raises an exception breaks the promise; constructs may be user code.
    """
    try:
        found, expected = (x.detach() for x in compute())
        if found.shape != expected.shape:
            detail = f"shape {list(found.shape)} instead of {list(expected.shape)}"
            return Promise(text, math.inf, limit, detail)
        size = scale() if scale else max(_largest(found), _largest(expected))
        off = _largest(found - expected)
    except Exception as error:
        return Promise(text, math.inf, limit, f"{type(error).__name__}: {error}".splitlines()[0])
    return Promise(text, off / size if off and size else off, limit)


def _largest(x: Tensor) -> float:
    return float(x.abs().max()) if x.numel() else 0.0


def normal(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def interior(activation: Activation, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Random states (B, units, ...) inside the range of ``activation``, not at its ends."""
    if not activation.elementwise:
        return activation(normal(generator, *shape) / activation.slope)
    low, high = activation.range
    if math.isfinite(low) and math.isfinite(high):
        uniform = torch.rand(shape, dtype=torch.float64, generator=generator)
        return low + (high - low) * (0.05 + 0.9 * uniform)
    x = normal(generator, *shape)
    if math.isfinite(low):
        return low + 0.05 + x.abs()
    if math.isfinite(high):
        return high - 0.05 - x.abs()
    # Units may have signs of their own.
    return torch.where(activation.project(x.clone()) == x, x, -x)


def activation_promises(activation: Activation, generator: Generator) -> Iterator[Promise]:
    """``sigma`` and its potential belong together, and the rest follows from ``sigma``."""
    if not activation.elementwise:
        yield from _mixing_promises(activation, generator)
        return
    s = interior(activation, (128, 2), generator)
    # Further out, a smooth sigma with small ends rounds to flat.
    reach = min(1.0, max(abs(end) for end in activation.range)) / activation.slope
    middle = _middle(activation)
    v = _grid(activation, middle, reach, generator)
    # Far from 0 the rounding of v itself changes sigma.
    conditioned = CONDITIONED * max(1.0, abs(middle) * activation.slope)
    if activation.invertible:
        yield compared(
            "sigma is the inverse of the potential's gradient",
            lambda: (activation(gradient(activation.potential, s)), s),
            conditioned,
        )
        yield compared(
            "G(s) - v s is least at an end of the range where sigma(v) is that end",
            lambda: _beyond_ends(activation, v),
            conditioned,
        )
    yield compared(
        "derivative() is that of sigma",
        lambda: (activation.derivative(v), gradient(activation, v)),
    )
    h = 1e-5 * reach
    yield compared(
        "derivative() is the slope of the values of sigma",
        lambda: (activation.derivative(v), (activation(v + h) - activation(v - h)) / (2 * h)),
        conditioned,
    )
    yield compared(
        "the values of sigma are in its range",
        lambda: _with(activation(10 * v), lambda x: activation.project(x.clone())),
    )
    if activation.quadratic:
        yield compared(
            "between the ends of `clip` sigma is linear",
            lambda: (activation(v), activation.project(activation.slope * v)),
        )
    yield compared(
        "sigma is flat where its state is an end of `clip`, and nowhere else",
        lambda: (
            (activation.derivative(v) == 0).double(),
            _at_clip(activation, activation(v)).double(),
        ),
    )
    yield compared(
        "every kink of sigma is where `kink_distance` is 0",
        lambda: _with(activation.kink_distance(_kinks(activation, v)), torch.zeros_like),
        limit=1e-6,
        scale=lambda: reach,
    )
    yield compared(
        "overwrite() gives sigma", lambda: (activation.overwrite(v.clone()), activation(v))
    )
    if activation.holomorphic:
        yield from _holomorphic_promises(activation, v, h, conditioned)


def _mixing_promises(activation: Activation, generator: Generator) -> Iterator[Promise]:
    """The same of an activation that mixes the entries of a sample, (B, 5)."""
    v, t, w = (normal(generator, 64, 5) for _ in range(3))
    v = v / activation.slope
    s = interior(activation, (64, 5), generator)
    yield compared(
        "sigma is the inverse of the potential's gradient",
        lambda: (activation(gradient(activation.potential, s)), s),
        CONDITIONED,
    )
    h = 1e-5 / activation.slope
    yield compared(
        "jvp() is the slope of the values of sigma",
        lambda: (activation.jvp(v, t), (activation(v + h * t) - activation(v - h * t)) / (2 * h)),
        CONDITIONED,
    )
    yield compared(
        "the Jacobian of sigma is symmetric",
        lambda: (inner(w, activation.jvp(v, t)), inner(t, activation.jvp(v, w))),
    )
    yield compared(
        "the values of sigma are in its range",
        lambda: _with(activation(10 * v), lambda x: x.clamp(*activation.range)),
    )
    yield compared(
        "a sample's state does not depend on the others",
        lambda: (activation(v[:1]), activation(v)[:1]),
    )
    yield compared(
        "overwrite() gives sigma", lambda: (activation.overwrite(v.clone()), activation(v))
    )


def _holomorphic_promises(
    activation: Activation, v: Tensor, h: float, conditioned: float
) -> Iterator[Promise]:
    """``sigma`` on complex numbers near the real line, from which its poles keep their distance."""
    z = torch.complex(v, 0.1 * v.sin() / activation.slope)

    def slope(direction: complex) -> Tensor:
        step = h * direction
        return torch.view_as_real((activation(z + step) - activation(z - step)) / (2 * step))

    yield compared(
        "sigma has the same derivative in every direction of the complex plane",
        lambda: (slope(1j), slope(1)),
        conditioned,
    )
    yield compared(
        "sigma of a real number is the same in complex arithmetic",
        lambda: (
            torch.view_as_real(activation(v.to(z.dtype))),
            torch.view_as_real(activation(v).to(z.dtype)),
        ),
    )
    yield compared(
        "overwrite() gives sigma of complex numbers",
        lambda: (
            torch.view_as_real(activation.overwrite(z.clone())),
            torch.view_as_real(activation(z)),
        ),
    )


def _grid(activation: Activation, middle: float, reach: float, generator: Generator) -> Tensor:
    """Pre-activations (n, 2) around ``middle`` in increasing order, none at a kink."""
    shift = torch.rand((), dtype=torch.float64, generator=generator)
    v = middle + (torch.linspace(-6, 6, 997, dtype=torch.float64) + 0.005 * shift) * reach
    v = v[:, None].expand(-1, 2)
    return v[(activation.kink_distance(v) > 1e-4 * reach).all(1)]


def _middle(activation: Activation) -> float:
    """Where sigma is in the middle of its range, found by bisection; 0 where that is unbounded."""
    low, high = activation.range
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0

    def below(v: float) -> bool:
        return float(activation(torch.tensor([[v]], dtype=torch.float64))) < (low + high) / 2

    left, right = -1 / activation.slope, 1 / activation.slope
    for _ in range(60):
        left *= 1 if below(left) else 2
        right *= 2 if below(right) else 1
    for _ in range(100):
        middle = (left + right) / 2
        left, right = (middle, right) if below(middle) else (left, middle)
    return middle


def _with(x: Tensor, of: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    return x, of(x)


def gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = function(x).sum()
        if not value.requires_grad:
            return torch.zeros_like(x)
        (found,) = torch.autograd.grad(value, x, materialize_grads=True)
    return found


def _at_clip(activation: Activation, s: Tensor) -> Tensor:
    low, high = activation.cut_off(s)
    return low | high


def _beyond_ends(activation: Activation, v: Tensor) -> tuple[Tensor, Tensor]:
    """``v`` and its nearest value at which the end that sigma(v) is cut off at is stationary."""
    s = activation(v)
    low, high = activation.cut_off(s)
    ends = gradient(activation.potential, s)
    needed = torch.where(low, torch.minimum(v, ends), v)
    return v, torch.where(high, torch.maximum(needed, ends), needed)


def _kinks(activation: Activation, v: Tensor) -> Tensor:
    """Where the derivative jumps: found by bisecting every interval of the grid ``v``."""
    low, high = v[:-1], v[1:]
    slope = activation.derivative
    largest = float(slope(v).abs().max())
    for _ in range(40):
        middle = (low + high) / 2
        left = (slope(middle) - slope(low)).abs() > (slope(high) - slope(middle)).abs()
        low, high = torch.where(left, low, middle), torch.where(left, middle, high)
    jumps = ((slope(high) - slope(low)).abs() > 1e-3 * largest).any(1)
    return low[jumps]
