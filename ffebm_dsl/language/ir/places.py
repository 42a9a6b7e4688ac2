"""Where in the text the parts of a network stand, for diagnostics about what was built."""

from __future__ import annotations

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir import resolved


def places(model: resolved.Model) -> dict[str, Span]:
    """The span of each part by its name: ``b1``, ``b1.u``, ``b1.s1_s2``, ``logits``.

    A part that comes from a template stands in the template. The model itself stands
    under the empty name.
    """
    found = {"": model.span}
    for stage in model.stages:
        if isinstance(stage, resolved.Map):
            found[stage.name] = stage.span
            continue
        found[stage.name] = stage.span
        found |= {map_.port: map_.span for map_ in stage.maps}
        found |= {f"{stage.name}.{c.name}": c.span for c in stage.couplings}
    if model.readout is not None:
        found["readout"] = model.readout.span
    return found
