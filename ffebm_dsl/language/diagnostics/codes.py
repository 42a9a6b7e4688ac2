"""The table of diagnostic codes: stable code -> title.

``FFE0xxx`` syntax, ``FFE1xxx`` names and values, ``FFE2xxx`` shapes, ``FFE3xxx`` energy
and couplings, ``FFE4xxx`` relaxation and gradients, ``FFE5xxx`` training, ``FFE6xxx`` size,
``FFEWxxx`` warnings. A code is never given a second meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

CODES: Mapping[str, str] = MappingProxyType(
    {
        "FFE0001": "unexpected text",
        "FFE0002": "unexpected character",
        "FFE0003": "unexpected end of the text",
        "FFE0004": "string not closed",
        "FFE0005": "brackets nested too deep",
        "FFE0006": "malformed number",
        "FFE0007": "unknown version of the language",
        "FFE0008": "brace not closed",
        "FFE0009": "brace that closes nothing",
        "FFE0010": "newer than the version of the text",
        "FFE1001": "unknown value name",
        "FFE1002": "unknown port",
        "FFE1003": "name declared twice",
        "FFE1004": "reserved word as a name",
        "FFE1005": "unknown op, activation or other entry",
        "FFE1006": "unknown argument or key",
        "FFE1007": "missing argument or key",
        "FFE1008": "argument given twice or one too many",
        "FFE1009": "wrong type",
        "FFE1010": "value out of range",
        "FFE1011": "not a whole number",
        "FFE1012": "arithmetic fault",
        "FFE1013": "unknown template",
        "FFE1014": "missing statement",
        "FFE1015": "statement stated twice",
        "FFE1016": "param defined by itself",
        "FFE1017": "unknown type",
        "FFE1018": "unknown layer",
        "FFE1019": "unknown override",
        "FFE1020": "package that cannot be used",
        "FFE1021": "two packages with one name",
        "FFE1022": "override that changes nothing",
        "FFE1023": "arguments that do not go together",
        "FFE2001": "op does not take this shape",
        "FFE2002": "op does not fit its input",
        "FFE2003": "coupling does not fit its layer",
        "FFE2004": "drive does not fit its layer",
        "FFE2005": "not a shape",
        "FFE2006": "loss does not fit its target",
        "FFE3001": "one-way arrow between two layers",
        "FFE3002": "coupling to something that is no layer",
        "FFE3003": "op that a coupling cannot have",
        "FFE3004": "block without an energy",
        "FFE3005": "energy without a layer",
        "FFE3006": "block without an output",
        "FFE3007": "block without a drive",
        "FFE3008": "op that a drive cannot have",
        "FFE3009": "output that no drive reaches",
        "FFE3010": "setting of a connection that changes nothing",
        "FFE3011": "something that the block's energy cannot have",
        "FFE3012": "feedback that no energy has",
        "FFE3013": "weights that a coupling cannot have from another",
        "FFE3021": "converter of the wrong direction",
        "FFE3022": "unknown hardware",
        "FFE3023": "block that cannot be on this hardware",
        "FFE4001": "nudge=loss in an inner block",
        "FFE4002": "nudge=loss where the loss is not the block's alone",
        "FFE4003": "nudge=loss with an op that mixes samples or is random",
        "FFE4004": "wrong gradient",
        "FFE4005": "block that does not relax to a fixed point",
        "FFE4006": "gradient that cannot be judged for kinks",
        "FFE4007": "broken promise of a construct",
        "FFE4008": "something that can never learn",
        "FFE4009": "noise that a phase cannot have",
        "FFE4011": "complex phases of something that is not holomorphic",
        "FFE4021": "knob of a device without effect",
        "FFE5001": "loss of this target",
        "FFE5002": "data that do not fit the input",
        "FFE5003": "data that do not fit the target",
        "FFE5004": "path that leaves the data directory",
        "FFE5005": "parameter group that does not fit the model",
        "FFE5006": "loss that does not read the readout",
        "FFE5007": "early stopping by the test set",
        "FFE5008": "loss arguments that do not fit the target",
        "FFE5009": "mixed samples whose targets have no mixture",
        "FFE6001": "network larger than the budget",
        "FFE6002": "templates that expand to too much",
        "FFEW001": "no version line",
        "FFEW002": "value never used",
        "FFEW003": "map never used",
        "FFEW004": "template never used",
        "FFEW005": "block never used",
        "FFEW006": "layer that no drive reaches",
        "FFEW007": "layer that does not affect any output",
        "FFEW008": "max pooling that keeps a block from converging",
        "FFEW009": "states on a kink of their activation",
        "FFEW010": "gradient that training has is poor",
        "FFEW011": "EP where couplings derive from no energy",
        "FFEW012": "input never used",
        "FFEW015": "nudge beyond the series in beta",
        "FFEW016": "term that can outgrow its layer's potential",
        "FFEW017": "outputs that are held while a block learns",
        "FFEW018": "routing of phases that choose nothing",
        "FFEW021": "hardware, or its seed, never used",
    }
)


def page(code: str) -> str:
    """The page of ``code``, in Markdown. Raises KeyError for a code that there is not."""
    if code not in CODES:
        raise KeyError(code)
    file = files("ffebm_dsl.language.diagnostics").joinpath("explain", f"{code}.md")
    return file.read_text(encoding="utf-8")


def pointer(codes: list[str]) -> str:
    """Where to read more about what was reported, in one line."""
    known = sorted({code for code in codes if code in CODES})
    if not known:
        return ""
    if len(known) == 1:
        return f"`ffebm explain {known[0]}` says more"
    return f"`ffebm explain CODE` says more about each of {', '.join(known)}"
