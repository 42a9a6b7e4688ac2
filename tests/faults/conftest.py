"""One worker for all tests here: importing takes longer than the tests themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.harness import Workers, clear


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with Workers(tmp_path_factory.mktemp("faults")) as workers:
        yield workers


@pytest.fixture
def workers(server: Workers) -> Workers:
    clear(server.folder)
    return server
