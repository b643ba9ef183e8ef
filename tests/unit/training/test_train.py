"""The job: which stored records it uses, and what it leaves of the others."""

import pytest

from thalweg.hashing import digest
from thalweg.results import store
from thalweg.training.jobs import train


@pytest.mark.parametrize(
    ("outcome", "had", "limit", "used"),
    [
        ("finished", None, 5.0, True),
        ("diverged", 60.0, None, True),
        ("reached target", 60.0, 600.0, True),
        ("out of time", 60.0, 60.0, True),
        ("out of time", 60.0, 30.0, True),
        ("out of time", 60.0, 61.0, False),
        ("out of time", 60.0, None, False),
    ],
)
def test_a_run_that_was_out_of_time_is_trained_again_where_it_would_have_more(outcome, had, limit, used):
    record = {"outcome": outcome, "time_limit": had, "quantities": {"norm": "digest"}}
    assert train.usable(record, limit, {"norm": "digest"}) == (record if used else None)
    assert train.usable(None, limit, {}) is None


@pytest.mark.parametrize(
    ("wanted", "used"),
    [
        ({}, True),
        ({"norm": "a"}, True),
        ({"norm": "a", "noise": "b"}, True),
        ({"norm": "a", "weights": "c"}, False),
        ({"norm": "another formula"}, False),
    ],
)
def test_a_stored_run_serves_who_wants_no_more_than_it_recorded(wanted, used):
    record = {"outcome": "finished", "time_limit": None, "quantities": {"norm": "a", "noise": "b"}}
    assert train.usable(record, None, wanted) == (record if used else None)


def test_histories_have_the_quantities_that_the_experiment_records_and_no_others():
    history = {
        "step": [0, 4],
        "learning_rate": [None, 0.1],
        "train_loss": [2.0, 1.0],
        "gradient_norm": [None, 1.0],
        "weight_0": [0.0, 0.5],
    }
    records = {"run": {"history": history, "steps_per_epoch": 2}}
    assert train.histories_table(records, ["weights"])["weight_0"].to_pylist() == [0.0, 0.5]
    table = train.histories_table(records, [])
    assert table.column_names == ["run", "step", "epoch", "learning_rate", "train_loss", "gradient_norm"]


def test_what_lies_under_another_runs_name_is_set_aside(tmp_path, capsys):
    record = {"identity": {"seed": 1}, "history": {}}
    own, other = digest({"seed": 1}), digest({"seed": 2})
    for name in (own, other):
        store.write_run(tmp_path, name, record)
    assert train.stored_run(tmp_path, own) == record
    assert train.stored_run(tmp_path, other) is None
    assert "is damaged (it is another run); set aside" in capsys.readouterr().err
    assert store.read_run(tmp_path, other) is None
