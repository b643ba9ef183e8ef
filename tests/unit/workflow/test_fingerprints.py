"""What jobs are made from."""

from pathlib import Path

import pytest

from thalweg.experiment.errors import ExperimentError
from thalweg.experiment.loading import load
from thalweg.workflow import fingerprints

SMOKE = load(Path(__file__).parents[3] / "experiments/smoke.yaml")


def test_a_file_beside_the_experiment_that_cannot_be_read_is_named(monkeypatch):
    def refuse(file):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(fingerprints, "file_digest", refuse)
    with pytest.raises(
        ExperimentError, match=r"smoke.yaml has 1 mistake; nothing was trained:\n .*: Permission denied; a p"
    ):
        fingerprints.of_experiment(SMOKE)
