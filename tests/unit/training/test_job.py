"""The job: which stored records it uses, and what it leaves of the others."""

import pytest

from thalweg.training import job


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
    assert job.usable(record, limit) == (record if used else None)
    assert job.usable(None, limit) is None
