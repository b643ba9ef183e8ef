"""What tables are built from: the runs that training left, and what follows from them."""

import json
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from thalweg.analysis import comparing, histories, targets, timings
from thalweg.analysis.choose import CELL, TRIAL, best, choose, rates
from thalweg.analysis.claims.runs import Results, Targets
from thalweg.experiment.schema import Experiment
from thalweg.results import layout


class Inputs:
    """What training left of an experiment, and the frames that several tables are built from, each made when it is
    first asked for."""

    def __init__(self, experiment: Experiment, results: Path) -> None:
        self.experiment = experiment
        self.results = results

    @cached_property
    def _trained(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        runs, recorded = histories.trained(self.experiment, self.results)
        runs["log_test_loss_area"] = targets.areas(runs, recorded)
        runs["examples_to_target"] = comparing.examples_to_target(self.experiment, runs)
        return runs, recorded

    @property
    def runs(self) -> pd.DataFrame:
        """All runs with their outcomes. Raises FileNotFoundError where nothing was trained."""
        return self._trained[0]

    @property
    def recorded(self) -> pd.DataFrame:
        """The histories of all runs."""
        return self._trained[1]

    @cached_property
    def counted(self) -> pd.DataFrame:
        """All runs, where one that did not finish counts as the worst."""
        return histories.impute_failed(self.runs)

    @cached_property
    def tuning(self) -> pd.DataFrame:
        """The tuning runs among these."""
        return self.counted[self.counted["stage"] == "tuning"]

    @cached_property
    def by_rate(self) -> pd.DataFrame:
        """How each trial of each cell did in tuning."""
        return rates(self.tuning)

    @cached_property
    def chosen(self) -> pd.DataFrame:
        """The trial that tuning chooses in each cell."""
        return choose(self.experiment, self.by_rate)

    @cached_property
    def evaluation(self) -> pd.DataFrame:
        """The evaluation runs at the chosen trials, where one that did not finish counts as the worst."""
        return self.counted[self.counted["stage"] == "evaluation"].merge(self.chosen[[*CELL, *TRIAL]])

    @cached_property
    def preferred(self) -> pd.DataFrame:
        """The cell and trial that tuning prefers of each problem and optimizer."""
        return best(self.chosen, self.by_rate, CELL[:2])

    @cached_property
    def examples(self) -> dict[str, int]:
        """How many examples the training split of each problem has."""
        return targets.examples_of(self.experiment, self.results)

    @cached_property
    def target_times(self) -> pd.DataFrame:
        """When each evaluation run reaches each target of its problem."""
        of_problems = targets.of_problems(self.experiment, self.evaluation)
        return targets.times(self.evaluation, self.recorded, of_problems, self.experiment, self.examples)

    @cached_property
    def truths(self) -> Targets:
        """The true values at the probe points of each problem."""
        return probe_targets(self.experiment, self.results)

    @cached_property
    def claimed(self) -> Results:
        """What claims are judged on."""
        return Results(self.counted, self.evaluation, self.recorded, self.truths)

    @cached_property
    def turns(self) -> pd.DataFrame:
        """What was timed in turn."""
        return timings.read(self.experiment, self.results)

    @cached_property
    def measurements(self) -> pd.DataFrame:
        """Where each run was trained, by what, and how long that took: a row a distinct run."""
        return histories.read(self.experiment, self.results, "measured").drop_duplicates("run")


def probe_targets(experiment: Experiment, results: Path) -> dict[str, list[tuple[list[float], float]]]:
    """For each problem with probe points, in the order of the columns probe_0, probe_1 …: the point, the true value."""
    targets = {}
    for problem in experiment.problems:
        file = layout.check_file(results, problem)
        probe = json.loads(file.read_text(encoding="utf-8")).get("probe") if file.is_file() else None
        if probe:
            pairs = zip(probe["inputs"], probe["targets"], strict=True)
            targets[problem] = [(list(np.ravel(x)), float(truth)) for x, truths in pairs for truth in np.ravel(truths)]
    return targets
