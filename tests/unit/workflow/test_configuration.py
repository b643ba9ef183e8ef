"""What a user may ask for with --config."""

from pathlib import Path

import pytest

from thalweg.experiment.errors import ExperimentError
from thalweg.experiment.loading import load
from thalweg.workflow import configuration

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
SMOKE = load(EXPERIMENTS / "smoke.yaml")


def test_names_may_be_left_out_from_the_right():
    names = {"problem": "linear", "optimizer": "sgd", "schedule": "constant", "batch_size": "6"}
    for count in range(1, 5):
        part = dict(list(names.items())[:count])
        assert configuration.part_of_grid(SMOKE, "/".join(part.values())) == part


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
def test_an_unknown_name_is_reported_with_the_known_ones(cell, message):
    with pytest.raises(ExperimentError) as raised:
        configuration.part_of_grid(SMOKE, cell)
    text = str(raised.value)
    assert text.startswith(f"cell={cell}: ")
    assert message in text
    assert text.endswith(f"write {configuration.CELL_FORM}")
    assert "--config cell=PROBLEM/OPTIMIZER/SCHEDULE/BATCH_SIZE" in configuration.CELL_FORM


def test_an_unknown_setting_is_reported_with_the_known_ones():
    configuration.check_settings(dict.fromkeys(["experiment", "cell", "claims"], "one") | {"incomplete": "no"})
    with pytest.raises(ExperimentError) as raised:
        configuration.check_settings(dict.fromkeys(["experimnt", "experiment", "x"], "one"))
    assert str(raised.value) == (
        "--config experimnt=: is no setting (did you mean experiment?); x=: is no setting; "
        "there are experiment, cell, claims, sample, seed, incomplete"
    )
    with pytest.raises(ExperimentError, match="--config incomplete=maybe: must be yes or no"):
        configuration.check_settings({"incomplete": "maybe"})


def read(**settings):
    return configuration.read_configuration({"experiment": "smoke", **settings}, EXPERIMENTS)


def test_settings_become_what_the_rules_use(tmp_path):
    claims = tmp_path / "mine.yaml"
    claims.write_text(
        "claims: {lower: {says: adam ends lower, compare: {optimizer: adam, with: sgd}, "
        "measure: final train loss, expect: lower}}"
    )
    default = read()
    assert (default.experiment, default.experiment_file) == (SMOKE, EXPERIMENTS / "smoke.yaml")
    assert (default.cell, default.claims, default.sample, default.seed) == ({}, "", "100%", 1)
    assert not default.incomplete
    given = read(cell="linear/sgd", claims=str(claims), sample="5%", seed=7, incomplete="yes")
    assert (given.cell, given.claims, given.sample, given.seed) == (
        {"problem": "linear", "optimizer": "sgd"},
        str(claims),
        "5%",
        7,
    )
    assert given.incomplete


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"experiment": "smok"}, r"experiment=smok: .* has no such experiment \(did you mean smoke\?\)"),
        ({"cell": "linear/sdg"}, "cell=linear/sdg: 'sdg' is not among the optimizers"),
        ({"claims": "nowhere.yaml"}, "nowhere.yaml: No such file or directory"),
        ({"sample": "5"}, "sample=5: must be a share of the published runs, as in sample=5%"),
        ({"seed": "x"}, "seed=x: must be a whole number"),
        ({"seed": True}, "seed=True: must be a whole number"),
    ],
)
def test_a_value_that_cannot_be_used_is_reported(settings, message):
    with pytest.raises(ExperimentError, match=message):
        read(**settings)


@pytest.mark.parametrize(
    ("settings", "rules", "message"),
    [
        ({}, {"retrain"}, f"retrain: of which cell? Write {configuration.CELL_FORM}"),
        ({}, {"judge"}, "judge: which claims? Write --config claims=FILE, a YAML file with claims"),
        (
            {"cell": "linear"},
            {"report"},
            "cell=linear: is of retrain alone; write snakemake … retrain --config …",
        ),
        ({"sample": "5%"}, {"all"}, "sample=: is of verify alone; write snakemake … verify --config …"),
        ({"sample": "5%", "seed": 1}, set(), "sample, seed=: is of verify alone; write snakemake … verify --config …"),
    ],
)
def test_rules_and_settings_must_fit(settings, rules, message):
    with pytest.raises(ExperimentError) as raised:
        configuration.check_rules(read(**settings), rules)
    assert str(raised.value) == message


def test_nothing_can_be_verified_where_nothing_is_published():
    smoke = read(sample="5%")
    assert smoke.sampled_pairs == []
    with pytest.raises(ExperimentError, match=r"^verify: .*does not exist: nothing of smoke is published"):
        configuration.check_rules(smoke, {"verify"})
    configuration.check_rules(read(), {"report", "tables"})
