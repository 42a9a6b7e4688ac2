"""A document -> a compiled spec: its form by the schema, its meaning by the compiler.

What a schema cannot express (that shapes fit, that names are declared) is checked by compiling
the text of the same network. The result must equal the document, number for number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.diagnostics.fix import did_you_mean
from ffebm_dsl.language.interchange.document import Document
from ffebm_dsl.language.interchange.json_schema import Schema, make_schema, schema_text
from ffebm_dsl.language.ir import BUDGET, Budget, Compiled, compile_spec
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.language.ir.restate import (
    Contradiction,
    plain,
    pointer_to,
    require_consistent,
    restate,
    statements,
)
from ffebm_dsl.language.ir.tools.dump import from_json_dict
from ffebm_dsl.language.registry.packages import PackageError, use
from ffebm_dsl.language.registry.tables import normalised
from ffebm_dsl.language.syntax import format_source

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

MAX_FAULTS = 100
"""Faults of form that are looked at; 64 KiB can have 20,000, which take seconds to find."""


def to_plain(spec: SpecIR) -> dict[str, Any]:
    """The interchange form of a spec: its IR without the values of params.

    Raises:
        InputError: the IR contradicts itself, as an edited one may.
    """
    require_consistent(spec)
    data = plain(spec)
    # `kind` first, for readers of the file.
    stages = data["model"]["stages"]
    data["model"]["stages"] = [{"kind": stage.pop("kind"), **stage} for stage in stages]
    return data


def to_text(spec: SpecIR) -> str:
    """A canonical text that compiles to ``spec``, but for the values of params.

    Raises:
        InputError: the IR contradicts itself, as an edited one may.
    """
    require_consistent(spec)
    lines = "\n".join(statement.text for statement in statements(spec))
    return format_source(SourceFile("spec", lines))


def compile_document(
    document: Document,
    overrides: Mapping[str, str] | None = None,
    budget: Budget | None = BUDGET,
) -> Compiled:
    """The spec that ``document`` states; its ``source`` is that spec as text.

    A network over the ``budget`` is an error; None allows any size.

    Raises:
        InputError: with line and JSON pointer: the form is not that of the schema, the
            network is none that compiles, or something stated follows to be otherwise.
        SpecError: a value of ``overrides`` is wrong.
    """
    check_form(document)
    spec = from_json_dict(document.data)
    try:
        restate(spec, budget)
    except Contradiction as wrong:
        raise document.fault(wrong.pointer, wrong.message, wrong.help) from None
    text = format_source(SourceFile("spec", "\n".join(s.text for s in statements(spec))))
    source = SourceFile(f"{document.source.name} (as text)", text)
    return compile_spec(source, overrides, budget)


def check_form(document: Document) -> None:
    """Raise InputError with the first place where the document is not as the schema says.

    Only the :data:`MAX_FAULTS` faults that the validator finds first are compared.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    # To JSON Schema 3.0 is a whole number; to the language, which reads the values, it is a real.
    types = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    )
    validator = extend(Draft202012Validator, type_checker=types)  # type: ignore[no-untyped-call]
    found = validator(_schema(document)).iter_errors(document.data)
    faults = [_explain(error) for error in islice(found, MAX_FAULTS)]
    if faults:
        # In the order of the text; of a mapping, an unknown key before a missing one, for a
        # misspelt key is both.
        first = min(faults, key=lambda fault: (document.offset(fault.within), fault.missing))
        raise document.fault(first.pointer, first.message, first.help)


def _schema(document: Document) -> Schema:
    """The schema, with the constructs of the packages that the document names."""
    data = document.data if isinstance(document.data, dict) else {}
    listed = data.get("packages")
    names = []
    for i, entry in enumerate(listed if isinstance(listed, list) else ()):
        match entry:
            case {"name": str(name), "least": str(least)} if _is_release(least):
                try:
                    names.append(normalised(use(name, least).name))
                except PackageError as error:
                    raise document.fault(f"/packages/{i}", error.message, error.help) from None
    return make_schema(names) if names else json.loads(schema_text())


def _is_release(version: str) -> bool:
    return all(part.isdecimal() for part in version.split("."))


class _Fault(NamedTuple):
    """A fault that the validator found at ``pointer``, ``within`` the value around it."""

    pointer: str
    within: str
    message: str
    help: str = ""
    missing: bool = False


_JSON_TYPES = {
    dict: "a mapping",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}
_WANTED = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}


def _explain(error: ValidationError) -> _Fault:
    # The library's types leave open what each of its rules holds.
    rule: Any = error.validator_value
    schema: Any = error.schema
    value: Any = error.instance
    pointer = ""
    for key in error.absolute_path:
        pointer = pointer_to(pointer, key)
    match error.validator:
        case "additionalProperties":
            known = schema["properties"]
            key = next(key for key in value if key not in known)
            help = did_you_mean(key, [name for name in known if name not in value] or known)
            message = f"`{key}` is no key of this mapping"
            return _Fault(pointer_to(pointer, key), pointer, message, help)
        case "required":
            key = next(key for key in rule if key not in value)
            return _Fault(pointer, pointer, f"`{key}` is missing", missing=True)
        case "enum" | "const":
            help = _near(value, rule if error.validator == "enum" else [rule])
            return _Fault(pointer, pointer, f"{_shown(value)} cannot be here", help)
        case "anyOf":  # such as a number or a word: what is wrong with it as the one that it is
            return _explain(min(error.context or (), key=lambda e: _far(e, value)))
        case "type":
            message = f"{_WANTED[rule]} is needed, not {_found(value)}"
        case "minItems" | "maxItems":
            message = f"a list of {_count(schema)} is needed, not of {len(value)}"
            return _Fault(pointer, pointer, message, schema.get("description", ""))
        case "not":
            message = f"`{value}` is a word of the language and cannot be a name"
        case "pattern":
            message = f"{_shown(value)} cannot be a name, or holds what a text cannot"
        case _:
            message = " ".join(error.message.split())
    return _Fault(pointer, pointer, message)


def _far(error: ValidationError, value: object) -> tuple[bool, int, bool]:
    """How far ``value`` is from the alternative that ``error`` finds fault with: it may be no word
    where words are listed; what is wrong inside it is nearer than another type."""
    inside = len(error.relative_path)
    no_word = error.validator == "enum" and not inside and not isinstance(value, str)
    return no_word, -inside, error.validator == "type"


def _found(value: Any) -> str:
    """A value of the wrong type: a number itself where another sort of number may be needed."""
    return str(value) if type(value) is float else _JSON_TYPES[type(value)]


def _count(schema: Schema) -> str:
    least, most = schema.get("minItems"), schema.get("maxItems")
    if least == most:
        return str(least)
    return " and ".join(
        f"at {word} {bound}" for word, bound in (("least", least), ("most", most)) if bound
    )


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else _JSON_TYPES.get(type(value), "this")
    return str(value) if isinstance(value, int | float) else text[:60]


def _near(value: object, known: list[str]) -> str:
    if not isinstance(value, str) and str(value) in known:
        return f'write it as a text, in quotes: "{value}"'
    return did_you_mean(str(value), known) or f"known here: {', '.join(known)}"
