"""``ffebm schema``: the JSON Schema of the interchange format."""

from __future__ import annotations

from ffebm_dsl.cli.console import emit_text


def schema() -> None:
    """Print the JSON Schema of specs as YAML or JSON."""
    from ffebm_dsl.language.interchange.json_schema import schema_text

    emit_text(schema_text())
