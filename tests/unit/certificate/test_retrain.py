"""Retraining: in what two records of a run are told to differ, and in what not."""

import copy
import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest

from thalweg.certificate import retrain
from thalweg.certificate.differences import (
    ABSENT,
    SURROUNDINGS_OF_RECORDS,
    Difference,
    is_software,
    record_differences,
    record_surroundings,
    surroundings_differences,
)
from thalweg.experiment.loading import load
from thalweg.grid import Run, cells

RECORD = {
    "identity": {"optimizer": {"class": "SGD", "arguments": {"momentum": 0.9}}, "versions": {"numpy": "2.1.0"}},
    "history": {
        "step": [0, 1, 5, 20],
        "learning_rate": [None, 0.1, 0.1, 0.1],
        "train_loss": [1.0, 0.5, 0.25, 0.0],
        "validation_loss": [2.0, 1.0, None, -0.5],
    },
    "outcome": "finished",
    "ended_at": 20,
    "time_limit": None,
    "steps": 20,
    "steps_per_epoch": 2,
    "measured": {"seconds": 0.1, "instruction_set": "x86_64 avx2", "tensorflow": "2", "keras": "3", "numpy": "2.1.0"},
}


def changed(*path, to):
    """A copy of RECORD with another value there."""
    record = copy.deepcopy(RECORD)
    inner = record
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return record


def cut(points, **others):
    """A copy of RECORD with that many points."""
    history = {name: values[:points] for name, values in RECORD["history"].items()}
    return {**copy.deepcopy(RECORD), "history": history, **others}


def test_equal_records_do_not_differ_whatever_was_measured():
    assert record_differences(RECORD, copy.deepcopy(RECORD)) == []
    assert record_differences(RECORD, changed("measured", "seconds", to=9.0)) == []
    assert record_differences(RECORD, changed("time_limit", to=60.0)) == []
    assert record_differences(RECORD, json.loads(json.dumps(RECORD))) == []


@pytest.mark.parametrize(
    ("column", "point"),
    [
        (column, point)
        for column, values in RECORD["history"].items()
        for point, value in enumerate(values)
        if isinstance(value, float)
    ],
)
def test_the_last_bit_of_any_value_is_found_at_its_step(column, point):
    value = RECORD["history"][column][point]
    other = float(np.nextafter(value, np.inf))
    relative = abs(other - value) / max(abs(other), abs(value))
    assert record_differences(RECORD, changed("history", column, point, to=other)) == [
        Difference(column, value, other, relative, RECORD["history"]["step"][point])
    ]


def test_the_first_step_is_named_with_the_largest_relative_difference_of_all():
    again = changed("history", "train_loss", to=[1.0, 0.5 + 1e-6, 0.5, 0.0])
    assert record_differences(RECORD, again) == [Difference("train_loss", 0.5, 0.5 + 1e-6, 0.5, step=1)]


def test_columns_come_by_their_first_step_and_after_all_else():
    again = changed("history", "learning_rate", 3, to=0.2)
    again["history"]["validation_loss"][1] = 1.5
    again["outcome"] = "reached target"
    assert [one.name for one in record_differences(RECORD, again)] == ["outcome", "validation_loss", "learning_rate"]


@pytest.mark.parametrize(
    ("stored", "again", "relative"),
    [(0.0, -0.0, 0.0), (1.0, 1, 0.0), (0.5, None, None), (None, 0.5, None), (0.5, math.nan, None)],
)
def test_nulls_signs_and_types_are_told_apart(stored, again, relative):
    one, other = (changed("history", "train_loss", 1, to=value) for value in (stored, again))
    (found,) = record_differences(one, other)
    assert repr(found) == repr(Difference("train_loss", stored, again, relative, step=1))
    assert record_differences(other, other) == []


def test_a_point_that_one_of_them_lacks_is_found():
    names = ["step", "learning_rate", "train_loss", "validation_loss"]
    assert record_differences(RECORD, cut(3)) == [
        Difference(name, RECORD["history"][name][3], ABSENT, step=20) for name in names
    ]
    assert [(one.name, one.reference) for one in record_differences(cut(3), RECORD)] == [
        (name, ABSENT) for name in names
    ]


def test_a_column_that_one_of_them_lacks_is_found():
    again = copy.deepcopy(RECORD)
    del again["history"]["train_loss"]
    assert record_differences(RECORD, again) == [Difference("train_loss", 1.0, ABSENT, step=0)]


