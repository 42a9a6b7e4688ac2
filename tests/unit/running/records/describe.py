"""The schema as Markdown tables: ``python tests/unit/running/records/describe.py`` prints those of
docs/record.md, and a test ensures that the page has them."""

from __future__ import annotations

from collections.abc import Mapping

from ffebm_dsl.running.records.record_schema import (
    DTYPES,
    FORMAT,
    FORMAT_VERSION,
    GROUPS,
    RUN_ATTRIBUTES,
    Group,
)

ROOT_ATTRIBUTES = {
    "format": f"`{FORMAT}`",
    "format_version": f"`{FORMAT_VERSION}`; readers refuse another major version",
    "creator": "program and version that wrote the file",
    "file_time": "UTC time of writing in ISO 8601",
}


def tables() -> str:
    """Tables of every attribute, group and dataset of the schema."""
    parts = [
        _attributes("Attributes of `/`", ROOT_ATTRIBUTES),
        _attributes("Attributes of `/run`", RUN_ATTRIBUTES),
        *(_group(group) for group in GROUPS),
    ]
    return "\n\n".join(parts)


def _attributes(title: str, attributes: Mapping[str, str]) -> str:
    rows = [f"| `{name}` | {meaning} |" for name, meaning in attributes.items()]
    return "\n".join([f"### {title}", "", "| attribute | meaning |", "|---|---|", *rows])


def _group(group: Group) -> str:
    rows = [
        f"| `{f.name}` | {DTYPES[f.dtype]} | {', '.join(f.dims) or 'scalar'} | {f.units} "
        f"| {f.long_name} |"
        for f in group.fields
    ]
    head = [f"### `/run/{group.name}`", "", f"{group.title[0].upper()}{group.title[1:]}."]
    if group.signal:
        head[-1] += f" Plotted by default: `{group.signal}`."
    columns = ["| dataset | type | dimensions | units | meaning |", "|---|---|---|---|---|"]
    return "\n".join([*head, "", *columns, *rows])


if __name__ == "__main__":
    print(tables())
