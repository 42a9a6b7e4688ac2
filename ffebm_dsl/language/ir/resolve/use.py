"""``use`` statements: the packages that a text names constructs of."""

from __future__ import annotations

from ffebm_dsl.language.diagnostics import Label
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import PackageIR
from ffebm_dsl.language.registry import packages
from ffebm_dsl.language.registry.packages import PackageError
from ffebm_dsl.language.registry.tables import normalised
from ffebm_dsl.language.syntax import ast


def use_packages(uses: list[ast.Use], log: Log) -> tuple[PackageIR, ...]:
    """The packages, their constructs entered into the tables; what cannot be used is reported."""
    used: dict[str, PackageIR] = {}
    first: dict[str, ast.Use] = {}
    for use in uses:
        name = normalised(use.package.text)
        if name in first:
            labels = [Label(first[name].span, "first named here")]
            log.report("FFE1015", f"`{use.package.text}` is used twice", use.span, labels=labels)
            continue
        first[name] = use
        try:
            package = packages.use(use.package.text, use.version.text)
        except PackageError as error:
            code = "FFE1021" if error.clash else "FFE1020"
            log.report(code, error.message, use.span, help=error.help)
        else:
            used[name] = PackageIR(name, use.version.text, package.version)
    return tuple(used[name] for name in sorted(used))
