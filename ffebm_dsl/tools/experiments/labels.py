"""Settings of a resolved spec by the keys of ``--set``, and labels written like a spec."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.language.ir.tools.dump import argument
from ffebm_dsl.language.ir.tools.notation import written, written_briefly
from ffebm_dsl.language.registry import PHASES, TABLES, TRAIN, Construct, Kind, Parameter

MODEL = "model"
"""The key of everything in a model that ``--set`` cannot change."""

_STATEMENTS = {
    "gradient": Parameter("gradient", Kind.CALL, "", table="gradients"),
    "init": Parameter("init", Kind.CALL, "", table="initialisers"),
}


class SpecSetting(NamedTuple):
    """A value that ``--set`` can change, with its key.

    ``key`` is without the block; ``block`` is ``""`` for the model and ``train``.
    """

    key: str
    block: str
    value: Any
    parameter: Parameter | None = None

    @property
    def is_call(self) -> bool:
        return isinstance(self.value, CallIR)

    def text(self, varying: Collection[str] = ()) -> str:
        """The value as a spec writes it; of a call, arguments that are ``varying`` keys too."""
        if self.parameter is None or not self.is_call:
            return written(self.value, self.parameter)
        head = f"{self.key}."
        also = [key.removeprefix(head) for key in varying if key.startswith(head)]
        return written_briefly(self.value, self.parameter.table, also=also)


def short(key: str) -> str:
    """The key of ``--set`` for a leaf of the resolved spec: ``optimizer.lr``, ``gradient.beta``.

    ``model`` for a part of the model that ``--set`` cannot change.
    """
    head, *words = key.split(".")
    if head == MODEL:
        inner = words[2:] if words[0] == "stages" else words
        if inner[:1] and inner[0] in PHASES:
            words = ["relax", *inner]
        elif inner[:1] and inner[0] in _STATEMENTS:
            words = inner
        else:
            return MODEL
    elif head not in ("train", "parameters"):
        words = [head, *words]
    if len(words) > 1 and words[-1] == "name" and head in (MODEL, "train"):
        words = words[:-1]
    return ".".join(word for word in words if word != "arguments")


def user_key(key: str, specs: Iterable[Mapping[str, Any]]) -> str:
    """``short``, but ``model`` for a setting of a block that is not a block in all specs.

    ``specs`` are the leaves of the specs by their keys.
    """
    words = key.split(".")
    if words[:2] == [MODEL, "stages"]:
        kind = ".".join([*words[:3], "kind"])
        if any(leaves.get(kind) != "block" for leaves in specs):
            return MODEL
    return short(key)


def contains(key: str, name: str) -> bool:
    """Whether ``name`` is a part of a key: ``lr`` and ``optimizer`` of ``optimizer.lr``."""
    return f".{name}." in f".{key}."


def outermost(keys: Iterable[str]) -> list[str]:
    """The keys, each once, without those of an argument of another one."""
    found = dict.fromkeys(keys)
    return [k for k in found if not any(k.startswith(f"{other}.") for other in found)]


def settings(spec: Mapping[str, Any]) -> Iterator[SpecSetting]:
    """All that ``--set`` can change, in the order params, ``train``, model, blocks.

    ``spec`` is the resolved spec as plain data.
    """
    for name, value in spec.get("parameters", {}).items():
        yield SpecSetting(name, "", value)
    yield from _section(TRAIN, spec["train"])
    model = spec.get(MODEL, {})
    yield from _learning(model, "")
    for stage in model.get("stages", ()):
        if stage.get("kind") == "block":
            yield from _learning(stage, str(stage.get("name")))


def _learning(owner: Mapping[str, Any], block: str) -> Iterator[SpecSetting]:
    """How a block, or the model, relaxes and learns."""
    for phase, construct in PHASES.items():
        yield from _section(construct, owner.get(phase, {}), f"relax.{phase}.", block)
    for name, parameter in _STATEMENTS.items():
        if name in owner:
            yield from _values(name, block, owner[name], parameter)


def _section(
    construct: Construct, values: Mapping[str, Any], prefix: str = "", block: str = ""
) -> Iterator[SpecSetting]:
    for parameter in construct.parameters:
        if parameter.name in values:
            key = f"{prefix}{parameter.name}"
            yield from _values(key, block, values[parameter.name], parameter)


def _values(key: str, block: str, plain: Any, parameter: Parameter) -> Iterator[SpecSetting]:
    """A value, and the arguments of a call."""
    value = argument(plain)
    yield SpecSetting(key, block, value, parameter)
    construct = TABLES[parameter.table].get(value.name) if isinstance(value, CallIR) else None
    if construct is not None:
        yield from _section(construct, plain["arguments"], f"{key}.", block)


def varying(specs: Iterable[Sequence[SpecSetting]]) -> set[str]:
    """The keys that have several values in specs and blocks, where they have one."""
    texts: dict[str, set[str]] = {}
    for setting in chain.from_iterable(specs):
        texts.setdefault(setting.key, set()).add(setting.text())
    return {key for key, found in texts.items() if len(found) > 1}


def label(
    names: Sequence[str],
    known: Sequence[SpecSetting],
    overrides: Mapping[str, str],
    leaves: Mapping[str, Any],
    varying: Collection[str],
) -> str:
    """The values of ``names`` in one run: ``optimizer.lr=1e-3, gradient=ep(beta=0.2)``.

    The value of an override is written as it was given; others as in a spec. A block is named if
    its value is not that of the first block. The key of a single call is omitted: ``ep(beta=0.2)``.

    Args:
        names: keys of ``--set`` or ends of them such as ``lr``, or keys of ``leaves``.
        known: the settings of the run's spec.
        overrides: what ``--set`` gave.
        leaves: single values by their keys: those of the spec, and what is recorded beside it.
        varying: the keys of ``known`` that have several values in the runs to be told apart.
    """
    parts: list[tuple[str, str]] = []
    call = ""
    for name in names:
        found = _settings_of(name, known, varying)
        if len(names) == 1 and len({setting.key for setting in found}) == 1 and found[0].is_call:
            call = f"{name}="
        given = [key for key in overrides if contains(key, name) or contains(name, key)]
        # `lr` means `optimizer.lr` if there is no other one.
        alone = len(given) == 1 and [(s.block, s.key) for s in found] == [("", given[0])]
        if given == [name] or alone:
            parts.append((name, overrides[given[0]]))
        elif found:
            parts += _by_block(name, found, varying)
        else:
            parts.append((name, str(leaves.get("model.name" if name == MODEL else name, "none"))))
    return ", ".join(f"{key}={text}" for key, text in parts).removeprefix(call)


def _settings_of(
    name: str, known: Sequence[SpecSetting], varying: Collection[str]
) -> Sequence[SpecSetting]:
    """The settings that ``name`` is the end of; if they are several, or none, what varies."""
    ends = [s for s in known if f".{s.block}.{s.key}".endswith(f".{name}")]
    if len({setting.key for setting in ends}) == 1:
        return ends
    return [
        s for s in known if s.key in outermost(varying) and contains(f"{s.block}.{s.key}", name)
    ]


def _by_block(
    name: str, found: Sequence[SpecSetting], varying: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Key and text, of the first block and of the blocks that differ from it."""
    keys = dict.fromkeys(setting.key for setting in found)
    for key in keys:
        first, *others = [setting for setting in found if setting.key == key]
        text = first.text(varying)
        yield (name if len(keys) == 1 else key), text
        for other in others:
            if other.text(varying) != text:
                yield f"{other.block}.{key}", other.text(varying)
