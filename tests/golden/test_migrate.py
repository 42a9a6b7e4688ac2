"""Properties of every migration, with one folder of pairs per migration.

In ``migrate/VERSION``, ``NAME.in.ffe`` is a text of the previous version and ``NAME.ffe`` its
migration; ``pytest --update-golden`` writes the latter. A migration without pairs fails here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ffebm_dsl.language.diagnostics import InputError, SourceFile, SpecError
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.migrations import MIGRATIONS, Migration, migrate, version_of
from ffebm_dsl.language.syntax import VERSION, lex

HERE = Path(__file__).parent / "migrate"
PAIRS = sorted(HERE.glob("*/*.in.ffe"))


def migrated(text: str) -> str:
    return migrate(SourceFile("old.ffe", text))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAIRS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_pair(path: Path, update_golden: bool) -> None:
    expected = path.with_name(path.name.replace(".in.", "."))
    text = migrated(read(path))
    if update_golden:
        expected.write_text(text, encoding="utf-8")
    assert text == read(expected)
    assert migrated(text) == text
    assert version_of(SourceFile("new.ffe", text)) == VERSION
    assert compile_spec(SourceFile("new.ffe", text)).warnings == ()
    kept = [w.text for w in lex(text) if w.type == "COMMENT"]
    assert kept == [w.text for w in lex(read(path)) if w.type == "COMMENT"]


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda migration: migration.version)
def test_every_migration_has_pairs_and_leaves_its_own_result_alone(migration: Migration) -> None:
    pairs = list((HERE / migration.version).glob("*.in.ffe"))
    assert pairs
    for path in pairs:
        once = migration.rewrite(SourceFile("old.ffe", read(path)))
        assert version_of(SourceFile("new.ffe", once)) == migration.version
        assert migration.rewrite(SourceFile("new.ffe", once)) == once


def test_the_migrations_lead_in_order_to_the_present_version() -> None:
    versions = [tuple(map(int, migration.version.split("."))) for migration in MIGRATIONS]
    assert versions == sorted(set(versions))
    assert MIGRATIONS[-1].version == VERSION
    assert {path.name for path in HERE.iterdir()} == {m.version for m in MIGRATIONS}


def test_a_text_is_run_through_the_migrations_that_it_needs_in_order() -> None:
    def to(version: str) -> Migration:
        def rewrite(source: SourceFile) -> str:
            return f"ffe {version}\n# {version}\n" + source.text.partition("\n")[2]

        return Migration(version, "", rewrite)

    chain = (*MIGRATIONS, to("1.9"), to("2.0"))
    assert migrate(SourceFile("a", "ffe 1.9\n"), chain) == "ffe 2.0\n# 2.0\n"
    assert migrate(SourceFile("a", ""), chain) == "ffe 2.0\n# 2.0\n# 1.9\n"
    assert migrate(SourceFile("a", "ffe 2.0"), chain) == "ffe 2.0"


def test_a_version_that_is_not_known_is_an_error() -> None:
    with pytest.raises(InputError, match=r"old.ffe is written in version 9.0"):
        migrated("# comment\nffe 9.0\nwhatever ] comes")


def test_a_text_that_does_not_parse_is_an_error() -> None:
    with pytest.raises(SpecError):
        migrated("model {")


def test_a_syntax_error_is_at_its_place_in_the_text() -> None:
    for text, line in (("param a: int = 1\nmodel {", 2), ("ffe 1.0\nparam a: int = 1\nmodel {", 3)):
        with pytest.raises(SpecError) as found:
            migrated(text)
        (diagnostic,) = found.value.diagnostics
        assert diagnostic.source.text == text
        assert diagnostic.source.positions(diagnostic.span)[0] == line


def test_line_ends_of_the_text_are_kept() -> None:
    assert migrated("param a: int = 1\r\n") == "ffe 1.1\r\nparam a: int = 1\r\n"
