"""Every kind of difference between two networks is found, alone and in both directions."""

from __future__ import annotations

import pytest

from ffebm_dsl import SourceFile, compile_spec
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.tools.comparison.align import align
from ffebm_dsl.tools.comparison.layer_chain import chain_of
from ffebm_dsl.tools.comparison.spec_comparison import SpecComparison, Verdict, compare

HEAD = """ffe 1.0
model m {
  input  x: image(3, 8, 8)
  target y: label(4)
  relax free { sweeps = 30 }
"""
ONE = """
  block b {
    feedforward u = x |> conv2d(4, kernel=3, padding=1) |> max_pool2d(2)
    energy hopfield {
      layer s1: [4, 4, 4] hard_sigmoid
      layer s2: [6, 4, 4] hard_sigmoid
      layer s3: [5]       identity
      u  ->  s1
      s1 <-> s2 : conv2d(kernel=3, padding=1)
      s2 <-> s3 : flatten |> linear
    }
    out = s3
  }
  readout logits = b |> linear(4)
"""
TWO = """
  block first {
    feedforward d = x |> conv2d(4, kernel=3, padding=1) |> max_pool2d(2)
    energy hopfield {
      layer a1: [4, 4, 4] hard_sigmoid
      d -> a1
    }
    out = a1
  }
  block second {
    feedforward d = first |> conv2d(6, kernel=3, padding=1)
    energy hopfield {
      layer a1: [6, 4, 4] hard_sigmoid
      layer a2: [5]       identity
      d  ->  a1
      a1 <-> a2 : flatten |> linear
    }
    out = a2
  }
  readout logits = second |> linear(4)
"""
DIGITAL = """
  feedforward h = x |> conv2d(4, kernel=3, padding=1) |> max_pool2d(2) |> hard_sigmoid
  feedforward g = h |> conv2d(6, kernel=3, padding=1)
  block b {
    energy hopfield {
      layer s1: [6, 4, 4] hard_sigmoid
      layer s2: [5]       identity
      g  ->  s1
      s1 <-> s2 : flatten |> linear
    }
    out = s2
  }
  readout logits = b |> linear(4)
"""
LOSS = "  loss = cross_entropy(logits, y)\n}\n"


def spec(body: str = ONE, head: str = HEAD, loss: str = LOSS, train: str = "") -> SpecIR:
    return compile_spec(SourceFile("m.ffe", head + body + loss + train)).spec


def both_ways(a: SpecIR, b: SpecIR) -> SpecComparison:
    """A compared with B, after making sure that B compared with A says the same."""
    there, back = compare(a, b), compare(b, a)
    assert there.verdict is back.verdict
    assert [(d.what, d.a, d.b) for d in there.network] == [(d.what, d.b, d.a) for d in back.network]
    return there


@pytest.mark.parametrize("body", [ONE, TWO, DIGITAL])
def test_a_network_is_itself(body: str) -> None:
    found = compare(spec(body), spec(body))
    assert found.verdict is Verdict.SAME
    assert (found.network, found.settings, found.training) == ((), (), ())


@pytest.mark.parametrize("other", [TWO, DIGITAL])
def test_blocks_may_end_anywhere(other: str) -> None:
    found = both_ways(spec(), spec(other))
    assert found.verdict is Verdict.SPLIT and found.verdict.same
    assert len(found.aligned) == 4


