"""What fewer sweeps cost where they are few already: each spec, by some ways to relax.

    python -m benchmarks.neutrality SPEC [SPEC ...] [--run RUN DIR ...] [--save docs]

Free phases to one tolerance: of each SPEC with its initial weights on random images, and of
each RUN, a run directory, on the first test samples of its data in DIR. Told are the mean
sweeps per sample, summed over the blocks, and the phases of a sample that did not come to
rest. ``--set width=8`` is for the specs that have the parameter. JSON goes to stdout.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import figures
from benchmarks.measuring import batch_of, compiled, settings, where
from benchmarks.ways import StepSetting, Way, trained
from ffebm_dsl.build import build
from ffebm_dsl.physics.interfaces import Status
from ffebm_dsl.physics.network import HybridNetwork

WAYS = (Way(), Way(omega=1.3), Way(2), Way(2, 1.3), Way(2, memory=2), Way(2, 1.3, 2))
"""None of them but the first is the default of a spec."""


def row(name: str, network: HybridNetwork, x: Tensor, tolerance: float) -> dict[str, object]:
    """What each way takes on ``x`` to the tolerance, and how often it did not get there."""
    sweeps, stuck = {}, {}
    for way in WAYS:
        StepSetting(way, tolerance).apply(network)
        with torch.no_grad():
            network(x)
        phases = network.phases()
        sweeps[way.name] = sum(float(phase.sweeps.double().mean()) for phase in phases)
        stuck[way.name] = sum(int((p.status != Status.CONVERGED).sum()) for p in phases)
    return {"at": name, "sweeps": sweeps, "not converged": stuck}


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """A row for each spec and each run."""
    for path in options.specs:
        known = compiled(path, {}).parameters
        asked = {key: value for key, value in settings(options.set).items() if key in known}
        spec = compiled(path, asked)
        x, _ = batch_of(spec, options.samples)
        yield row(f"{path.stem}, initial", build(spec).train(), x, options.tolerance)
    for run, folder in options.run:
        network, x, _ = trained(Path(run), Path(folder), options.samples)
        yield row(f"{Path(run).name}, trained", network, x, options.tolerance)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("specs", nargs="*", type=Path)
    parser.add_argument("--run", nargs=2, action="append", default=[], metavar=("RUN", "DIR"))
    parser.add_argument("--set", nargs="*", default=[], metavar="K=V")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.set_defaults(clock="none")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="into these docs")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = {"quick": False, "samples": options.samples, "tolerance": options.tolerance}
    found |= {**where(options), "results": list(rows(options))}
    print(json.dumps(found, indent=1))
    if options.save:
        figures.save("neutrality", found, options.save)


if __name__ == "__main__":
    main()
