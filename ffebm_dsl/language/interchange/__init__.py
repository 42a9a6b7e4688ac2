"""Specs as data: text <-> YAML <-> JSON of the resolved network, validated by a JSON Schema.

PyYAML and the schema are imported for these forms alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from ffebm_dsl.language.diagnostics import SourceFile, form_of
from ffebm_dsl.language.ir import BUDGET, Budget, Compiled, compile_spec


def compile_source(
    source: SourceFile,
    overrides: Mapping[str, str] | None = None,
    budget: Budget | None = BUDGET,
    form: str | None = None,
) -> Compiled:
    """The spec in a text of any form: ffe, yaml, json; None: as the ending of its name says,
    and ffe where that says nothing.

    Raises as :func:`~ffebm_dsl.language.ir.passes.compile_spec` and
    :func:`~ffebm_dsl.language.interchange.load.compile_document` do.
    """
    form = form or form_of(source.name) or "ffe"
    if form == "ffe":
        return compile_spec(source, overrides, budget)
    from ffebm_dsl.language.interchange.document import read_json, read_yaml
    from ffebm_dsl.language.interchange.load import compile_document

    document = (read_json if form == "json" else read_yaml)(source)
    return compile_document(document, overrides, budget)
