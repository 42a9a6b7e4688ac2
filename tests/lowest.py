"""Print the lowest versions of the dependencies in pyproject.toml, as constraints.

Dependencies of the extras, such as the tools of the tests, are left to pip.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"

REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)>=([0-9.]+)(?:,<[0-9.]+)?")


def lowest() -> dict[str, str]:
    """The lowest version of each dependency.

    Raises:
        ValueError: a dependency without one.
    """
    found = {}
    for requirement in tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"][
        "dependencies"
    ]:
        match = REQUIREMENT.fullmatch(requirement)
        if match is None:
            raise ValueError(f"{requirement} states no lowest version")
        found[match[1]] = match[2]
    return found


if __name__ == "__main__":
    for name, version in lowest().items():
        print(f"{name}=={version}")
