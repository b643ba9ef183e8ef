"""What a user may name of a grid at the front door."""

from pathlib import Path

import pytest

from thalweg.experiment.schema import ExperimentError, load
from thalweg.results import digests
from thalweg.workflow import launch

SMOKE = load(Path(__file__).parents[3] / "experiments/smoke.yaml")


def test_names_may_be_left_out_from_the_right():
    names = {"problem": "linear", "optimizer": "sgd", "schedule": "constant", "batch_size": "6"}
    for count in range(1, 5):
        part = dict(list(names.items())[:count])
        assert launch.part_of_grid(SMOKE, "/".join(part.values())) == part


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("linaer", "'linaer' is not among the problems (linear, sine, digits_cnn) (did you mean linear?);"),
        ("linear/", "'' is not among the optimizers"),
        ("linear/sgdd/constant", "'sgdd' is not among the optimizers"),
        ("linear/sgd/constant/7", "'7' is not among the batch sizes ("),
        ("linear/sgd/constant/6/1001", "it has 5 parts;"),
        ("sinus/sgd/const/7", "(did you mean sine?); 'const' is not among the schedules (constant"),
    ],
)
def test_a_wrong_name_is_told_with_what_there_is(cell, message):
    with pytest.raises(ExperimentError) as raised:
        launch.part_of_grid(SMOKE, cell)
    told = str(raised.value)
    assert told.startswith(f"cell={cell}: ")
    assert message in told
    assert told.endswith(f"write {launch.CELL_FORM}")
    assert "--config cell=PROBLEM/OPTIMIZER/SCHEDULE/BATCH_SIZE" in launch.CELL_FORM


def test_what_is_no_setting_is_told_with_what_there_is():
    launch.check_settings(dict.fromkeys(["experiment", "cell", "claims"], "one") | {"incomplete": "no"})
    with pytest.raises(ExperimentError) as raised:
        launch.check_settings(dict.fromkeys(["experimnt", "experiment", "x"], "one"))
    assert str(raised.value) == (
        "--config experimnt=: is no setting (did you mean experiment?); x=: is no setting; "
        "there are experiment, cell, claims, sample, seed, incomplete"
    )
    with pytest.raises(ExperimentError, match="--config incomplete=maybe: must be yes or no"):
        launch.check_settings({"incomplete": "maybe"})


def test_a_file_beside_the_experiment_that_cannot_be_read_is_named(monkeypatch):
    def refuse(file):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(digests, "of_file", refuse)
    with pytest.raises(
        ExperimentError, match=r"smoke.yaml has 1 mistake; nothing was trained:\n .*: Permission denied; a p"
    ):
        launch.parts(SMOKE)