def test_another_end_is_found():
    again = cut(3, outcome="diverged", ended_at=7)
    found = record_differences(RECORD, again)
    assert found[:2] == [Difference("outcome", "finished", "diverged"), Difference("ended_at", 20, 7)]


def test_what_has_changed_of_an_identity_is_named():
    assert record_differences(RECORD, changed("identity", "versions", "numpy", to="2.2.0")) == [
        Difference("identity.versions.numpy", "2.1.0", "2.2.0")
    ]
    assert record_differences(RECORD, changed("identity", "optimizer", "arguments", to={})) == [
        Difference("identity.optimizer.arguments.momentum", 0.9, ABSENT)
    ]


def test_a_run_that_was_out_of_time_is_compared_as_far_as_it_came():
    late = cut(3, outcome="out of time", ended_at=9)
    assert record_differences(late, RECORD) == record_differences(RECORD, late) == []
    late["history"]["train_loss"][2] = 0.2
    (found,) = record_differences(late, RECORD)
    assert (found.name, found.step) == ("train_loss", 5)
    earlier = cut(2, outcome="diverged", ended_at=3)
    assert {"outcome", "ended_at"} < {one.name for one in record_differences(late, earlier)}


def surroundings(stored, again):
    return surroundings_differences(
        [record_surroundings(stored)], [record_surroundings(again)], SURROUNDINGS_OF_RECORDS
    )


def test_other_processors_and_versions_are_named():
    assert surroundings(RECORD, changed("measured", "seconds", to=9.0)) == []
    assert surroundings(RECORD, changed("measured", "instruction_set", to="x86_64")) == [
        Difference("instruction_set", "x86_64 avx2", "x86_64")
    ]
    assert surroundings(changed("identity", "program", to="ab"), changed("identity", "program", to="cd")) == [
        Difference("program", "ab", "cd")
    ]


def test_software_is_told_apart_from_what_else_an_identity_has():
    for path in (("versions", "numpy"), ("program",)):
        assert all(map(is_software, record_differences(RECORD, changed("identity", *path, to="1.0"))))
    for record in (changed("identity", "optimizer", "class", to="Adam"), changed("history", "train_loss", 1, to=0.1)):
        assert not any(map(is_software, record_differences(RECORD, record)))


@pytest.mark.parametrize("made_up", ["small", "wide"])
def test_the_runs_that_results_hold_are_known_with_their_digests(request, made_up):
    file, results = request.getfixturevalue(made_up)
    experiment = load(file)
    for problem, optimizer in itertools.product(experiment.problems, experiment.optimizers):
        held = retrain.stored_digests(results, problem, optimizer)
        wanted = itertools.product(cells(experiment, problem, optimizer), experiment.seeds.evaluation)
        assert sorted((run.cell, run.seed) for run in held) == sorted(wanted)
        rows = pd.read_parquet(results / "runs/evaluation" / problem / optimizer / "runs.parquet")
        rows = rows[rows["stage"] == "evaluation"]
        rebuilt = [{**run.row(), "run": digest} for run, digest in held.items()]
        assert rebuilt == rows[[*Run._fields, "run"]].to_dict("records")


def test_without_results_there_is_nothing_to_compare_with(tmp_path):
    with pytest.raises(FileNotFoundError):
        retrain.stored_digests(tmp_path, "linear", "sgd")


def test_quantities_that_only_one_of_them_recorded_are_not_compared():
    again = {**copy.deepcopy(RECORD), "quantities": {"gradient_noise": "ab"}}
    stored = {**copy.deepcopy(RECORD), "quantities": {"gradient_noise": "cd", "weights": "ab"}}
    stored["history"]["weight_0"] = stored["history"]["weight_1"] = [0.0, 0.1, 0.2, 0.3]
    stored["history"]["gradient_variance"] = again["history"]["gradient_variance"] = [0.0, 0.1, 0.2, 0.3]
    assert record_differences(stored, again) == record_differences(again, stored) == []
    again["history"]["gradient_variance"] = [0.0, 0.1, 0.2, 0.4]
    assert record_differences(stored, again) == [
        Difference("gradient_variance", 0.3, 0.4, abs(0.3 - 0.4) / 0.4, step=20)
    ]
