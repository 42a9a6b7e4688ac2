"""The meaning of a spec: names, values, shapes and checks, up to the resolved IR.

The IR's classes are in :mod:`ffebm_dsl.language.ir.model`, its plain-data form in
:mod:`ffebm_dsl.language.ir.tools.dump`.
"""

from ffebm_dsl.language.ir.check.budget import BUDGET, Budget
from ffebm_dsl.language.ir.passes import Compiled, compile_spec
from ffebm_dsl.language.syntax import read_source

__all__ = [
    "BUDGET",
    "Budget",
    "Compiled",
    "compile_spec",
    "read_source",
]
