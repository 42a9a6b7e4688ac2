"""Declarations and references: duplicates, reserved words, ports, layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ffebm_dsl.language.diagnostics import Label, Span
from ffebm_dsl.language.diagnostics.fix import did_you_mean, nearest, replace, respell
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.resolve.resolved import ResolvedPort
from ffebm_dsl.language.syntax import RESERVED, ast


def declare(names: dict[str, Span], name: ast.Ident, log: Log) -> bool:
    """Enter ``name`` into ``names``; False, with a report, where it is taken already."""
    if name.text in RESERVED:
        log.report(
            "FFE1004",
            f"`{name.text}` is a word of the language and cannot be a name",
            name.span,
            help=f"choose another name, such as `{name.text}_1`",
        )
    if name.text in names:
        log.report(
            "FFE1003",
            f"the name `{name.text}` is taken",
            name.span,
            labels=[Label(names[name.text], "first used here")],
        )
        return False
    names[name.text] = name.span
    return True


@dataclass(frozen=True)
class Ports:
    """Ports visible at a place.

    ``outputs`` maps a name to its ports by member: ``{"x": {"": "x"}}`` for an input or a
    map, ``{"b1": {"": "b1.out", "skip": "b1.skip"}}`` for a block. A name that maps to
    None is faulty. ``hidden`` names exist but are no ports here, and say why. ``silent``
    where a missing declaration, reported once, would make every use of it a fault.
    """

    outputs: Mapping[str, Mapping[str, str | None] | None] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False

    def with_map(self, name: str, port: str | None) -> Ports:
        return self.with_outputs(name, {"": port})

    def with_outputs(self, name: str, outputs: Mapping[str, str | None] | None) -> Ports:
        hidden = {key: why for key, why in self.hidden.items() if key != name}
        return Ports({**self.outputs, name: outputs}, hidden, self.silent)

    def resolve(self, reference: ast.Reference, log: Log) -> ResolvedPort:
        """The port that is referred to; its name is None after a fault."""
        name = reference.name.text
        if name not in self.outputs:
            if not self.silent:
                self._report_unknown(reference, log)
            return ResolvedPort(None, reference.span)
        outputs = self.outputs[name]
        if outputs is None:
            return ResolvedPort(None, reference.span)
        member = reference.member.text if reference.member else ""
        member = "" if member == "out" else member
        if member in outputs:
            return ResolvedPort(outputs[member], reference.span)
        self._report_no_output(reference, outputs, log)
        return ResolvedPort(None, reference.span)

    def _report_unknown(self, reference: ast.Reference, log: Log) -> None:
        name = reference.name.text
        why = self.hidden.get(name, "")
        known = [n for n in self.outputs if n]
        log.report(
            "FFE1002",
            f"`{name}` is not a port that can be read here",
            reference.span,
            notes=(why,),
            help="" if why else did_you_mean(name, known),
            fix=None if why else respell(reference.name.span, name, known),
        )

    def _report_no_output(
        self, reference: ast.Reference, outputs: Mapping[str, str | None], log: Log
    ) -> None:
        name = reference.name.text
        named = [f"{name}.{member}" if member else name for member in outputs]
        wanted = f"output `{reference.member.text}`" if reference.member else "default output"
        close = nearest(str(reference), named)
        log.report(
            "FFE1002",
            f"`{name}` has no {wanted}",
            reference.span,
            help=f"did you mean `{close}`?"
            if close
            else f"it has {', '.join(f'`{n}`' for n in named)}; a block declares its outputs: "
            "`out = layer`, `out name = layer`",
            fix=replace(reference.span, close) if close else None,
        )
