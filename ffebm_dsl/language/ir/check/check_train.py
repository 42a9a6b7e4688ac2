"""Checks of the train section, by itself and against the model: data, paths, optimizers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath

from ffebm_dsl.language.diagnostics import Label
from ffebm_dsl.language.diagnostics.fix import replace
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import CallIR, Shape
from ffebm_dsl.language.ir.resolve.resolved import (
    ResolvedChain,
    ResolvedEnd,
    ResolvedMap,
    ResolvedModel,
    ResolvedSpec,
    ResolvedTrain,
)
from ffebm_dsl.language.registry import (
    AUGMENTATIONS,
    DATA,
    LOSSES,
    OPS,
    SCHEDULES,
    TARGETS,
    show_shape,
)


def check_train(spec: ResolvedSpec, log: Log) -> None:
    """Report faults of the train section."""
    train = spec.train
    if train is None:
        return
    _check_path(train, log)
    _check_patience(train, log)
    _check_warmup(train, log)
    _check_reached(train, log)
    if spec.model:
        _check_groups(train, spec.model, log)
        _check_mixing(train, spec.model, log)
        _check_inputs(train, spec.model.inputs, log)
    if spec.model and spec.model.target and spec.model.target.shape:
        _check_target(train, spec.model.target, log)


def _check_path(train: ResolvedTrain, log: Log) -> None:
    path = train.data.arguments.get("path")
    if not isinstance(path, str):
        return
    outside = (
        PurePosixPath(path).is_absolute()
        or bool(PureWindowsPath(path).drive)
        or ".." in PurePosixPath(path).parts
        or "\\" in path
    )
    if outside or not PurePosixPath(path).name:
        log.report(
            "FFE5004",
            f'"{path}" is not the path of a file below the data directory',
            train.places["data"],
            help="give a path relative to --data-dir, with `/` between folders and without `..`",
        )


def _check_mixing(train: ResolvedTrain, model: ResolvedModel, log: Log) -> None:
    """Mixed samples have targets of another kind, which there must be, and the losses take."""
    calls: tuple[CallIR, ...] = train.data.arguments["augment"]
    mixing = [call.name for call in calls if AUGMENTATIONS[call.name].mix is not None]
    if not mixing:
        return
    place, name = train.places["data"], mixing[0]
    if mixing != [calls[-1].name]:
        message = f"`{name}` mixes samples that are otherwise ready, once"
        log.report("FFE5002", message, place, help="let one such augmentation come last")
    if model.target is None or not model.target.kind:
        return
    kind = model.target.kind
    mixture = TARGETS[kind].mixture
    if not mixture:
        log.report(
            "FFE5009",
            f"`{name}` mixes two samples and their targets, and a mean of two of the kind `{kind}` "
            "is not what the mixed sample means",
            place,
            help="it needs classes: a target `label`, `labels` or `probabilities`",
        )
    for loss in model.losses if mixture else ():
        if mixture not in LOSSES[loss.call.name].targets:
            log.report(
                "FFE5009",
                f"`{name}` makes targets of the kind `{mixture}`, which {loss.call.name} does "
                "not take",
                place,
                labels=[Label(loss.span, "the loss")],
            )


def _check_patience(train: ResolvedTrain, log: Log) -> None:
    if train.numbers["patience"] and not train.data.arguments.get("validation"):
        log.report(
            "FFE5007",
            "`patience` would end training by the test set",
            train.places["patience"],
            help=f"set samples aside for evaluation: {train.data.name}(..., validation=0.1)",
        )


def _check_warmup(train: ResolvedTrain, log: Log) -> None:
    warmup, epochs = train.numbers["warmup"], train.numbers["epochs"]
    if warmup > epochs:
        log.report(
            "FFEW019",
            f"`warmup` takes {warmup:g} epochs, and training ends after {epochs}",
            train.places["warmup"],
            notes=[f"the learning rate rises to {epochs / warmup:.2g} of what the schedule says"],
            help="`warmup` counts epochs, not steps, and may be less than one: `warmup = 0.5`",
        )


def _check_reached(train: ResolvedTrain, log: Log) -> None:
    schedule, epochs = train.schedule, int(train.numbers["epochs"])
    changes = SCHEDULES[schedule.name].changes(schedule.arguments)
    late = [change for change in changes if change >= epochs]
    if late:
        log.report(
            "FFEW019",
            f"`{schedule.name}` changes the learning rate after epoch {min(late):g}, and training "
            f"ends with epoch {epochs}",
            train.places["schedule"],
            help="`cosine_restarts` changes it with every step; all schedules count epochs",
        )


def _check_groups(train: ResolvedTrain, model: ResolvedModel, log: Log) -> None:
    """Every group is of a part that is there, has weights, and is named once."""
    known = _parts(model)
    seen: set[str] = set()
    for group in train.optimizer.arguments["groups"]:
        part = str(group.arguments["part"])
        trouble, help = "", ""
        if part not in known:
            weighted = ", ".join(name for name in known if known[name])
            trouble, help = f"the model has no part `{part}`", f"with weights: {weighted}"
        elif not known[part]:
            trouble = f"`{part}` has no weights to train"
        elif part in seen:
            trouble, help = f"`{part}` is in two groups", "keep one of them"
        if trouble:
            log.report("FFE5005", trouble, train.places["optimizer"], help=help)
        seen.add(part)


def _parts(model: ResolvedModel) -> dict[str, bool]:
    """The parts that a group may name, and whether each has weights."""
    found: dict[str, bool] = {}
    for stage in (*model.stages, *model.readouts):
        if isinstance(stage, ResolvedMap):
            found[stage.name] = _has_weights(stage.chain)
            continue
        inside = {map_.name: _has_weights(map_.chain) for map_ in stage.maps}
        inside |= {drive.name: _has_weights(drive.chain) for drive in stage.drives}
        inside |= {
            coupling.name: not coupling.settings["tied_to"] and _has_weights(coupling.chain)
            for coupling in stage.couplings
        }
        inside |= {term.name: True for term in stage.terms}
        found[stage.name] = any(inside.values())
        found |= {f"{stage.name}.{name}": weighted for name, weighted in inside.items()}
    return found


def _has_weights(chain: ResolvedChain) -> bool:
    """Also for a chain with a faulty op, of which nothing is known."""
    ops = chain.shaped
    return ops is None or any(OPS[op.name].count_parameters(op) for op in ops)


def _check_inputs(train: ResolvedTrain, inputs: Sequence[ResolvedEnd], log: Log) -> None:
    data, place = DATA[train.data.name], train.places["data"]
    shapes = [end.shape for end in inputs if end.shape]
    if len(shapes) < len(inputs) or not shapes:
        return
    if data.shapes and len(data.shapes) != len(inputs):
        log.report(
            "FFE5002",
            f"{data.name} has {len(data.shapes)} array{'s' * (len(data.shapes) > 1)} of samples, "
            f"and the model {len(inputs)} input{'s' * (len(inputs) > 1)}",
            place,
            labels=[Label(end.span, "an input") for end in inputs[len(data.shapes) :]],
            help=f"state {', '.join(map(_kind_of, data.shapes))}, or use npz or hdf5, whose arrays "
            "are called like the inputs",
        )
    elif data.shapes:
        for end, shape, known in zip(inputs, shapes, data.shapes, strict=True):
            _check_known(train, end, shape, known, log)
    if data.read_named and len(inputs) > 1:
        _check_array_names(inputs, log)
    for name in ("mean", "std"):
        entries = train.data.arguments[name]
        for end, shape in zip(inputs, shapes, strict=True):
            if len(entries) not in (1, shape[0]):
                message = f"`{name}` has {len(entries)} entries, and {_called(end, inputs)} has "
                help = "give one, or one per channel"
                log.report("FFE5002", f"{message}{shape[0]} channels", place, help=help)
    for call in train.data.arguments["augment"]:
        misfit = AUGMENTATIONS[call.name].misfit_of(call.arguments, shapes)
        if misfit is not None:
            log.report("FFE5002", misfit[0], place, help=misfit[1])


def _called(end: ResolvedEnd, inputs: Sequence[ResolvedEnd]) -> str:
    return "the input" if len(inputs) == 1 else f"the input `{end.name}`"


def _kind_of(shape: Shape) -> str:
    kind = "image" if len(shape) == 3 else "vector"
    return f"{kind}({', '.join(map(str, shape))})"


def _check_known(
    train: ResolvedTrain, end: ResolvedEnd, shape: Shape, known: Shape, log: Log
) -> None:
    if known == shape:
        return
    wanted = _kind_of(known)
    log.report(
        "FFE5002",
        f"{train.data.name} has {wanted.partition('(')[0]}s of {show_shape(known)}, and the "
        f"model's input is {show_shape(shape)}",
        train.places["data"],
        help=f"write `input {end.name}: {wanted}`",
        fix=replace(end.span, wanted),
    )


def _check_array_names(inputs: Sequence[ResolvedEnd], log: Log) -> None:
    """Beside others an input names its array, and one name is that of the targets."""
    for end in inputs:
        if end.name == "y":
            log.report(
                "FFE5002",
                "the array of the input `y` would be called like that of the targets, `y_train`",
                end.named,
                help="give the input another name",
            )


def _check_target(train: ResolvedTrain, target: ResolvedEnd, log: Log) -> None:
    classes = DATA[train.data.name].classes_with(train.data.arguments)
    size = (target.shape or (0,))[0]
    kind = TARGETS[target.kind]
    if classes and not kind.of_input and (not kind.classes or size != classes):
        log.report(
            "FFE5003",
            f"{train.data.name} has {classes} classes, and the model's target is "
            f"{target.kind}({size})",
            train.places["data"],
            help=f"write `target {target.name}: label({classes})`",
            fix=replace(target.span, f"label({classes})"),
        )
