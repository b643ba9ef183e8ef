"""What results come to, in the form in which an experiment publishes it, and in what two of them differ.

Results are those of an experiment, or those of a sample that was trained again from nothing: both are looked at by the
same functions. `grid.certificate` says what a published file holds and why.
"""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL, TRIAL, choose, rates
from thalweg.analysis.statistics import intervals
from thalweg.certificate import published as published_file
from thalweg.certificate.published import Certificate, Setting
from thalweg.experiment.schema import Experiment
from thalweg.grid import Cell, Run, Trial, declared, trials
from thalweg.hashing import digest
from thalweg.identity import COMPUTING_PACKAGES, identity
from thalweg.results.store import check_file

SOFTWARE = ("program", *COMPUTING_PACKAGES)
"""The surroundings that every reader can make the same: versions, and our own part of what computes."""
HARDWARE = ("device", "cpu_model", "instruction_set")
"""Those that a reader cannot."""

Numbers = dict[Setting, dict[str, list[Any]]]
"""For each setting the final numbers of its seeds by name, None where a run has none, and their `bits`."""
Values = tuple[float, float, float]
"""A headline number, and from where to where it may lie elsewhere."""
Place = tuple[str, Any, Any]
"""Where two contents differ, and both values there: the published one, then the one here."""


class UnpublishableError(Exception):
    """The results are not what may be published; the message says why, and what to do."""


class Different(NamedTuple):
    """A run of which something is not as it was published: a final number, or somewhere in its `history` a bit.

    `relative` is |published - here| / max(|published|, |here|), None where one of them is no number.
    """

    setting: Setting
    seed: int
    name: str
    published: Any
    here: Any
    relative: float | None
    moved: bool
    """Whether the digest of its history is another one too: if not, the published file contradicts itself."""


class Headline(NamedTuple):
    """A headline number as published and as found here. A number that most runs did not live to have is infinite."""

    setting: Setting
    name: str
    published: Values
    here: float

    @property
    def verdict(self) -> str:
        """As that of a comparison. Losses nearer to zero than the resolution count as it."""
        value, *ends = self.published
        least = histories.RESOLUTION if self.name.endswith("loss") else -math.inf
        lower, upper, here = (max(one, least) for one in (*ends, self.here))
        return "identical" if self.here == value else "within tolerance" if lower <= here <= upper else "different"


class Comparison(NamedTuple):
    """What came of comparing results with what was published, all of it or some settings.

    `configuration` says in what the experiment is another one; `surroundings` what else computed; `inconsistent` which
    headline numbers of the published file do not follow from its own runs. Of the `asked` runs some may be `missing`.
    """

    asked: int
    missing: int
    configuration: list[Place]
    surroundings: list[Place]
    inconsistent: list[Place]
    different: list[Different]
    headlines: list[Headline]

    @property
    def identical(self) -> int:
        """How many runs are the published ones to the last bit."""
        return self.asked - self.missing - len({(one.setting, one.seed) for one in self.different})

    @property
    def verdict(self) -> str:
        """`identical`; `within tolerance`, which only other surroundings can excuse; or `different`."""
        contradicted = self.inconsistent or not all(one.moved for one in self.different)
        if self.configuration or self.missing or contradicted:
            return "different"
        if not self.different:
            return "identical"
        near = all(one.verdict != "different" for one in self.headlines)
        return "within tolerance" if self.surroundings and near else "different"

    @property
    def other_software(self) -> bool:
        return any(name in SOFTWARE for name, *_ in self.surroundings)

    @property
    def reproduced(self) -> bool:
        """Whether the published results were found again: with the published software, identical, or within tolerance
        on another processor."""
        return self.verdict != "different" and not self.other_software


