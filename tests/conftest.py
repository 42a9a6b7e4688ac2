"""Options and fixtures that all tests share."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator

import hypothesis
import pytest

from tests.tables import restored_tables

# A shell starts background jobs with Ctrl-C ignored, and nohup ignores SIGHUP; the tests send
# both, to themselves and to processes that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Python's collector walks all of torch and of Lark's tables each time: seldom is enough here.
gc.set_threshold(100_000, 50, 100)

# Tests read what is printed without the colours that a developer may have forced.
for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
    os.environ.pop(name, None)


# `make test` tries the same examples every time, so that it fails for a change and not by chance;
# `make test-all` tries new ones.
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what the golden tests find as what they expect",
    )


@pytest.fixture(autouse=True)
def _tables_as_before() -> Iterator[None]:
    """No test sees what another has entered into the tables of constructs."""
    with restored_tables():
        yield


@pytest.fixture(autouse=True)
def _torch_as_new() -> None:
    """No test draws what depends on the tests before it in the same process."""
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.manual_seed(0)


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
