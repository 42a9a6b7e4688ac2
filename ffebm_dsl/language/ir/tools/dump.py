"""A SpecIR as plain data and back: what documents state and run records keep."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from ffebm_dsl.language.ir.model import BlockIR, CallIR, CouplingIR, DriveIR, FeedforwardIR, SpecIR
from ffebm_dsl.language.ir.resolve.bind import changed, fill_defaults
from ffebm_dsl.language.registry import CONNECTIONS

CONNECTION_OF: Mapping[type, str] = {CouplingIR: "coupling", DriveIR: "drive"}
"""The construct whose parameters the settings of a part are."""

STAGES: Mapping[str, type] = {"block": BlockIR, "feedforward": FeedforwardIR}
"""The class of each kind of stage."""

_hints = cache(get_type_hints)


def to_json_dict(spec: SpecIR) -> dict[str, Any]:
    """Dicts, lists, strings, numbers, truth values and None, in the order of the IR's fields.

    A stage says by ``kind`` which of the two it is. ``packages`` and ``hardware`` are there where
    the spec has some, ``settings`` of a coupling or drive where they are not all as by default.
    Equal specs give equal dicts.
    """
    data = _plain(spec)
    for part in ("packages", "hardware"):
        if not data[part]:
            del data[part]
    for plain, stage in zip(data["model"]["stages"], spec.model.stages, strict=True):
        plain["kind"] = next(kind for kind in STAGES if type(stage) is STAGES[kind])
    return dict(data)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        plain = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        kind = CONNECTION_OF.get(type(value))
        if kind:
            stated = changed(CONNECTIONS[kind], plain.pop("settings"))
            plain |= {"settings": stated} if stated else {}
        return plain
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return value


def leaves(data: Any, key: str = "") -> dict[str, Any]:
    """The single values of plain data, by dotted keys: ``model.stages.0.out``."""
    if isinstance(data, dict) and data:
        parts = [leaves(value, f"{key}.{k}" if key else str(k)) for k, value in data.items()]
    elif isinstance(data, list) and data:
        parts = [leaves(value, f"{key}.{i}") for i, value in enumerate(data)]
    else:
        return {key: data}
    return {k: value for part in parts for k, value in part.items()}


def from_json_dict(data: Mapping[str, Any]) -> SpecIR:
    """The SpecIR whose :func:`~ffebm_dsl.language.ir.tools.dump.to_json_dict` is ``data``.

    ``parameters``, ``hardware`` and ``packages`` may be missing, of a package the version that was
    found, and settings that are as by default. ``data`` must have the form that the interchange
    schema demands; what it says is taken as it is.
    """
    packages = [{"version": "", **package} for package in data.get("packages", ())]
    spec = _record(SpecIR, {"parameters": {}, "hardware": [], **data, "packages": packages})
    assert isinstance(spec, SpecIR)
    return spec


def _record(kind: type, data: Mapping[str, Any]) -> Any:
    hints = _hints(kind)
    if kind in CONNECTION_OF:
        stated = {k: argument(v) for k, v in data.get("settings", {}).items()}
        data = {**data, "settings": fill_defaults(CONNECTIONS[CONNECTION_OF[kind]], stated)}
    if issubclass(kind, CallIR):
        data = {**data, "arguments": {k: argument(v) for k, v in data["arguments"].items()}}
    assert is_dataclass(kind)
    return kind(**{f.name: _typed(hints[f.name], data[f.name]) for f in fields(kind)})


def _typed(hint: Any, value: Any) -> Any:
    if isinstance(hint, type) and is_dataclass(hint):
        return _record(hint, value)
    if get_origin(hint) is tuple:
        return tuple(_typed(get_args(hint)[0], entry) for entry in value)
    if get_origin(hint) is types.UnionType and isinstance(value, Mapping):
        return _record(_alternative(hint, value), value)
    return float(value) if hint is float else value


def _alternative(hint: Any, value: Mapping[str, Any]) -> Any:
    """Which class of a union a value is of: a stage says so by ``kind``."""
    if "kind" in value:
        return STAGES[value["kind"]]
    return next(kind for kind in get_args(hint) if kind is not types.NoneType)


def argument(value: Any) -> Any:
    """An argument of the IR from plain data: a list is a tuple, and a mapping a call."""
    if isinstance(value, list | tuple):
        return tuple(argument(entry) for entry in value)
    return _record(CallIR, value) if isinstance(value, dict) else value