def refuse(experiment: Experiment, results: Path, runs: pd.DataFrame, environments: pd.DataFrame) -> None:
    """Raise UnpublishableError unless results are whole, of the experiment as it stands, and decided by no clock."""
    again = f"run snakemake --cores N --config experiment={experiment.name} first"
    there = runs.groupby(["problem", "stage"]).size()
    missing = sum(max(0, wanted - there.get(key, 0)) for key, wanted in declared(experiment).items())
    if missing:
        raise UnpublishableError(f"{missing:,} of {sum(declared(experiment).values()):,} runs are missing; {again}")
    rows = zip(*(runs[name] for name in (*Run._fields, "run")), strict=True)
    checks, devices = _checked(experiment, results), set(environments["device"])
    other = 0
    for *values, drawn, known in rows:
        run = Run._make([*values, tuple(json.loads(drawn).items())])
        by_device = (digest(identity(experiment, run, checks[run.problem], device)) for device in devices)
        other += known not in by_device
    numbers = numbers_of(experiment, runs)
    chosen = chosen_of(experiment, numbers)
    other += sum(
        len(setting.seeds)
        for setting in numbers
        if setting.stage == "evaluation" and setting.trial != chosen[setting.cell]
    )
    if other or len(runs) != sum(declared(experiment).values()):
        raise UnpublishableError(
            f"the results are of another state of the experiment or of the code ({other or len(runs):,} runs); {again}"
        )
    stopped = int((runs["outcome"] == histories.LOST["out_of_time"]).sum())
    if stopped:
        raise UnpublishableError(
            f"{stopped:,} runs were stopped because time was out, and what a clock decided cannot be published; give "
            f"them a longer time_limit, or none"
        )


def certify(experiment: Experiment, results: Path, runs: pd.DataFrame, environments: pd.DataFrame) -> Certificate:
    """The content of the experiment's published file, from its tables of runs and of provenance."""
    numbers = numbers_of(experiment, runs)
    headlines = headlines_of(numbers)
    commits = environments.loc[~environments["dirty"].astype(bool), "commit"]
    found: dict[str, Any] = {"cells": {}, "reproductions": {}}
    for setting, by_name in numbers.items():
        each = {**by_name, "bits": " ".join(by_name["bits"])}
        printed = {name: _in_json(values) for name, values in headlines.get(setting, {}).items()}
        if setting.stage == "reproduction":
            found["reproductions"][setting.reproduction] = {**printed, "evaluation": each}
            continue
        cell = found["cells"].setdefault("/".join(map(str, setting.cell)), {"tuning": {}})
        if setting.stage == "evaluation":
            cell |= {"chosen": _in_json(setting.trial), **printed, "evaluation": each}
        else:
            for name, value in each.items():
                cell["tuning"].setdefault(name, []).append(value)
    return {
        "experiment": experiment.name,
        "commits": sorted({commit for commit in commits if commit}),
        "surroundings": surroundings_of(environments),
        "data": _data(_checked(experiment, results)),
        "configuration": published_file.configuration(experiment),
        **found,
    }


def written(content: Any, depth: int = 3) -> str:
    """A published file's text: each setting on a line, so that a difference between two of them can be read."""
    if not (depth and content and isinstance(content, dict)):
        return json.dumps(content, ensure_ascii=False, allow_nan=False)
    margin = " " * (4 - depth)
    inner = (f"{margin}{json.dumps(key)}: {written(value, depth - 1)}" for key, value in content.items())
    return "{\n" + ",\n".join(inner) + f"\n{margin[1:]}}}"


def compare(
    published: Certificate,
    experiment: Experiment,
    results: Path,
    runs: pd.DataFrame,
    environments: pd.DataFrame,
    of: Iterable[Setting] | None = None,
) -> Comparison:
    """Compare results, or those `of` some settings, with what was published."""
    there, here = published_file.settings(published), numbers_of(experiment, runs)
    asked = list(there if of is None else of)
    found = [setting for setting in asked if setting in here]
    headlines = headlines_of({setting: here[setting] for setting in found})
    changed = published_file.changed(published, experiment)
    data = _data(_checked(experiment, results))
    return Comparison(
        asked=sum(len(setting.seeds) for setting in asked),
        missing=sum(len(setting.seeds) for setting in asked if setting not in here),
        configuration=[
            *changed,
            *(
                (f"problems.{problem}.{name}", *values)
                for problem in data
                for name, *values in published_file.differing(published["data"].get(problem, {}), data[problem])
            ),
        ],
        surroundings=list(_elsewhere(published["surroundings"], surroundings_of(environments))),
        # Of an experiment that was changed, not even its cells need be known here.
        inconsistent=[] if changed else list(_inconsistent(published, experiment, there)),
        different=[one for setting in found for one in _different(setting, there[setting], here[setting])],
        headlines=[
            Headline(setting, name, values, headlines[setting].get(name, values)[0])
            for setting in found
            for name, values in _printed(published, setting).items()
        ],
    )


