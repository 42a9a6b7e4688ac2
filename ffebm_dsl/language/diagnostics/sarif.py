"""Diagnostics as SARIF 2.1.0, the form that code-scanning services and editors exchange.

One run per log. A rule for every code of the table, so that a log's rule indices mean the
same from run to run. Lines and columns are counted from 1 in code points, and an end is
the column behind the last character, as in :func:`~ffebm_dsl.language.diagnostics.to_record`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from ffebm_dsl.language.diagnostics.diagnostic import CODES, Diagnostic, Severity
from ffebm_dsl.language.diagnostics.fix import Fix
from ffebm_dsl.language.diagnostics.render import in_words
from ffebm_dsl.language.diagnostics.source import SourceFile, Span

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

Record = dict[str, Any]


def to_sarif(
    found: Sequence[tuple[str, Sequence[Diagnostic]]], version: str, unread: Sequence[str] = ()
) -> Record:
    """The SARIF log of one check by ffebm ``version``.

    A fault of an override (``--set``) has no place in a file: it is filed under the spec,
    with the override as its logical location, and without its fix.

    Args:
        found: each spec's file with its diagnostics.
        version: of ffebm.
        unread: why further specs could not be read, a message for each.
    """
    invocation: Record = {"executionSuccessful": not unread}
    if unread:
        invocation["toolExecutionNotifications"] = [
            {"level": "error", "message": _message(message)} for message in unread
        ]
    driver = {"name": "ffebm", "semanticVersion": version, "rules": _rules()}
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "artifacts": [
            {"location": _artifact(file), "sourceLanguage": "ffe"} for file in dict(found)
        ],
        "columnKind": "unicodeCodePoints",
        "results": [_result(diagnostic, file) for file, group in found for diagnostic in group],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules() -> list[Record]:
    return [
        {
            "id": code,
            "shortDescription": {"text": title},
            "help": {"text": f"ffebm explain {code}"},
            "defaultConfiguration": {"level": str(Severity.of(code))},
        }
        for code, title in CODES.items()
    ]


def _result(diagnostic: Diagnostic, file: str) -> Record:
    source = diagnostic.source
    result: Record = {
        "ruleId": diagnostic.code,
        "ruleIndex": list(CODES).index(diagnostic.code),
        "level": str(diagnostic.severity),
        "message": _message(in_words(diagnostic)),
    }
    if source.name != file:
        logical = {"fullyQualifiedName": f"{source.name} {source.text}"}
        place: Record = {"artifactLocation": _artifact(file)}
        return result | {"locations": [{"physicalLocation": place, "logicalLocations": [logical]}]}
    result["locations"] = [_location(diagnostic.span, source)]
    if diagnostic.labels:
        result["relatedLocations"] = [
            _location(label.span, source) | {"message": _message(label.text)}
            for label in diagnostic.labels
        ]
    if diagnostic.fix:
        result["fixes"] = [_fix(diagnostic.fix, source)]
    return result


def _message(text: str) -> Record:
    """Braces would be read as places for arguments, so they are doubled."""
    return {"text": text.replace("{", "{{").replace("}", "}}")}


def _fix(fix: Fix, source: SourceFile) -> Record:
    replacements = [
        {"deletedRegion": _region(edit.span, source), "insertedContent": {"text": edit.text}}
        for edit in fix.edits
    ]
    change = {"artifactLocation": _artifact(source.name), "replacements": replacements}
    return {"description": _message(fix.title), "artifactChanges": [change]}


def _location(span: Span, source: SourceFile) -> Record:
    place = {"artifactLocation": _artifact(source.name), "region": _region(span, source)}
    return {"physicalLocation": place}


def _region(span: Span, source: SourceFile) -> Record:
    keys = ("startLine", "startColumn", "endLine", "endColumn")
    return dict(zip(keys, source.positions(span), strict=True))


def _artifact(name: str) -> Record:
    """A path as a URI: relative as it was given, or ``file:`` for an absolute one."""
    path = PurePath(name)
    return {"uri": path.as_uri() if path.is_absolute() else quote(path.as_posix())}
