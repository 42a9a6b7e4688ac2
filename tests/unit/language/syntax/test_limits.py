"""Files that are not specs are refused in one sentence, without reading them whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ffebm_dsl import compile_spec, read_source
from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.language.syntax.reading import MAX_BYTES


def test_the_limit_of_size_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "a.ffe"
    path.write_bytes(b"#" * MAX_BYTES)
    assert len(read_source(path).text) == MAX_BYTES
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(InputError, match="larger than"):
        read_source(path)
    with pytest.raises(InputError, match="larger than"):
        compile_spec(SourceFile("<string>", "#" * (MAX_BYTES + 1)))


def test_ten_megabytes_are_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "sparse.ffe"
    with path.open("wb") as file:
        file.truncate(10 << 20)
    with pytest.raises(InputError, match="larger than"):
        read_source(path)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.ffe")
    for path in (tmp_path / "fifo.ffe", tmp_path, Path("/dev/zero"), tmp_path / "none.ffe"):
        with pytest.raises(InputError, match=r"is a directory|is no file|does not exist"):
            read_source(path)