def numbers_of(experiment: Experiment, runs: pd.DataFrame) -> Numbers:
    """What is published of runs that have their final metrics and `bits`, setting by setting in the order of the grid.

    A setting of which not all seeds are there is left out. Numbers are single precision, as short as they read back.
    """
    ordered = histories.in_grid_order(
        runs.assign(reproduction=runs["reproduction"].fillna("")),
        experiment,
        ["stage", *CELL[:2], "batch_size", "schedule", "seed"],
    )
    found: Numbers = {}
    for key, group in ordered.groupby(["stage", "reproduction", *CELL, *TRIAL], sort=False):
        stage, reproduction, problem, optimizer, schedule, batch_size, rate, drawn = key
        seeds = experiment.seeds.tuning if stage == "tuning" else experiment.seeds.evaluation
        by_seed = group.set_index("seed")
        if not set(seeds) <= set(by_seed.index):
            continue
        rows = by_seed.loc[list(seeds)]
        trial = Trial(float(rate), tuple(json.loads(drawn).items()))
        setting = Setting(stage, reproduction, Cell(problem, optimizer, schedule, int(batch_size)), trial, seeds)
        numbers = {name: [_short(value) for value in rows[f"final_{name}"]] for name in _names(stage, rows)}
        if stage == "tuning" and experiment.problems[problem].end_at_target:
            ends = zip(rows["ended_at"], rows["outcome"], strict=True)
            numbers["steps_to_target"] = [int(step) if outcome == "reached target" else None for step, outcome in ends]
        found[setting] = {**numbers, "bits": list(rows["bits"])}
    # The table has the trials of a search by their rates, the published file as they are drawn.
    places = {name: {trial: k for k, trial in enumerate(trials(one))} for name, one in experiment.optimizers.items()}
    return dict(sorted(found.items(), key=lambda item: places[item[0].cell.optimizer].get(item[0].trial, 0)))


def headlines_of(numbers: Numbers) -> dict[Setting, dict[str, Values]]:
    """The headline numbers that follow from runs' numbers, by setting and name, rounded to six digits.

    Of a cell it is the interquartile mean of the final test loss, with its 95 % interval; of a reproduction the medians
    of the final training loss and of each prediction, with theirs; with too few seeds for an interval, their range.
    """
    found: dict[Setting, dict[str, Values]] = {}
    for setting, by_name in numbers.items():
        for name in [name for name in by_name if name != "bits"] if setting.stage != "tuning" else ():
            lost = np.inf if name.endswith("loss") or setting.stage == "reproduction" else np.nan
            values = np.array([lost if value is None else np.float32(value) for value in by_name[name]], float)
            values = values[~np.isnan(values)]
            if setting.stage == "evaluation":
                value, ends = intervals.interquartile_mean(values), intervals.interquartile_mean_interval(values)
            else:
                value, ends = intervals.quartiles(values)[1], intervals.median_interval(values)
            if np.isnan(ends).any() and len(values):
                ends = values.min(), values.max()
            found.setdefault(setting, {})[name] = _rounded((value, *ends))
    return found


def chosen_of(experiment: Experiment, numbers: Numbers) -> dict[Cell, Trial]:
    """The trial that the tuning runs' numbers choose for each cell."""
    rows = [
        {
            **setting.cell._asdict(),
            "learning_rate": setting.trial.learning_rate,
            "hyperparameters": json.dumps(dict(setting.trial.hyperparameters)),
            "final_validation_loss": np.nan if loss is None else float(np.float32(loss)),
            "outcome": "diverged" if loss is None else "finished" if steps is None else "reached target",
            "ended_at": steps or 0,
        }
        for setting, content in numbers.items()
        if setting.stage == "tuning"
        for loss, steps in zip(
            content["validation_loss"], content.get("steps_to_target", [None] * len(setting.seeds)), strict=True
        )
    ]
    chosen = choose(experiment, rates(histories.counting_lost(pd.DataFrame(rows))))
    return {
        Cell(*row[:4]): Trial(row[4], tuple(json.loads(row[5]).items()))
        for row in chosen[[*CELL, *TRIAL]].itertuples(index=False)
    }


