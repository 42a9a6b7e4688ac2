"""A SpecIR as plain data: what golden tests compare and run records keep."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any

from ffebm_dsl.language.ir.model import BlockIR, FeedforwardIR, SpecIR

_STAGES = {BlockIR: "block", FeedforwardIR: "feedforward"}


def to_json_dict(spec: SpecIR) -> dict[str, Any]:
    """Dicts, lists, strings, numbers, truth values and None, in the order of the IR's fields.

    A stage says by ``kind`` which of the two it is. ``packages`` is there where the spec uses
    one. Equal specs give equal dicts.
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
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return value
