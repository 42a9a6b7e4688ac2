"""``examples/extension`` from a user's view: installed by pip, checked, trained, broken.

Every command runs in a process of its own, on an installation in a temporary folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ffebm_dsl.running.records import read

EXTENSION = Path(__file__).parents[2] / "examples" / "extension"
SPEC = EXTENSION / "spec.ffe"
CONSTRUCTS = "ffebm_example/constructs"
BROUGHT = ("erf", "circulant", "four_point", "momentum", "third_order")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``pip install examples/extension``, without what is installed already; once in all."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    target = folder / "extension-site"
    with (folder / "extension.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            _install(folder / "extension-source", target)
    return target


def _install(folder: Path, target: Path) -> None:
    source = shutil.copytree(
        EXTENSION, folder, ignore=shutil.ignore_patterns("build", "*.egg-info")
    )
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", *offline, "--target", str(target)]
    subprocess.run([*pip, str(source)], check=True)


def python(*arguments: str, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    """``python ARGUMENTS`` with ``site`` on its path."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if site is not None:
        environment["PYTHONPATH"] = str(site)
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment
    )


def ffebm(*arguments: str, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    return python("-m", "ffebm_dsl", *arguments, site=site)


def test_its_gradients_are_right_and_the_stencils_bias_of_order_four(site: Path) -> None:
    done = ffebm("check", str(SPEC), "--threads", "1", "--json", site=site)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    asked = {row["construct"]: row["package"] for row in found["constructs"]}
    assert {name for name, package in asked.items() if package == "ffebm-example"} == {
        "erf",
        "circulant",
        "third_order",
    }
    assert found["ok"]
    orders = {row["estimator"]: row["observed_order"] for row in found["beta_sweep"]}
    assert abs(orders["four_point"] - 4) < 0.2 and abs(orders["centered"] - 2) < 0.2
    assert {round(row["configured_beta"], 6) for row in found["kinks"]} == {0.3}


def test_without_the_package_there_is_one_error_with_the_remedy() -> None:
    done = ffebm("check", "--static", str(SPEC))
    assert done.returncode == 2
    assert done.stderr.count("error[") == 1
    assert "error[FFE1020]: the package `ffebm-example` is not installed" in done.stderr
    assert "pip install 'ffebm-example>=0.2'" in done.stderr


def test_a_package_that_is_too_old_is_one_error_with_the_remedy(site: Path, tmp_path: Path) -> None:
    newer = tmp_path / "spec.ffe"
    newer.write_text(SPEC.read_text().replace(">= 0.2", ">= 0.3"))
    done = ffebm("check", "--static", str(newer), site=site)
    assert done.returncode == 2
    assert done.stderr.count("error[") == 1
    assert "needs `ffebm-example` 0.3, and 0.2.0 is installed" in done.stderr
    assert "pip install 'ffebm-example>=0.3'" in done.stderr


MUTANTS = {
    "erf": (
        "activations/erf.py",
        "return -2 * self.height**2 /",
        "return -3 * self.height**2 /",
        "the activation `erf` of the package `ffebm-example` breaks its promise that "
        "sigma is the inverse of the potential's gradient",
    ),
    "circulant": (
        "ops/circulant.py",
        "return y @ self._matrix(weights)",
        "return y @ self._matrix(weights).T",
        "the op `circulant` of the package `ffebm-example` breaks its promise that "
        "the adjoint is the transpose of the tangent",
    ),
    "third_order": (
        "energies/_third_order.py",
        "    def phi(",
        """    def bind(self, drives, weights, *, graph=False):
        from ffebm_dsl.physics.energy import HopfieldEnergy
        return HopfieldEnergy.bind(self, drives, weights, graph=graph)

    def phi(""",
        "the energy `third_order` of the package `ffebm-example` breaks its promise that "
        "the pre-activation is the gradient of phi",
    ),
}
"""Construct -> its file, what is changed there, and what `check` says."""


@pytest.mark.parametrize("mutants", [("circulant", "erf"), ("third_order",)])
def test_broken_promises_are_caught(mutants: tuple[str, ...], site: Path, tmp_path: Path) -> None:
    """An energy is tried where the ops and activations in it keep what they promise."""
    planted = shutil.copytree(site, tmp_path / "site")
    for file, right, wrong, _ in (MUTANTS[name] for name in mutants):
        module = planted / CONSTRUCTS / file
        text = module.read_text()
        assert right in text
        module.write_text(text.replace(right, wrong))
    done = ffebm("check", str(SPEC), "--threads", "1", site=planted)
    assert done.returncode == 1, done.stdout + done.stderr
    for name in mutants:
        assert f"error[FFE4007]: {MUTANTS[name][-1]}" in done.stderr
    assert f"promises are broken by {', '.join(mutants)};" in done.stderr
    assert "tell its authors" in done.stderr


def test_a_run_names_the_package_in_record_and_report(site: Path, tmp_path: Path) -> None:
    run, page = tmp_path / "run", tmp_path / "report.html"
    train = ["train", str(SPEC), "--out", str(run), "--max-steps", "2", "--quiet"]
    done = ffebm(*train, "--threads", "1", site=site)
    assert done.returncode == 0, done.stderr
    done = ffebm("report", str(run), "--out", str(page), site=site)
    assert done.returncode == 0, done.stderr
    assert "ffebm-example==0.2.0" in read(run / "run.h5")["provenance"]["package"]
    assert "ffebm-example" in page.read_text() and "0.2.0" in page.read_text()


@pytest.mark.slow
def test_its_constructs_have_the_properties_of_their_kinds(site: Path) -> None:
    names = " or ".join(f"[{name}]" for name in BROUGHT)
    tests = ["-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "tests/unit/constructs"]
    done = python(*tests, "-k", names, site=site)
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.split()[-4]) >= len(BROUGHT), done.stdout


@pytest.mark.slow
def test_bench_compares_with_the_ops_of_its_couplings(site: Path) -> None:
    """An energy that gives phi alone has its couplings as modules."""
    once = ("--repeats", "1", "--warm-up", "0", "--threads", "1")
    done = ffebm("bench", str(SPEC), "--batch", "2", *once, "--json", site=site)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert all(step["ratio"]["median"] > 1 for step in found["estimators"].values())


def test_show_prints_it(site: Path) -> None:
    done = ffebm("show", str(SPEC), site=site)
    assert done.returncode == 0, done.stderr
    assert "use ffebm-example 0.2.0" in done.stdout
    assert "block b2: third_order" in done.stdout


def test_pooling_that_a_kind_of_energy_would_not_freeze_is_refused(
    site: Path, tmp_path: Path
) -> None:
    pooled = tmp_path / "pooled.ffe"
    pooled.write_text(
        "\n".join(
            (
                "ffe 1.1",
                "use ffebm-example >= 0.2",
                "model pooled {",
                "  input  x: image(1, 8, 8)",
                "  target y: label(10)",
                "  block b1 {",
                "    feedforward u = x |> conv2d(2, kernel=3, padding=1)",
                "    energy third_order {",
                "      layer s1: [2, 8, 8] tanh",
                "      layer s2: [2, 4, 4] tanh",
                "      u  ->  s1",
                "      s1 <-> s2 : max_pool2d(2)",
                "    }",
                "    out = s2",
                "  }",
                "  readout logits = b1 |> flatten() |> linear(10)",
                "  loss = cross_entropy(logits, y)",
                "}",
            )
        )
    )
    done = ffebm("check", str(pooled), site=site)
    assert done.returncode == 2
    assert "`max_pool2d` in a coupling, and the energy `third_order`" in done.stderr