def surroundings_of(environments: pd.DataFrame) -> list[dict[str, str]]:
    """In what surroundings runs were trained, sorted: what of the table of provenance can change a run's bits."""
    known = [*HARDWARE, *COMPUTING_PACKAGES]
    rows = environments[known].drop_duplicates().sort_values(known).to_dict("records")
    return [{**row, "program": published_file.software()["program"]} for row in rows]


def _checked(experiment: Experiment, results: Path) -> dict[str, dict[str, Any]]:
    """What the checks of those problems found out that were checked."""
    files = {problem: check_file(results, problem) for problem in experiment.problems}
    return {problem: json.loads(file.read_bytes()) for problem, file in files.items() if file.is_file()}


def _data(checks: dict[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    """The digests of each problem's data and of its model."""
    return {problem: {name: check[name] for name in ("data", "model")} for problem, check in checks.items()}


def _printed(published: Certificate, setting: Setting) -> dict[str, Values]:
    """The headline numbers of a setting as the published file has them."""
    if setting.stage == "tuning":
        return {}
    place = published["reproductions"].get(setting.reproduction) or published["cells"]["/".join(map(str, setting.cell))]
    headlines = {name: value for name, value in place.items() if isinstance(value, list)}
    return {name: _rounded([math.inf if end is None else end for end in value]) for name, value in headlines.items()}


def _inconsistent(published: Certificate, experiment: Experiment, numbers: Numbers) -> Iterator[Place]:
    """The headline numbers of a published file that do not follow from the numbers of its own runs."""
    chosen = chosen_of(experiment, numbers)
    for setting, found in headlines_of(numbers).items():
        place = setting.reproduction or "/".join(map(str, setting.cell))
        if setting.stage == "evaluation" and setting.trial != chosen[setting.cell]:
            yield f"{place}.chosen", _in_json(setting.trial), _in_json(chosen[setting.cell])
        printed = _printed(published, setting)
        for name, values in found.items():
            if printed.get(name) != values:
                yield f"{place}.{name}", printed.get(name, published_file.ABSENT), values


def _different(setting: Setting, there: dict[str, list[Any]], here: dict[str, list[Any]]) -> Iterator[Different]:
    """What differs of a setting's runs: each number that is another one, or their histories where no number is."""
    for place, seed in enumerate(setting.seeds):
        moved = there["bits"][place] != here["bits"][place]
        pairs = {name: (values[place], here[name][place]) for name, values in there.items() if name in here}
        unlike = [name for name, (one, other) in pairs.items() if not published_file.same(one, other)]
        for name in [name for name in unlike if name != "bits"] or unlike:
            one, other = pairs[name]
            numbers = name != "bits" and None not in (one, other)
            yield Different(setting, seed, name, one, other, _relative(one, other) if numbers else None, moved)


def _relative(one: float, other: float) -> float:
    return abs(one - other) / (max(abs(one), abs(other)) or 1)


def _elsewhere(published: list[dict[str, str]], here: list[dict[str, str]]) -> Iterator[Place]:
    """The surroundings of here that are none of the published ones, by what they differ in from those."""
    for name in (*HARDWARE, *SOFTWARE):
        one, other = (sorted({surroundings[name] for surroundings in all_of}) for all_of in (published, here))
        if not set(other) <= set(one):
            yield name, ", ".join(one), ", ".join(other)


def _names(stage: str, rows: pd.DataFrame) -> list[str]:
    """The final numbers that are published of runs of a stage: those by which the headlines come about."""
    if stage != "reproduction":
        return ["validation_loss" if stage == "tuning" else "test_loss"]
    probes = histories.probes(name.removeprefix("final_") for name in rows)
    return ["train_loss", *(name for name in probes if rows[f"final_{name}"].notna().any())]


def _short(value: float) -> float | None:
    """A number of single precision in as few digits as tell it from all others; None where there is none."""
    return None if pd.isna(value) else float(str(np.float32(value)))


def _rounded(values: Iterable[float]) -> Values:
    """Six digits of each; what is no number was too bad to be one."""
    value, lower, upper = (math.inf if math.isnan(one) else float(f"{one:.6g}") for one in values)
    return value, lower, upper


def _in_json(values: Values | Trial) -> Any:
    """A headline as [number, lower, upper], null where infinite; a trial as its values by name."""
    if isinstance(values, Trial):
        return {"learning_rate": values.learning_rate, **dict(values.hyperparameters)}
    return [None if math.isinf(one) else one for one in values]
