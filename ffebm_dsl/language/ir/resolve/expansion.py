"""How much text the templates of a spec make, before any of it is looked at."""

from __future__ import annotations

from collections.abc import Mapping

from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.syntax import ast

MAX_EXPANDED = 1 << 17
"""Characters that the blocks of a model may have, each template counted as often as it is used:
two hundred times a residual block."""

MAX_STAGES = 2000
"""Maps and blocks of a model."""


def expands_to_too_much(model: ast.Model, templates: Mapping[str, ast.Template], log: Log) -> bool:
    """Whether the model is more than a network could be; then that is reported.

    A short text can stand for a very long one: a long template used by many blocks.
    """
    size = stages = 0
    for statement in model.statements:
        if not isinstance(statement, ast.Block | ast.Instance | ast.Feedforward):
            continue
        stages += 1
        size += statement.span.end - statement.span.start
        if isinstance(statement, ast.Instance):
            template = templates.get(statement.template.name.text)
            size += template.span.end - template.span.start if template else 0
        if size <= MAX_EXPANDED and stages <= MAX_STAGES:
            continue
        limit = f"{MAX_STAGES} stages" if stages > MAX_STAGES else f"{MAX_EXPANDED} characters"
        log.report(
            "FFE6002",
            f"with `{statement.name.text}` model `{model.name.text}` has more than {limit}, "
            "templates expanded",
            statement.name.span,
            help="use shorter templates, or fewer blocks",
        )
        return True
    return False
