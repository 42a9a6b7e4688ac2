"""What is said of keywords and arrows, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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
