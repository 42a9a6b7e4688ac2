"""``ffebm check --transients``: EP against autodiff, sweep by sweep, on the spec as it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ffebm_dsl.cli.check_tables import cosine_text
from ffebm_dsl.cli.console import emit, emit_json, progress_bar, say, table
from ffebm_dsl.cli.files import require_target
from ffebm_dsl.cli.numbers import LARGEST
from ffebm_dsl.cli.spec import compile_file, load_spec
from ffebm_dsl.language.diagnostics import InputError, NegativeResult, SpecError, to_record

if TYPE_CHECKING:
    from ffebm_dsl.language.ir import Compiled
    from ffebm_dsl.tools.checking.transient_record import TransientAnalysis
    from ffebm_dsl.tools.checking.transient_table import Transients

OutOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE.h5", help="--transients: write the record to this file."),
]
DtypeOption = Annotated[
    str | None,
    typer.Option(
        help="float32 or float64, of the gradients `as configured` or of --transients. "
        "[default: float32; --transients: float64]"
    ),
]
BetaOption = Annotated[
    float | None, typer.Option(help="--transients: nudging strength. [default: the spec's]")
]
SweepsOption = Annotated[
    int | None,
    typer.Option(min=1, max=LARGEST, help="--transients: nudged sweeps. [default: the spec's]"),
]


@dataclass(frozen=True)
class Wanted:
    """Options of ``--transients``, None where not given."""

    out: Path | None
    data_dir: Path | None
    dtype: str | None
    beta: float | None
    sweeps: int | None

    def validate(self) -> None:
        """Refuse what would fail only after all the work.

        Raises:
            InputError: a beta that is not positive, or a file that cannot be made there.
        """
        if self.beta is not None and not (0 < self.beta < math.inf):
            raise InputError(
                f"--beta {self.beta:g}: not a positive number", help="for example --beta 0.02"
            )
        if self.out is not None:
            require_target(self.out, ".h5")

    def refuse(self) -> None:
        """Refuse options that only ``--transients`` has.

        Raises:
            InputError: one was given.
        """
        for field in fields(self):
            if field.name not in ("dtype", "data_dir") and getattr(self, field.name) is not None:
                option = f"--{field.name.replace('_', '-')}"
                raise InputError(
                    f"{option} is an option of --transients",
                    help=f"add --transients, or drop {option}",
                )


def print_transients(
    spec: Path,
    settings: list[str] | None,
    wanted: Wanted,
    measure: tuple[int, int, int],
    as_json: bool,
    allow_large: bool,
) -> None:
    """Run the analysis, write its record where asked, print what it found.

    Raises:
        NegativeResult: a block diverges, or a gradient is not finite.
    """
    from ffebm_dsl.running.records import utc_now, write

    wanted.validate()
    compiled = _compiled(spec, settings, as_json, allow_large)
    start = utc_now()
    analysis = _analyse(compiled, tuple(settings or ()), wanted, measure)
    if wanted.out is not None:
        from ffebm_dsl.tools.checking.transient_record import record_of

        write(record_of(analysis, wanted.out.stem, start), wanted.out)
    if as_json:
        warnings = [to_record(warning) for warning in compiled.warnings]
        found = analysis.found
        emit_json({"ok": found.sound, "diagnostics": warnings, **found.to_dict()})
    else:
        _print(analysis, wanted.out)
    if not analysis.found.sound:
        raise NegativeResult(_verdict(analysis.found), printed=as_json)


def _compiled(spec: Path, settings: list[str] | None, as_json: bool, allow_large: bool) -> Compiled:
    """The spec; with ``--json`` a faulty one too prints the one object that is asked for."""
    if not as_json:
        return load_spec(spec, settings, allow_large)
    try:
        return compile_file(spec, settings, allow_large)
    except SpecError as error:
        diagnostics = [to_record(diagnostic) for diagnostic in error.diagnostics]
        emit_json({"ok": False, "diagnostics": diagnostics, "blocks": [], "parameters": []})
        raise typer.Exit(error.exit_code) from None


def _analyse(
    compiled: Compiled, overrides: tuple[str, ...], wanted: Wanted, measure: tuple[int, int, int]
) -> TransientAnalysis:
    import torch

    from ffebm_dsl.tools.checking.transient_check import TransientSettings
    from ffebm_dsl.tools.checking.transient_record import analyse, draw_batch

    samples, seed, threads = measure
    if threads:
        torch.set_num_threads(threads)
    dtype = wanted.dtype or "float64"
    batch = draw_batch(compiled, wanted.data_dir, samples=samples, seed=seed, dtype=dtype)
    settings = TransientSettings(wanted.sweeps, wanted.beta, seed=seed)
    with progress_bar("transients", "sweep") as progress:
        return analyse(compiled, overrides, batch, dtype, settings, progress)


def _print(analysis: TransientAnalysis, out: Path | None) -> None:
    from ffebm_dsl.language.ir.model import IDEAL
    from ffebm_dsl.tools.checking.devices import stated_noise

    found, batch = analysis.found, analysis.batch
    emit(
        f"{analysis.compiled.source.name}: EP against autodiff after each nudged sweep, "
        f"{analysis.dtype}, {len(batch.target)} samples of {batch.name}, seed {analysis.seed}\n"
    )
    emit(table(["block", "beta", "sweeps", "free residual", "kinks crossed"], _blocks(found)))
    emit("\nAfter the last sweep; the worst cosine is over all sweeps\n")
    head = ["tensor", "norm", "cosine", "worst cosine", "relative error"]
    emit(table(head, _parameters(found)))
    for block in found.blocks:
        if not block.mirrored:
            say(
                f"note: block {block.name}: its nudged phase is not its free phase in reverse "
                "(order, damping), so that the two gradients agree only after many sweeps"
            )
    noisy = stated_noise(analysis.compiled.spec)
    if noisy:
        say(f"note: the noise of {', '.join(noisy)} is switched off for both gradients")
    held = [b.name for b in analysis.compiled.spec.model.blocks if b.hardware != IDEAL]
    if held:
        say(
            f"note: both gradients of {', '.join(held)} are at the weights that the device holds; "
            "`updates` and `update_offset` change EP's alone"
        )
    if out is not None:
        emit(f"\nwritten to {out}")


def _verdict(found: Transients) -> str:
    diverged = [block.name for block in found.blocks if block.diverged]
    if diverged:
        return f"the free phase of {', '.join(diverged)} diverges: no gradient means anything"
    return "a gradient is not finite"


def _blocks(found: Transients) -> list[list[str]]:
    return [
        [b.name, f"{b.beta:g}", str(b.sweeps), f"{b.free_residual:.1e}", str(b.crossings)]
        for b in found.blocks
    ]


def _parameters(found: Transients) -> list[list[str]]:
    norm, cosine, error = (found.last(name) for name in ("norm", "cosine", "relative_error"))
    rows = []
    for p, parameter in enumerate(found.parameters):
        cosines = [c for c in found.measures["cosine"][:, p].tolist() if not math.isnan(c)]
        worst = min(cosines, default=math.nan)
        rows.append(
            [
                parameter,
                f"{norm[p]:.3g}",
                cosine_text(cosine[p]),
                cosine_text(worst),
                f"{error[p]:.1e}",
            ]
        )
    return rows
