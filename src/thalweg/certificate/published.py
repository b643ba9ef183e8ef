"""What an experiment publishes, so that others can see whether they get the same: what was run, and a sample of it.

`experiments/<experiment>.published.json` lies beside the experiment file and is part of the repository. A reader has
the code, that file, and nothing else. It holds

- the `configuration` as far as it shapes runs, and the digests of the data and sources that it names, so that a change
  is found before anything trains, and named by its place;
- the `surroundings`: processors and versions, without which nobody could say why other bits came out; and the commits;
- of every `cell` its headline numbers (the chosen trial, the interquartile mean of the final test loss and its 95 %
  interval, which is their tolerance elsewhere), and of every `reproduction` the medians that the report prints;
- of every run a short digest of its whole history and the one final number by which the headlines come about. So a
  sample of runs can be compared to the bit, and all headline numbers be derived again from the file alone.

A digest of eight hexadecimal digits names each run that came out otherwise (by chance equal in one of four billion),
where one of a cell would leave open which; it is a check, and no signature. With numbers as short as they read back
without loss, 6,462 runs take 190 kB. Nothing in it was measured by a clock.

Trials and seeds are not repeated with each run: lists are in the order of the configuration's.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from thalweg.certificate.published_schema import read as read_published
from thalweg.experiment.schema import Experiment, ExperimentError
from thalweg.grid import Cell, Run, Trial, trials
from thalweg.hashing import digest
from thalweg.identity import class_source, computing, source_digest

Certificate = dict[str, Any]
"""The content of a published file."""

NO_PART = {"timing", "time_limit", "jobs_per_gpu", "shared_examples"}
"""The keys of a problem's entry that change no run that finishes."""

ABSENT = "absent"
"""Stands for a value where one of two contents has none."""


class Setting(NamedTuple):
    """What is sampled: a cell's runs of one stage at one trial, with all their seeds; or a reproduction's."""

    stage: str
    reproduction: str
    cell: Cell
    trial: Trial
    seeds: tuple[int, ...]

    @property
    def runs(self) -> list[Run]:
        rate, hyperparameters = self.trial
        return [Run(*self.cell, rate, seed, hyperparameters) for seed in self.seeds]


def file_of(experiment: Experiment) -> Path:
    """The published file of an experiment."""
    return experiment.directory / f"{experiment.name}.published.json"


