"""What the sections of an experiment file say of each other, and of the problems beside it, that is not so."""

from collections.abc import Iterator, Mapping

from thalweg.experiment.claims import TUNED, Claim, Level
from thalweg.experiment.errors import suggest
from thalweg.experiment.schema import Experiment
from thalweg.experiment.yaml_file import Location

Mistakes = Iterator[tuple[Location, str]]
"""Mistakes, each with the location of the key that it stands at."""


def cross_check(experiment: Experiment) -> Mistakes:
    """Yield what the sections name and the experiment, or the folder beside it, does not have."""
    yield from _check_problem_files(experiment)
    yield from _check_reproductions(experiment)
    for name, claim in experiment.claims.items():
        for location, text in _check_claim(experiment, claim):
            yield ("claims", name, *location), text


def _check_problem_files(experiment: Experiment) -> Mistakes:
    for problem in experiment.problems:
        file = experiment.problem_file(problem)
        if not file.is_file():
            names = sorted(other.stem for other in file.parent.glob("*.py"))
            yield ("problems", problem), f"{file} does not exist{suggest(problem, names)}"


def _check_reproductions(experiment: Experiment) -> Mistakes:
    for name, reproduction in experiment.reproductions.items():
        for axis in ("problem", "optimizer", "schedule"):
            text = _unknown_name(experiment, axis, getattr(reproduction, axis))
            if text:
                yield ("reproductions", name, axis), text
        optimizer = experiment.optimizers.get(reproduction.optimizer)
        if optimizer and optimizer.searched:
            yield (
                ("reproductions", name, "optimizer"),
                f"{reproduction.optimizer!r} searches {', '.join(optimizer.searched)}, which a reproduction leaves "
                f"open; name an optimizer whose arguments are all fixed",
            )


def _check_claim(experiment: Experiment, claim: Claim) -> Mistakes:
    """Yield the mistakes of a claim, with locations within it."""
    for location, axis, level in claim.names():
        text = _unknown_level(experiment, claim, axis, level)
        if text:
            yield location, text
    grids = {name: experiment.problems.get(name) for name in claim.problems(experiment.problems)}
    without_target = [name for name, grid in grids.items() if grid and grid.target is None]
    if claim.measure.is_time_to_target and not claim.measure.column and without_target:
        yield (
            ("measure",),
            f"{', '.join(without_target)} has no target; write one, or a loss, as in steps to train loss <= 0.01",
        )
    untimed = [name for name, grid in grids.items() if grid and not grid.timing]
    if claim.measure.is_in_seconds and untimed:
        yield (
            ("measure",),
            f"{', '.join(untimed)} is not timed; write timing: true in its entry, or name a problem that has it",
        )


def _unknown_name(experiment: Experiment, axis: str, name: Level) -> str | None:
    """Return what is wrong with a name, if the section of its axis has no such entry."""
    names = list(getattr(experiment, f"{axis}s"))
    if name in names:
        return None
    return f"{name!r} is not among the {axis}s ({', '.join(names)}){suggest(str(name), names)}"


def _unknown_level(experiment: Experiment, claim: Claim, axis: str, level: Level) -> str | None:
    """Return what is wrong with a level that a claim names, if there are no runs of it."""
    if axis == "learning_rate":
        return _unknown_rate(experiment, claim, level)
    if axis == "batch_size":
        return _unknown_batch_size(experiment, claim, level)
    return _unknown_name(experiment, axis, level)


def _unknown_rate(experiment: Experiment, claim: Claim, rate: Level) -> str | None:
    # A claim that names no optimizer is about all that have the rate.
    named = [str(name) for _, axis, name in claim.names() if axis == "optimizer"]
    reproduced = {(run.optimizer, run.learning_rate) for run in experiment.reproductions.values()}
    without = [
        name
        for name in named or list(experiment.optimizers)
        if name in experiment.optimizers
        and rate not in experiment.optimizers[name].learning_rates
        and (name, rate) not in reproduced
    ]
    if rate == TUNED or not without or (not named and len(without) < len(experiment.optimizers)):
        return None
    return f"{rate:g} is no learning rate of {', '.join(without)}"


def _unknown_batch_size(experiment: Experiment, claim: Claim, batch_size: Level) -> str | None:
    problems = [name for name in claim.problems(experiment.problems) if name in experiment.problems]
    sizes = {size for name in problems for size in experiment.problems[name].batch_sizes}
    sizes |= {run.batch_size for run in experiment.reproductions.values() if run.problem in problems}
    if batch_size in sizes or not problems:
        return None
    return f"{batch_size} is not among the batch sizes {sorted(sizes)}"


def unknown_metrics(experiment: Experiment, metrics: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield what is wrong with claims that measure a metric that none of their problems records.

    Args:
        experiment: the experiment with the claims.
        metrics: the metrics of each problem in order, as its check found them. A claim about another problem is left
            out, because nobody knows what that one records.
    """
    for name, claim in experiment.claims.items():
        reproduction = claim.of and claim.of.reproduction
        problems = (
            [experiment.reproductions[reproduction].problem] if reproduction else claim.problems(experiment.problems)
        )
        if not claim.measure.column or not metrics.keys() >= set(problems):
            continue
        metric = claim.measure.column.partition("_")[2]
        recorded = list(dict.fromkeys(known for problem in problems for known in ("loss", *metrics[problem])))
        if metric not in recorded:
            yield (
                f"claims.{name}.measure: {metric} is no metric of {', '.join(problems)}{suggest(metric, recorded)}; "
                f"there are {', '.join(recorded)}"
            )
