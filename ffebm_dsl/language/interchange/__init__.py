"""Specs as data: text <-> YAML <-> JSON of the resolved network, validated by a JSON Schema."""

from ffebm_dsl.language.interchange.document import (
    read_json,
    read_yaml,
    write_json,
    write_yaml,
)
from ffebm_dsl.language.interchange.json_schema import make_schema_text, schema_text
from ffebm_dsl.language.interchange.load import (
    compile_document,
    compile_source,
    to_plain,
    to_text,
)

__all__ = [
    "compile_document",
    "compile_source",
    "make_schema_text",
    "read_json",
    "read_yaml",
    "schema_text",
    "to_plain",
    "to_text",
    "write_json",
    "write_yaml",
]
