"""``ffebm show --after STAGE``: what the compiler has in hand at that point."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from ffebm_dsl.cli.console import emit
from ffebm_dsl.cli.files import read_text
from ffebm_dsl.language.diagnostics import SourceFile, SpecError


class After(StrEnum):
    """The stages, in order. See docs/show.md."""

    TOKENS = "tokens"
    AST = "ast"
    RESOLVED = "resolved"
    SHAPES = "shapes"
    IR = "ir"
    MODULES = "modules"


_PASSES = {
    After.AST: "parse",
    After.RESOLVED: "resolve",
    After.SHAPES: "infer_shapes",
    After.IR: "lower",
}
"""Stage -> the pass after which it is final, by the name that the compiler gives it."""


def print_stage(path: Path, after: After, overrides: Mapping[str, str], allow_large: bool) -> None:
    """Print the stage, of a faulty spec too where there is one.

    Raises:
        SpecError: the spec has errors up to this stage.
    """
    source = read_text(path)
    if after is After.TOKENS:
        from ffebm_dsl.language.ir.tools.outline import outline_tokens

        emit(outline_tokens(source).rstrip("\n"))
    elif after is After.MODULES:
        emit(_modules(source, overrides, allow_large))
    else:
        _print_pass(source, _PASSES[after], overrides)


def _print_pass(source: SourceFile, name: str, overrides: Mapping[str, str]) -> None:
    from ffebm_dsl.language.ir.log import Log
    from ffebm_dsl.language.ir.passes import run_stages
    from ffebm_dsl.language.ir.tools.outline import outline

    log = Log(source)
    stages = run_stages(source, overrides, log)
    emit(outline(next(s.result for s in stages if s.name == name), source).rstrip("\n"))
    if log.failed:
        raise SpecError(log.sorted())


def _modules(source: SourceFile, overrides: Mapping[str, str], allow_large: bool) -> str:
    """Every module by its dotted name, with its class and the shapes of its own parameters."""
    from ffebm_dsl.build import build
    from ffebm_dsl.language.ir import BUDGET, compile_spec

    lines = []
    compiled = compile_spec(source, overrides, None if allow_large else BUDGET)
    for name, module in build(compiled.spec).named_modules():
        parameters = module.named_parameters(recurse=False)
        shapes = "".join(f"  {key}{list(value.shape)}" for key, value in parameters)
        lines.append(f"{name or '(network)'}  {type(module).__name__}{shapes}")
    return "\n".join(lines)
