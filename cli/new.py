"""``ffebm new``: a commented spec to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ffebm_dsl.cli.specs import write_new
from ffebm_dsl.language.diagnostics import InputError


def new(
    name: Annotated[Path, typer.Argument(help="Name of the model, or path of the new file.")],
    blocks: Annotated[int, typer.Option(min=1, max=16, help="Number of energy blocks.")] = 2,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented spec to start from.

    It passes `ffebm check` and trains on handwritten digits.
    """
    model = model_name(name)
    path = name if name.suffix == ".ffe" else name.with_name(f"{name.name}.ffe")
    write_new(path, starter(model, blocks), force=force)


def model_name(path: Path) -> str:
    """The file's name as the name of a model: other characters become ``_``.

    Raises InputError where that gives none.
    """
    from ffebm_dsl.language.syntax import RESERVED

    stem = path.name.removesuffix(".ffe")
    word = "".join(c if c.isascii() and c.isalnum() else "_" for c in stem)
    if not word.strip("_") or word[0].isdigit() or word in RESERVED:
        help = "begin with a letter, and use none of the words of the language"
        raise InputError(f"`{stem}` cannot be the name of a model", help=help)
    return word


def starter(name: str, blocks: int) -> str:
    """The text of the starter, in canonical layout."""
    from ffebm_dsl.language.diagnostics import SourceFile
    from ffebm_dsl.language.syntax import format_source

    chain = "\n".join(_block(i, blocks) for i in range(1, blocks + 1))
    text = _HEAD.format(name=name) + chain + _TAIL.format(last=blocks)
    return format_source(SourceFile(f"{name}.ffe", text))


_HEAD = """ffe 1.1
## {name}: energy blocks in a chain, trained by equilibrium propagation.
##
## ffebm check --static FILE    is the text right?
## ffebm check FILE             are the gradients right?
## ffebm train FILE             ffebm train FILE --set width=32

param width: int = 64 in [32, 64, 128]  # units of every layer

model {name} {{
  input  x: image(1, 8, 8)  # one sample: 1 channel of 8 x 8 pixels
  target y: label(10)       # a class from 0 to 9

  # A block first relaxes freely, then nudged towards less loss; the difference is its gradient.
  relax free   {{ sweeps = 30  tolerance = 1e-4 }}
  relax nudged {{ sweeps = 10 }}
  gradient ep(beta=0.2, estimator=centered)

"""

_BLOCK = """  block b{i} {{
{about}    feedforward u = {source} |> linear(width)
{energy}    energy hopfield {{
      layer s1: [width] hard_sigmoid(0.5)
      layer s2: [width] hard_sigmoid(0.5)
      u  ->  s1{drive}
      s1 <-> s2 : linear(){coupling}
    }}
    out = s2{out}
  }}
"""


def _block(i: int, blocks: int) -> str:
    first = i == 1
    return _BLOCK.format(
        i=i,
        source="x |> flatten()" if first else f"b{i - 1}",
        about="    # Digital: runs once per step, trained by backpropagation.\n" if first else "",
        energy="    # Analog: relaxes to a minimum of its energy.\n" if first else "",
        drive="  # one way: the map drives the layer" if first else "",
        coupling="  # both ways: one weight, seen from either end" if first else "",
        out="  # what the next block reads as b1" if first and blocks > 1 else "",
    )


_TAIL = """
  readout logits = b{last} |> linear(10)
  loss = cross_entropy(logits, y)
}}

train {{
  data      = digits(batch=32)
  optimizer = adam(lr=2e-3)
  epochs    = 10
}}
"""
