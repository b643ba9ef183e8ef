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
    record = {"outcome": outcome, "time_limit": had}
    assert train.usable(record, limit) == (record if used else None)
    assert train.usable(None, limit) is None


def test_what_lies_under_another_runs_name_is_set_aside(tmp_path, capsys):
    record = {"identity": {"seed": 1}, "history": {}}
    own, other = digest({"seed": 1}), digest({"seed": 2})
    for name in (own, other):
        store.write_run(tmp_path, name, record)
    assert train.stored_run(tmp_path, own) == record
    assert train.stored_run(tmp_path, other) is None
    assert "is damaged (it is another run); set aside" in capsys.readouterr().err
    assert store.read_run(tmp_path, other) is None
