"""A SpecIR as plain data: what golden tests compare and run records keep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from ffebm_dsl.language.ir.model import BlockIR, CouplingIR, DriveIR, FeedforwardIR, SpecIR
from ffebm_dsl.language.ir.resolve.bind import changed
from ffebm_dsl.language.registry import CONNECTIONS

CONNECTION_OF: Mapping[type, str] = {CouplingIR: "coupling", DriveIR: "drive"}
"""The construct whose parameters the settings of a part are."""

_STAGES = {BlockIR: "block", FeedforwardIR: "feedforward"}


def to_json_dict(spec: SpecIR) -> dict[str, Any]:
    """Dicts, lists, strings, numbers, truth values and None, in the order of the IR's fields.

    A stage says by ``kind`` which of the two it is. ``packages`` is there where the spec uses
    one, ``settings`` of a coupling or drive where they are not all as by default. Equal specs
    give equal dicts.
    """
    data = _plain(spec)
    if not spec.packages:
        del data["packages"]
    for plain, stage in zip(data["model"]["stages"], spec.model.stages, strict=True):
        plain["kind"] = _STAGES[type(stage)]
    return dict(data)


def to_json(spec: SpecIR) -> str:
    """:func:`to_json_dict` as indented JSON text."""
    return json.dumps(to_json_dict(spec), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


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
