"""The JSON Schema of the interchange format, from the registries and the IR's classes.

Whatever the IR or a registry gains appears here by itself; a field of a type that is not
known here makes :func:`make_schema` fail. The schema is kept in ``grammar/ffe.schema.json``;
a test holds it current.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from importlib.resources import files
from typing import Any, get_args, get_origin, get_type_hints

from ffebm_dsl.language.ir import model as ir
from ffebm_dsl.language.ir.tools.dump import STAGES
from ffebm_dsl.language.registry import (
    CONNECTIONS,
    HARDWARE,
    LOSSES,
    PHASES,
    TABLES,
    TRAIN,
    Bounds,
    Construct,
    Kind,
    Parameter,
)
from ffebm_dsl.language.syntax import RESERVED, VERSIONS

Schema = dict[str, Any]

FILE = "ffe.schema.json"
"""In ``ffebm_dsl.grammar``."""

_IDENT = "[A-Za-z_][A-Za-z0-9_]*"
_LARGEST = 2**31 - 1


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _name(*allowed: str) -> Schema:
    """A name; of the words of the language only those ``allowed``."""
    taken = sorted(RESERVED - set(allowed))
    return {"type": "string", "pattern": f"^{_IDENT}$", "not": {"enum": taken}}


_PORT: Schema = {"type": "string", "pattern": rf"^{_IDENT}(\.{_IDENT})?$"}
_PART: Schema = {"type": "string", "pattern": rf"^{_IDENT}(\.{_IDENT})*$"}

_FIELDS: Mapping[tuple[type, str], Schema] = {
    (ir.SpecIR, "version"): {"enum": list(VERSIONS)},
    (ir.PackageIR, "name"): {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$"},
    (ir.PackageIR, "least"): {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)*$"},
    (ir.InputIR, "kind"): _ref("inputs"),
    (ir.TargetIR, "kind"): _ref("targets"),
    (ir.ModelIR, "stages"): {"type": "array", "items": _ref("stage"), "minItems": 1},
    (ir.ModelIR, "losses"): {"type": "array", "items": _ref("LossIR"), "minItems": 1},
    # As a feedforward map's name: a network without a readout has one of that reserved name.
    (ir.LossIR, "readout"): _name("readout"),
    (ir.LossIR, "weight"): {"type": "number", "minimum": 0},
    (ir.LossIR, "call"): _ref("losses"),
    (ir.ModelIR, "init"): _ref("initialisers"),
    # A network without a readout has one of that reserved name.
    (ir.FeedforwardIR, "name"): _name("readout"),
    (ir.FeedforwardIR, "source"): _PORT,
    (ir.SpecIR, "hardware"): {"type": "array", "items": _ref("hardware")},
    (ir.BlockIR, "energy"): _ref("energies"),
    (ir.BlockIR, "hardware"): {"type": "string", "pattern": f"^{_IDENT}$"},
    (ir.BlockIR, "gradient"): _ref("gradients"),
    (ir.BlockIR, "init"): _ref("initialisers"),
    **{(ir.BlockIR, phase): _ref(phase) for phase in PHASES},
    (ir.LayerIR, "activation"): _ref("activations"),
    (ir.DriveIR, "source"): _PORT,
    (ir.DriveIR, "settings"): _ref("drive"),
    (ir.CouplingIR, "settings"): _ref("coupling"),
    (ir.TermIR, "call"): _ref("terms"),
    (ir.OutputIR, "name"): _name("out"),
}
"""Schemas of fields whose type does not determine them."""

_LEFT_OUT = {(ir.SpecIR, "parameters"), (ir.PackageIR, "version")}
"""Params are resolved away, and which version is installed is no part of a network."""

_OPTIONAL = {
    (ir.SpecIR, "packages"),
    (ir.SpecIR, "hardware"),
    (ir.DriveIR, "settings"),
    (ir.CouplingIR, "settings"),
}


def schema_text() -> str:
    """The schema as it is kept beside the grammar."""
    return files("ffebm_dsl.grammar").joinpath(FILE).read_text(encoding="utf-8")


def make_schema_text() -> str:
    """The text of the schema's file, from the registries."""
    return json.dumps(make_schema(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def make_schema(packages: Collection[str] = ()) -> Schema:
    """The schema of an interchange document, JSON Schema 2020-12.

    ``packages`` are those whose constructs it admits beside ffebm's own; they are loaded.
    """
    tables = {name: table.visible(packages) for name, table in TABLES.items()}
    records = (
        *(ir.FeedforwardIR, ir.BlockIR, ir.LayerIR, ir.CouplingIR, ir.DriveIR, ir.TermIR),
        ir.OutputIR,
        *(ir.PackageIR, ir.InputIR, ir.TargetIR, ir.LossIR, ir.ModelIR, ir.TrainIR),
    )
    defs: Schema = {record.__name__: _record(record) for record in records}
    for kind, record in STAGES.items():
        defs[kind] = _closed({**defs[record.__name__]["properties"], "kind": {"const": kind}})
    defs["stage"] = {
        "type": "object",
        "properties": {"kind": {"enum": list(STAGES)}},
        "required": ["kind"],
        "allOf": [_if("kind", kind, _ref(kind)) for kind in STAGES],
    }
    defs |= {phase: _relax(signature) for phase, signature in PHASES.items()}
    # What is not stated has its default.
    defs |= {name: {**_arguments(c), "required": []} for name, c in CONNECTIONS.items()}
    defs |= {name: _entries(name, tables[name].values()) for name in _called_tables(tables)}
    defs["op"] = _entries("ops", tables["ops"].values(), _shapes())
    losses = [replace(loss, parameters=loss.settings) for loss in LOSSES.visible(packages).values()]
    defs["losses"] = _entries("losses", losses)
    named = {"type": "string", "pattern": f"^{_IDENT}$", "not": {"const": ir.IDEAL}}
    defs["hardware"] = _closed({"name": named, "arguments": _arguments(HARDWARE)})
    defs |= {name: {"enum": list(tables[name])} for name in ("energies", "inputs", "targets")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A resolved ffe spec",
        "description": "The network that an .ffe text means: params and templates resolved, "
        "every default filled in, every shape known.",
        **_record(ir.SpecIR),
        "$defs": dict(sorted(defs.items())),
    }


def _closed(properties: Mapping[str, Schema]) -> Schema:
    """An object with exactly these properties."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _record(record: type) -> Schema:
    assert is_dataclass(record)
    hints = get_type_hints(record)
    schema = _closed(
        {
            field.name: _field(record, field.name, hints[field.name])
            for field in fields(record)
            if (record, field.name) not in _LEFT_OUT
        }
    )
    needed = [name for name in schema["required"] if (record, name) not in _OPTIONAL]
    return {**schema, "required": needed}


def _field(record: type, name: str, hint: Any) -> Schema:
    if record is ir.TrainIR:
        return _value(TRAIN.parameter(name))
    stated = _FIELDS.get((record, name))
    return dict(stated) if stated is not None else _typed(hint)


def _typed(hint: Any) -> Schema:
    if hint is ir.OpIR:
        return _ref("op")
    if isinstance(hint, type) and is_dataclass(hint):
        return _ref(hint.__name__)
    if hint is str:
        return _name()
    if hint is int:
        return _integer(Bounds(low=1))
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _typed(get_args(hint)[0])}
    if get_origin(hint) is types.UnionType and types.NoneType in get_args(hint):
        (record,) = (kind for kind in get_args(hint) if kind is not types.NoneType)
        return {"if": {"not": {"type": "null"}}, "then": _typed(record)}
    raise AssertionError(f"the schema knows no type {hint!r}")


def _shapes() -> Schema:
    shape = {"type": "array", "items": _integer(Bounds(low=1)), "minItems": 1, "maxItems": 3}
    return {"in_shape": shape, "out_shape": shape}


def _relax(phase: Construct) -> Schema:
    """A phase; a nudged one starts at the free state."""
    start = {"start": {"const": "free state"}}
    stated = start | {parameter.name: _value(parameter) for parameter in phase.parameters}
    return _closed({field.name: stated[field.name] for field in fields(ir.RelaxIR)})


def _called_tables(tables: Mapping[str, Mapping[str, Construct]]) -> list[str]:
    """The tables of all calls in a document, those inside of calls too."""
    signatures = [TRAIN, HARDWARE, *(s for table in tables.values() for s in table.values())]
    inside = {p.table for signature in signatures for p in signature.parameters if p.table}
    return sorted({"activations", "gradients", "initialisers", "terms"} | inside)


def _entries(table: str, signatures: Iterable[Construct], more: Schema | None = None) -> Schema:
    """A call of one of these entries: its name, and all of that entry's arguments."""
    known = list(signatures)
    properties = {
        "name": {"enum": [signature.name for signature in known]},
        "arguments": {"type": "object"},
        **(more or {}),
    }
    cases = [
        _if("name", signature.name, {"properties": {"arguments": _arguments(signature)}})
        for signature in known
    ]
    return {"title": f"one {TABLES[table].noun}", **_closed(properties), "allOf": cases}


def _if(key: str, value: str, then: Schema) -> Schema:
    return {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": then}


def _arguments(signature: Construct) -> Schema:
    return _closed({parameter.name: _value(parameter) for parameter in signature.parameters})


def _value(parameter: Parameter) -> Schema:
    """The values of a parameter, with its documentation."""
    value: Schema
    match parameter.kind:
        case Kind.INT:
            value = _integer(parameter.bounds)
        case Kind.PAIR:
            item = _integer(parameter.bounds)
            both = {"type": "array", "items": item, "minItems": 2, "maxItems": 2}
            value = {"anyOf": [item, {**both, "description": "one for rows, one for columns"}]}
        case Kind.REAL:
            value = {"type": "number", **_limits(parameter.bounds)}
        case Kind.BOOL:
            value = {"type": "boolean"}
        case Kind.STRING:
            value = {"type": "string", "pattern": '^[^"\\n]*$'}
        case Kind.CHOICE:
            value = {"enum": list(parameter.choices)}
        case Kind.REALS:
            item = {"type": "number", **_limits(parameter.bounds)}
            value = {"type": "array", "items": item, "minItems": 1}
        case Kind.CALL:
            value = _ref(parameter.table)
        case Kind.CALLS:
            value = {"type": "array", "items": _ref(parameter.table)}
        case Kind.PORT:
            value = dict(_PORT)
        case Kind.PART:
            value = dict(_PART)
    if parameter.choices and parameter.kind is not Kind.CHOICE:
        value = {"anyOf": [value, {"enum": list(parameter.choices)}]}
    return {**value, "description": parameter.doc}


def _integer(bounds: Bounds) -> Schema:
    return {"type": "integer", "minimum": -_LARGEST, "maximum": _LARGEST, **_limits(bounds)}


def _limits(bounds: Bounds) -> Schema:
    limits: Schema = {}
    if bounds.low > -math.inf:
        limits["exclusiveMinimum" if bounds.open_low else "minimum"] = bounds.low
    if bounds.high < math.inf:
        limits["exclusiveMaximum" if bounds.open_high else "maximum"] = bounds.high
    if bounds.nonzero:
        limits["not"] = {"const": 0}
    return limits
