"""The code of docs/extending.md runs, from top to bottom, and its gradients are right."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


def test_the_code_runs(tmp_path: Path) -> None:
    """In a process of its own: what it registers is seen by every text of a process."""
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(code) == 7
    program = tmp_path / "page.py"
    program.write_text("\n".join(code), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "'one_sided': 2.0" in done.stdout
