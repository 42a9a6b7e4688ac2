"""The constructs of installed packages are available in these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.constructs.everything import installed_packages


@pytest.fixture(autouse=True)
def packages() -> Iterator[None]:
    with installed_packages():
        yield
