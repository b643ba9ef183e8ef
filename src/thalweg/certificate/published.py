"""The file that an experiment publishes, so that others can see whether they get the same results.

`experiments/NAME.published.json` lies beside the experiment file and is part of the repository. A reader has the code,
that file, and nothing else. The file holds

- the `configuration` as far as it shapes runs, and digests of the data and sources that it names, so that a change is
  found before anything trains, and is named by its path;
- the `surroundings`, processors and versions, which may explain why other bits came out; and the commits;
- for every cell its headline numbers (the chosen trial, the interquartile mean of the final test loss and its 95 %
  interval, which is its tolerance on other processors), and for every reproduction the medians that the report prints;
- for every run a short digest of its whole history, and the final number from which the headline numbers follow. So a
  sample of runs can be compared to the bit, and all headline numbers can be derived from the file alone.

A digest of eight hexadecimal digits for each run tells which run came out otherwise, where one digest for a cell could
not. Two histories have the same digits by chance once in four billion; the digits are a check, not a signature. Numbers
are as short as they read back without loss, so 6,462 runs take 190 kB. A clock has no part in any of them.

Trials and seeds are not repeated with each run: lists are in the order of those in the configuration.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

from thalweg.certificate.differences import ABSENT, Difference, content_differences
from thalweg.certificate.published_schema import parse
from thalweg.experiment.errors import ExperimentError
from thalweg.experiment.schema import Experiment, values_shaping_results
from thalweg.grid import Cell, Run, Trial, trials
from thalweg.hashing import digest
from thalweg.identity import class_source, source_digest

Published = dict[str, Any]
"""The content of a published file."""


class StagedRun(NamedTuple):
    """A run with the stage that asks for it, and the name of the reproduction, which is empty if it is none."""

    stage: str
    reproduction: str
    run: Run


class Setting(NamedTuple):
    """The runs that are sampled together: those of all seeds, of one stage, cell and trial, or of a reproduction."""

    stage: str
    reproduction: str
    cell: Cell
    trial: Trial
    seeds: tuple[int, ...]

    @property
    def path(self) -> str:
        """The name by which a published file has its cell or reproduction."""
        return self.reproduction or "/".join(map(str, self.cell))

    @property
    def runs(self) -> list[StagedRun]:
        rate, hyperparameters = self.trial
        return [
            StagedRun(self.stage, self.reproduction, Run(*self.cell, rate, seed, hyperparameters))
            for seed in self.seeds
        ]


def published_path(experiment: Experiment) -> Path:
    """The published file of an experiment."""
    return experiment.directory / f"{experiment.name}.published.json"


def read_published(experiment: Experiment) -> Published:
    """The content of an experiment's published file.

    Raises:
        ExperimentError: There is no such file, or it cannot be read.
    """
    file = published_path(experiment)
    try:
        content: Published = parse(file.read_bytes())
        published_settings(content)
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


def configuration_of(experiment: Experiment) -> dict[str, Any]:
    """The part of an experiment that shapes its runs, as JSON, with digests of the sources that it names.

    It includes what each problem records: that changes no other bit, but the digests of the histories cover it.
    """
    directory = experiment.directory
    return {
        "problems": {
            name: {**values_shaping_results(grid), "source": source_digest(experiment.problem_file(name), directory)}
            for name, grid in experiment.problems.items()
        },
        "optimizers": {
            name: {
                "class": optimizer.class_name,
                **optimizer.arguments,
                "source": class_source(optimizer.class_name, directory),
                "trials": [{"learning_rate": rate, **dict(drawn)} for rate, drawn in trials(optimizer)],
            }
            for name, optimizer in experiment.optimizers.items()
        },
        "schedules": {
            name: {
                "class": schedule.class_name,
                **schedule.arguments,
                "warmup": schedule.warmup,
                "source": class_source(schedule.class_name, directory),
            }
            for name, schedule in experiment.schedules.items()
        },
        "seeds": values_shaping_results(experiment.seeds),
        "reproductions": {
            name: values_shaping_results(reproduction) for name, reproduction in experiment.reproductions.items()
        },
    }


def configuration_differences(published: Published, experiment: Experiment) -> list[Difference]:
    """The values in which the experiment is another one than was published.

    Whatever it has besides, such as one more optimizer, changes nothing that was published. Nor does what its problems
    record.
    """
    there, here = published["configuration"], configuration_of(experiment)
    return [
        difference._replace(name=f"{section}.{difference.name}")
        for section, entries in there.items()
        for name, entry in entries.items()
        for difference in content_differences({name: entry}, {name: here[section].get(name, ABSENT)})
        if (section, difference.name) != ("problems", f"{name}.record")
    ]


def published_records(published: Published) -> dict[str, list[str]]:
    """What each published problem recorded beside its losses and metrics."""
    return {name: problem.get("record", []) for name, problem in published["configuration"]["problems"].items()}


def with_published_records(published: Published, experiment: Experiment) -> Experiment:
    """The experiment, where each problem records what was published: the digests of its histories cover just that."""
    records = published_records(published)
    problems = {
        name: grid.model_copy(update={"record": tuple(records.get(name, grid.record))})
        for name, grid in experiment.problems.items()
    }
    return experiment.model_copy(update={"problems": problems})


def published_settings(published: Published) -> dict[Setting, dict[str, list[Any]]]:
    """Each published setting, with the digests and final numbers of its runs by name, in the order of its seeds.

    Raises:
        ValueError: There are not as many numbers as seeds, or the chosen trial is none of the optimizer's.
    """
    configured = published["configuration"]
    seeds = {stage: tuple(values) for stage, values in configured["seeds"].items()}
    contents: dict[Setting, dict[str, Any]] = {}
    for name, content in published["cells"].items():
        problem, optimizer, schedule, batch_size = name.split("/")
        cell = Cell(problem, optimizer, schedule, int(batch_size))
        tried = [_parse_trial(trial) for trial in configured["optimizers"][optimizer]["trials"]]
        for trial, tuned in zip(tried, _rows(content["tuning"]), strict=True):
            contents[Setting("tuning", "", cell, trial, seeds["tuning"])] = tuned
        chosen = _parse_trial(content["chosen"])
        if chosen not in tried:
            raise ValueError(f"cells.{name}.chosen: is none of the trials of {optimizer}")
        contents[Setting("evaluation", "", cell, chosen, seeds["evaluation"])] = content["evaluation"]
    for name, content in published["reproductions"].items():
        reproduction = configured["reproductions"][name]
        cell, trial = Cell._make(reproduction[axis] for axis in Cell._fields), Trial(reproduction["learning_rate"])
        contents[Setting("reproduction", name, cell, trial, seeds["evaluation"])] = content["evaluation"]
    return {
        setting: {name: _values_by_seed(values, len(setting.seeds)) for name, values in content.items()}
        for setting, content in contents.items()
    }


def sample(published: Published, share: float, seed: int) -> list[Setting]:
    """Draw settings that together have `share` of all published runs, or a little more.

    The evaluation runs of one cell of each problem and optimizer come first, so that each pair is represented if the
    share allows it; then any others. A larger share holds the settings of a smaller one. The order is that of digests
    with the `seed`, so that no version of a random generator can change it.
    """
    settings = published_settings(published)
    total = sum(len(setting.seeds) for setting in settings)
    shuffled = sorted(settings, key=lambda setting: digest([seed, setting]))
    first = {setting.cell[:2]: setting for setting in reversed(shuffled) if setting.stage == "evaluation"}
    leading = set(first.values())
    drawn: list[Setting] = []
    runs = 0
    for setting in sorted(shuffled, key=lambda setting: setting not in leading):
        if runs >= share * total:
            break
        drawn.append(setting)
        runs += len(setting.seeds)
    return drawn


def sampled_pairs(published: Published, share: float, seed: int) -> list[tuple[str, str]]:
    """The problems and optimizers of a sample.

    Problems alternate, so that the first of them show how long the others will take.
    """
    pairs = {setting.cell[:2] for setting in sample(published, share, seed)}
    return sorted(pairs, key=lambda pair: pair[::-1])


def parse_share(text: str) -> float:
    """The share that a text such as `5%` gives. Raises ExperimentError for any other text."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", text)
    if not match or not 0 < float(match[1]) <= 100:
        raise ExperimentError(f"sample={text}: must be a share of the published runs, as in sample=5%")
    return float(match[1]) / 100


def _rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """The rows of a table that is given by its columns. Raises ValueError unless these are equally long."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _parse_trial(content: dict[str, float]) -> Trial:
    drawn = tuple((name, value) for name, value in content.items() if name != "learning_rate")
    return Trial(content["learning_rate"], drawn)


def _values_by_seed(values: Any, count: int) -> list[Any]:
    """The values of a setting's seeds. Digests stand in one text, with spaces between them."""
    by_seed: list[Any] = values.split() if isinstance(values, str) else values
    if len(by_seed) != count:
        raise ValueError(f"{len(by_seed)} values of {count} seeds")
    return by_seed
