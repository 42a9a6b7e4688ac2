"""A report page on runs, made from their records alone: tables and figures in one HTML file."""

from ffebm_dsl.tools.report.page import page
from ffebm_dsl.tools.report.runs import Run, load

__all__ = ["Run", "load", "page"]