def read(experiment: Experiment) -> Certificate:
    """What the experiment has published. Raises ExperimentError where that is nothing, or cannot be read."""
    file = file_of(experiment)
    try:
        content: Certificate = read_published(file.read_bytes())
        settings(content)
        if content["experiment"] != experiment.name:
            raise ValueError(f"it is of the experiment {content['experiment']}")
    except FileNotFoundError:
        raise ExperimentError(f"{file} does not exist: nothing of {experiment.name} is published") from None
    except OSError as error:
        raise ExperimentError(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise ExperimentError(
            f"{file} is damaged: {error}. Take it from the repository again, or remove it and publish anew"
        ) from None
    return content


def configuration(experiment: Experiment) -> dict[str, Any]:
    """What of an experiment shapes its runs, as JSON, with digests of the sources that it names."""
    directory = experiment.directory
    return {
        "problems": {
            name: {**_grid(experiment, name), "source": source_digest(experiment.problem_file(name), directory)}
            for name in experiment.problems
        },
        "optimizers": {
            name: {
                "class": one.class_name,
                **one.arguments,
                "source": class_source(one.class_name, directory),
                "trials": [{"learning_rate": rate, **dict(drawn)} for rate, drawn in trials(one)],
            }
            for name, one in experiment.optimizers.items()
        },
        "schedules": {
            name: {
                "class": one.class_name,
                **one.arguments,
                "warmup": one.warmup,
                "source": class_source(one.class_name, directory),
            }
            for name, one in experiment.schedules.items()
        },
        "seeds": experiment.seeds.model_dump(mode="json"),
        "reproductions": {
            name: one.model_dump(mode="json", exclude={"says"}) for name, one in experiment.reproductions.items()
        },
    }


def _grid(experiment: Experiment, problem: str) -> dict[str, Any]:
    grid = experiment.problems[problem]
    without = NO_PART if grid.end_at_target else NO_PART | {"target"}
    return grid.model_dump(mode="json", exclude=without)


def software() -> dict[str, str]:
    """The versions of what computes, and a digest of our own part of it."""
    found = computing()
    return {**found["versions"], "program": found["program"]}


def changed(published: Certificate, experiment: Experiment) -> list[tuple[str, Any, Any]]:
    """In what the experiment is another one than was published: place, value there and value here.

    What it has beside that, such as one more optimizer, changes nothing that was published.
    """
    here, there = configuration(experiment), published["configuration"]
    return [
        (f"{section}.{place}", one, other)
        for section, entries in there.items()
        for name, entry in entries.items()
        for place, one, other in differing({name: entry}, {name: here[section].get(name, ABSENT)})
    ]


def differing(one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """What differs between two contents of JSON: its place, as in optimizers.sgd.momentum, and both values there."""
    first, second = dict(flat(one)), dict(flat(other))
    for place in {**first, **second}:
        values = first.get(place, ABSENT), second.get(place, ABSENT)
        if not same(*values):
            yield place, *values


def same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are the same to the bit and in their types, as 0.0 and -0.0 or 1 and 1.0 are not."""
    return repr(one) == repr(other)


def flat(content: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """What is no mapping and no list of mappings in a nested content, by its place."""
    if isinstance(content, list) and content and all(isinstance(one, dict) for one in content):
        content = {str(number): one for number, one in enumerate(content, 1)}
    if not isinstance(content, dict):
        yield place, content
        return
    for key, inner in content.items():
        yield from flat(inner, f"{place}.{key}" if place else key)


def settings(published: Certificate) -> dict[Setting, dict[str, Any]]:
    """All that was published of runs: each setting with the digests and the numbers of its seeds, by name.

    Raises ValueError where these are not as many as its seeds, or no trial of the optimizer's was chosen.
    """
    configured = published["configuration"]
    seeds = {stage: tuple(those) for stage, those in configured["seeds"].items()}
    found: dict[Setting, dict[str, Any]] = {}
    for name, content in published["cells"].items():
        problem, optimizer, schedule, batch_size = name.split("/")
        cell = Cell(problem, optimizer, schedule, int(batch_size))
        tried = [trial_of(one) for one in configured["optimizers"][optimizer]["trials"]]
        by_trial = zip(tried, transposed(content["tuning"]), strict=True)
        found |= {Setting("tuning", "", cell, trial, seeds["tuning"]): one for trial, one in by_trial}
        chosen = trial_of(content["chosen"])
        if chosen not in tried:
            raise ValueError(f"cells.{name}.chosen: is none of the trials of {optimizer}")
        found[Setting("evaluation", "", cell, chosen, seeds["evaluation"])] = content["evaluation"]
    for name, content in published["reproductions"].items():
        one = configured["reproductions"][name]
        cell = Cell._make(one[axis] for axis in Cell._fields)
        at = Setting("reproduction", name, cell, Trial(one["learning_rate"]), seeds["evaluation"])
        found[at] = content["evaluation"]
    return {
        setting: {name: _each(values, len(setting.seeds)) for name, values in content.items()}
        for setting, content in found.items()
    }


def transposed(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Columns of a table as its rows. Raises ValueError where they are not equally long."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def trial_of(content: dict[str, float]) -> Trial:
    return Trial(content["learning_rate"], tuple((k, v) for k, v in content.items() if k != "learning_rate"))


def _each(values: Any, count: int) -> list[Any]:
    """What stands there of each of a setting's seeds. Digests stand in one text, with spaces between."""
    each: list[Any] = values.split() if isinstance(values, str) else values
    if len(each) != count:
        raise ValueError(f"{len(each)} values of {count} seeds")
    return each


def sample(published: Certificate, share: float, seed: int) -> list[Setting]:
    """Settings with so large a share of all published runs, or a little more, drawn by the `seed`.

    The evaluation runs of one cell of each problem and optimizer come first, so that each of them is represented where
    the share allows; then whatever comes. A larger share holds a smaller one's settings. The order is that of digests,
    so that no generator's version can change it.
    """
    there = settings(published)
    total = sum(len(setting.seeds) for setting in there)
    drawn = sorted(there, key=lambda setting: digest([seed, setting]))
    first = {setting.cell[:2]: setting for setting in reversed(drawn) if setting.stage == "evaluation"}
    leading = set(first.values())
    taken: list[Setting] = []
    for setting in sorted(drawn, key=lambda setting: setting not in leading):
        if sum(len(one.seeds) for one in taken) >= share * total:
            break
        taken.append(setting)
    return taken


def pairs(published: Certificate, share: float, seed: int) -> list[tuple[str, str]]:
    """The problems and optimizers that a sample is of.

    Problems alternate, so that the first of them tell how long the others will take.
    """
    drawn = {setting.cell[:2] for setting in sample(published, share, seed)}
    return sorted(drawn, key=lambda pair: pair[::-1])


def share_of(text: str) -> float:
    """The share that a text such as `5%` gives. Raises ExperimentError for another text."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", text)
    if not match or not 0 < float(match[1]) <= 100:
        raise ExperimentError(f"sample={text}: must be a share of the published runs, as in sample=5%")
    return float(match[1]) / 100
