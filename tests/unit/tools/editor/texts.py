"""A text with every construct, and positions in it."""

from __future__ import annotations

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.tools.editor.analysis import Analysis, analyse

TEXT = """ffe 1.0
## A heading: not of the param.

## Channels.
param width: int = 4 in [4, 8]

template dense(src: port, size: int) {
  feedforward u = src |> flatten() |> linear(size)
  energy hopfield { layer t1: [size] hard_sigmoid  u -> t1 }
  out = t1
  out skip = t1
}

model m {
  input  x: image(1, 8, 8)
  target y: label(3)
  relax free { sweeps = 10  routing = frozen(after=5) }
  gradient ep(estimator=centered)
  block b1 {
    feedforward u = x |> conv2d(width, kernel=3, padding=1)
    energy hopfield {
      ## The first.
      layer s1: [width, 8, 8] hard_sigmoid
      layer s2: [8] tanh(0.5)
      u  ->  s1
      s1 <-> s2 : flatten() |> linear()
    }
    out = s2
  }
  block b2 = dense(b1, size=2 * width)
  readout logits = b2.skip |> linear(3)
  loss = cross_entropy(logits, y)
}
train {
  data = npz("a.npz", augment=[crop(padding=2)])
  optimizer = adam(lr=1e-3)
  epochs = 2
}
"""


def at(text: str) -> tuple[Analysis, int]:
    """``text`` without the mark ``|!``, and where that stood."""
    offset = text.index("|!")
    return analyse(SourceFile("a.ffe", text.replace("|!", ""))), offset


def changed(old: str, new: str) -> tuple[Analysis, int]:
    """:data:`TEXT` with its first ``old`` replaced by ``new``, which holds the mark."""
    assert old in TEXT
    return at(TEXT.replace(old, new, 1))
