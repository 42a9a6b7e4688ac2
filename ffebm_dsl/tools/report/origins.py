"""Origins of the runs: spec, seed, versions, machine, data, and events."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ffebm_dsl.tools.report.runs import LARGEST_DRAWN, Run
from ffebm_dsl.tools.report.sections import PageTable, Section, SectionGroup
from ffebm_dsl.tools.report.text import ABSENT, counted, printable

MOST_EVENTS = 200


def origins(runs: Sequence[Run]) -> Section:
    """A folded group per run, with everything needed to reproduce it."""
    return Section(
        "provenance",
        "Provenance",
        sentences=("The text of each spec, with its overrides above it.",),
        groups=[_of_run(run) for run in runs],
    )


def _of_run(run: Run) -> SectionGroup:
    events, segments = run.record["events"], run.record["segments"]
    inexact = int((segments["exact"] == 0).sum())
    told = counted(len(segments), "process", "processes")
    facts = [
        ("status", run.attribute("status")),
        ("model", run.attribute("title")),
        ("started, ended", f"{run.attribute('start_time')}, {run.attribute('end_time') or ABSENT}"),
        ("worked on by", told + (f", {inexact} in another environment" if inexact else "")),
        ("spec", run.provenance("spec_name")),
        ("constructs of", ", ".join(run.spec.packages) or "ffebm alone"),
        ("SHA-256 of the spec", run.provenance("spec_sha256")),
        ("set from outside", ", ".join(run.provenance_list("override")) or "nothing"),
        ("seed", run.provenance("seed")),
        ("precision, device", f"{run.provenance('dtype')}, {run.provenance('device')}"),
        ("CPU threads", run.provenance("threads")),
        ("parameters", run.provenance("parameter_count")),
        ("data", _data(run)),
        ("SHA-256 of the data", run.provenance("dataset_sha256") or ABSENT),
        ("packages", ", ".join(run.provenance_list("package"))),
        ("environment", _environment(run.provenance("environment"))),
        ("command", " ".join(run.provenance_list("argv"))),
        ("random numbers", run.provenance("rng_scheme")),
    ]
    if run.left_out:
        facts.append(("left out", f"{counted(run.left_out, 'number')} beyond {LARGEST_DRAWN:g}"))
    rows = [
        [printable(str(events[name][i])) for name in ("time", "step", "kind", "message")]
        for i in range(min(len(events), MOST_EVENTS))
    ]
    tables = [PageTable(("time", "step", "event", "message"), rows, numeric=frozenset({1}))]
    return SectionGroup(
        run.name,
        facts=facts,
        tables=tables if rows else [],
        listing=run.provenance("spec_text"),
        folded=True,
    )


def _data(run: Run) -> str:
    files = ", ".join(run.provenance_list("dataset_file"))
    counts = f"{run.provenance('train_samples')} training, {run.provenance('test_samples')} test"
    return f"{run.provenance('dataset_name')} ({counts}){': ' + files if files else ''}"


def _environment(text: str) -> str:
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(facts, dict):
        return text
    return ", ".join(f"{key} {value}" for key, value in facts.items())