CHANGES = [
    ("conv2d(4, kernel=3", "conv2d(4, kernel=5", "kernel", 1),
    ("|> max_pool2d(2)", "|> avg_pool2d(2)", "pooling", 1),
    ("|> max_pool2d(2)", "|> max_pool2d(2) |> batch_norm2d", "normalisation", 1),
    ("|> max_pool2d(2)", "|> max_pool2d(2) |> dropout", "op", 1),
    ("conv2d(4, kernel=3, padding=1)", "conv2d(4, kernel=3, padding=1, bias=false)", "bias", 1),
    ("s2: [6, 4, 4] hard_sigmoid", "s2: [6, 4, 4] tanh", "activation", 2),
    ("s2: [6, 4, 4] hard_sigmoid", "s2: [6, 4, 4] hard_sigmoid(0.5)", "activation", 2),
    ("s2: [6, 4, 4]", "s2: [7, 4, 4]", "channels", 2),
    ("s3: [5]      ", "s3: [9]      ", "features", 3),
    ("s1 <-> s2 : conv2d(kernel=3, padding=1)", "s1 <-> s2 : conv2d(kernel=1)", "kernel", 2),
    ("s1 <-> s2 : conv2d", "s2 <-> s2 : conv2d(kernel=1)\n s1 <-> s2 : conv2d", "connection", 2),
    ("s1 <-> s2 : conv2d(", "s2 <-> s1 : conv2d(", "direction", 2),
    ("= b |> linear(4)", "= b |> linear(4, bias=false)", "bias", 4),
]


@pytest.mark.parametrize(("old", "new", "what", "layer"), CHANGES)
def test_one_change_is_one_difference(old: str, new: str, what: str, layer: int) -> None:
    assert old in ONE
    changed = ONE.replace(old, new)
    if "kernel=5" in new:
        changed = changed.replace("kernel=5, padding=1", "kernel=5, padding=2")
    network = both_ways(spec(), spec(changed)).network
    whats = [d.what for d in network if d.what not in ("padding", "channels")]
    assert what in {d.what for d in network}
    assert whats in ([what], []), "what follows from a change is no difference of its own"
    assert {d.a.layer for d in network} == {layer}
    assert both_ways(spec(TWO), spec(changed)).verdict is not Verdict.SPLIT


def test_a_layer_more_is_a_layer_and_the_others_stay() -> None:
    longer = ONE.replace("layer s3", "layer t: [6, 4, 4] hard_sigmoid\n      layer s3").replace(
        "s2 <-> s3", "s2 <-> t : conv2d(kernel=3, padding=1)\n      t <-> s3"
    )
    for other in (ONE, TWO):
        found = both_ways(spec(other), spec(longer))
        assert [d.what for d in found.network] == ["layer"]
        assert (found.network[0].a.has, found.network[0].b.layer) == ("none", 3)


def test_the_ends_of_the_model_count() -> None:
    head = HEAD.replace("image(3, 8, 8)", "image(1, 8, 8)")
    assert [d.what for d in both_ways(spec(), spec(head=head)).network] == ["input"]
    loss = LOSS.replace("cross_entropy", "mse")
    assert [d.what for d in both_ways(spec(), spec(loss=loss)).network] == ["loss"]


def test_ops_that_do_nothing_are_nothing() -> None:
    idle = ONE.replace("|> max_pool2d(2)", "|> identity |> max_pool2d(2) |> avg_pool2d(1)")
    idle = idle.replace("= b |>", "= b |> flatten |>")
    assert both_ways(spec(), spec(idle)).verdict is Verdict.SAME


def test_a_norm_and_an_end_at_a_boundary_are_told_from_other_layers() -> None:
    bound = TWO.replace("6, kernel=3, padding=1)", "6, kernel=3, padding=1) |> batch_norm2d")
    bound = bound.replace("a1: [4, 4, 4] hard_sigmoid", "a1: [4, 4, 4] identity")
    found = both_ways(spec(), spec(bound))
    assert found.verdict is Verdict.BOUNDARIES and not found.verdict.same
    assert {d.what for d in found.network} == {"normalisation", "activation"}
    inside = ONE.replace("s2: [6, 4, 4] hard_sigmoid", "s2: [6, 4, 4] tanh")
    assert compare(spec(), spec(inside)).verdict is Verdict.DIFFERENT


SKIP = """
  feedforward stem = x |> conv2d(4, kernel=3, padding=1)
  block b {
    feedforward u = stem |> conv2d(4, kernel=3, padding=1)
    energy hopfield {
      layer s1: [4, 8, 8] hard_sigmoid
      layer s2: [4, 8, 8] identity
      u -> s1
      stem -> s2
      s1 <-> s2 : conv2d(kernel=3, padding=1)
    }
    out = s2
  }
  readout logits = b |> flatten |> linear(4)
"""


