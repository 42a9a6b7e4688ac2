"""What is said of keywords and registry entries, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ffebm_dsl.language.registry import Construct, Parameter, describe_default

KEYWORD_DOCS: Mapping[str, str] = MappingProxyType(
    {
        "ffe": "The version of the language: the first line of a text.",
        "use": "A package whose constructs the text names: `use mylab >= 0.2`.",
        "param": "A value that `--set` can change: `param width: int = 16 in [8, 16]`.",
        "in": "The values that a `param` may have.",
        "template": "A block with arguments, for use by `block b = name(...)`.",
        "model": "The network: input, target, maps, blocks, readout, loss.",
        "input": "What the network sees: `input x: image(1, 8, 8)`.",
        "target": "What it is to predict: `target y: label(10)`. Only the loss reads it.",
        "readout": "The digital map at the end: `readout logits = b |> linear(10)`.",
        "loss": "What training makes small: `loss = cross_entropy(logits, y)`.",
        "block": "An energy block, with the feedforward maps that drive it.",
        "feedforward": "A digital map, trained by backpropagation: `feedforward u = x |> relu`.",
        "relax": "How a phase relaxes; what the model states, blocks inherit key by key.",
        "gradient": "How blocks get their gradients: `gradient ep(beta=0.2)`.",
        "init": "How weights are drawn.",
        "out": "A layer that the block hands on: `out = s2`, or `out name = s1`.",
        "energy": "Layers, drives and couplings, which relax to a minimum of the energy.",
        "layer": "A layer with its shape and activation: `layer s1: [64] hard_sigmoid`.",
        "train": "How the network is trained: data, optimizer, epochs.",
        "true": "The truth value.",
        "false": "The truth value.",
    }
)
"""A line for every keyword; a test checks that none is missing."""

ARROW_DOCS: Mapping[str, str] = MappingProxyType(
    {
        "->": "A drive: the port on the left pushes the layer on the right, one way.",
        "<->": "A symmetric coupling: one weight that acts both ways between two layers.",
        "|>": "Hands the result on the left to the op on the right.",
    }
)


def written(signature: Construct) -> str:
    """The entry as it would be called, with its defaults: ``conv2d(out_channels, kernel, ...)``."""
    arguments = [
        p.name if p.required else f"{p.name}={describe_default(p) or '...'}"
        for p in signature.parameters
    ]
    return f"{signature.name}({', '.join(arguments)})" if arguments else signature.name


def describe(signature: Construct) -> str:
    """An entry: how it is written, what it is, and each of its arguments."""
    lines = [f"```ffe\n{written(signature)}\n```", signature.doc]
    listed = [f"- {describe_parameter(p)}" for p in signature.parameters]
    return "\n\n".join([*lines, "\n".join(listed)]).strip()


def describe_parameter(parameter: Parameter) -> str:
    """An argument or key in one line: name, type, meaning, range, default."""
    kind = " | ".join(parameter.choices) or str(parameter.kind)
    facts = [f"`{parameter.name}`: {kind}", parameter.doc, str(parameter.bounds)]
    default = describe_default(parameter)
    facts.append("required" if parameter.required else f"default `{default}`" if default else "")
    return "; ".join(fact for fact in facts if fact)