def test_a_skip_is_an_edge_and_its_source_exists_once() -> None:
    chain = chain_of(spec(SKIP).model)
    assert [[edge.source for edge in layer.edges] for layer in chain] == [[0], [1], [1, 2], [3]]
    without = SKIP.replace("      stem -> s2\n", "")
    (lost,) = both_ways(spec(SKIP), spec(without)).network
    assert (lost.what, lost.a.has, lost.b.has) == ("connection", "from layer 1: as it is", "none")


def test_a_second_drive_is_an_edge() -> None:
    more = ONE.replace(
        "    energy", "    feedforward v = x |> conv2d(4, kernel=2, stride=2)\n    energy"
    ).replace("u  ->  s1", "u  ->  s1\n v -> s1")
    (found,) = both_ways(spec(), spec(more)).network
    assert (found.what, found.a.layer) == ("connection", 1)
    assert found.b.has == "from the input: conv2d(4, kernel=2, stride=2)"


def test_settings_and_training_do_not_decide() -> None:
    train = 'train { data = npz("a.npz", batch=%d) optimizer = %s epochs = 2 }'
    a = spec(train=train % (8, "sgd(lr=0.1)"))
    b = spec(
        ONE.replace("out = s3", "out = s3\n relax nudged { sweeps = 7 }\n init normal(std=0.1)"),
        head=HEAD + "gradient ep(beta=0.1, nudge=loss)",
        train=train % (4, "adam"),
    )
    found = compare(a, b)
    assert found.verdict is Verdict.SAME
    assert {setting.key for setting in found.settings} == {
        "relax nudged sweeps", "gradient.beta", "gradient.nudge of the last block", "init"
    }  # fmt: skip
    assert {setting.key for setting in found.training} == {"data.batch", "optimizer"}
    assert [s.key for s in compare(a, spec()).training] == ["train"]


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (
            "conv2d(4, kernel=3",
            "conv2d(4, init=zeros, kernel=3",
            [("init of layer 1 (b.u -> s1)", "inherited", "zeros")],
        ),
        (
            "s1 <-> s2 : conv2d(",
            "s1 <-> s2 : conv2d(gain=0.5, init=normal(std=0.1), ",
            [
                ("gain of layer 2 (b: s1 <-> s2)", "1.0", "0.5"),
                ("init of layer 2 (b: s1 <-> s2)", "inherited", "normal(std=0.1)"),
            ],
        ),
        (
            "= b |> linear(4)",
            "= b |> linear(4, gain=2)",
            [("gain of layer 4 (readout)", "1.0", "2.0")],
        ),
    ],
)
def test_how_weights_are_drawn_is_a_setting(
    old: str, new: str, changes: list[tuple[str, str, str]]
) -> None:
    assert old in ONE
    changed = spec(ONE.replace(old, new))
    found = both_ways(spec(), changed)
    assert found.verdict is Verdict.SAME and found.network == ()
    assert [(s.key, s.a, s.b) for s in found.settings] == changes
    split = both_ways(spec(TWO), changed)
    assert split.verdict is Verdict.SPLIT and len(split.settings) == len(changes)


def test_a_setting_of_some_blocks_names_them() -> None:
    changed = TWO.replace("out = a2", "out = a2\n relax free { sweeps = 9 }")
    (setting,) = compare(spec(TWO), spec(changed)).settings
    assert (setting.a, setting.b, setting.blocks) == ("30", "9", (("second", "second"),))


def test_alignment_is_the_cheapest() -> None:
    def cost(x: str, y: str) -> float:
        return 0.0 if x == y else 2.5

    assert align("abcd", "acd", cost, 1.0) == [("a", "a"), ("b", None), ("c", "c"), ("d", "d")]
    assert align("", "ab", cost, 1.0) == [(None, "a"), (None, "b")]
    assert align("a", "b", cost, 1.0) != [("a", "b")]
    assert align("a", "b", cost, 2.0) == [("a", "b")]
