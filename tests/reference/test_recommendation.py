"""The Keras code of a report, executed: its optimizer and its learning rates are those that training used."""

import json

import keras
import numpy as np
import pytest
import yaml

from thalweg.experiment.loading import load
from thalweg.grid import schedule_arguments, warmup_steps
from thalweg.reporting.html import recommendation
from thalweg.training import schedules
from thalweg.training.engine import optimizers

EXPERIMENT = """
title: Code
problems:
  plain: {batch_sizes: [8], epochs: 25}
  half: {batch_sizes: [8], epochs: 25, precision: mixed_bfloat16}
  odd: {batch_sizes: [8], epochs: 30, drop_remainder: true, data_order: fixed, target: train_loss <= 0.1,
        end_at_target: true}
optimizers:
  sgd: {class: SGD, momentum: 0.9, nesterov: true, learning_rates: [0.03]}
  adamw: {class: AdamW, weight_decay: 0.004, learning_rates: [0.003]}
  searched:
    class: Adam
    epsilon: 1e-7
    search: {trials: 2, learning_rate: 1e-4 .. 1e-1, beta_1: 1 - (1e-2 .. 3e-1), amsgrad: [0, 1]}
  mine: {class: 'recommended_parts:Plain', learning_rates: [0.3]}
schedules:
  constant: {}
  warm: {warmup: 10 %}
  cosine: {class: CosineDecay, decay_steps: 100 %, alpha: 0.1}
  keras_warmup: {class: CosineDecay, warmup_steps: 10 %, decay_steps: 90 %}
  warm_cosine: {class: CosineDecay, decay_steps: 90 %, warmup: 10 %}
  restarts: {class: CosineDecayRestarts, first_decay_steps: 3 epochs}
  staircase: {class: ExponentialDecay, decay_rate: 0.96, decay_steps: 5 %, staircase: true}
  inverse: {class: InverseTimeDecay, decay_rate: 2.0, decay_steps: 1 epoch}
  polynomial: {class: PolynomialDecay, decay_steps: 50 %, power: 2.0}
  to_a_share: {class: PolynomialDecay, decay_steps: 50 %, end_learning_rate: 0.2}
  pieces: {class: PiecewiseConstantDecay, boundaries: [50 %, 75 %], values: [1, 0.1, 0.01], warmup: 2 epochs}
  linear: {class: LinearDecay, decay_steps: 100 %}
  trapezoid: {class: Trapezoidal, warmup_steps: 5 %, stable_steps: 50 %, decay_steps: 45 %, power: 0.5}
  cycle: {class: OneCycle, total_steps: 100 %}
  saw: {class: 'recommended_parts:Saw', teeth: 3, every: 20 steps, kind: soft, warmup: 5 steps}
seeds: {tuning: 2, evaluation: 2}
"""

PARTS = '''
import keras


class Plain(keras.optimizers.SGD):
    pass


class Saw(keras.optimizers.schedules.LearningRateSchedule):
    """Takes a rate of its own, and holds another that no factor scales."""

    def __init__(self, initial_learning_rate, teeth, every, kind, floor=0.01):
        assert kind == "soft"
        self.rate, self.teeth, self.every, self.floor = initial_learning_rate, teeth, every, floor

    def __call__(self, step):
        share = keras.ops.cast(step % self.every, "float32") / self.every
        return self.floor + self.rate * share / self.teeth
'''
EXAMPLES = 42
STEPS = (0, 1, 2, 7, 30, 70, 100, 149)
DRAWN = {"beta_1": 0.87, "amsgrad": 1}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recommended")
    (folder / "problems").mkdir()
    for name in ("plain", "half", "odd"):
        (folder / "problems" / f"{name}.py").write_text("", encoding="utf-8")
    (folder / "code.yaml").write_text(EXPERIMENT, encoding="utf-8")
    (folder / "recommended_parts.py").write_text(PARTS, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield load(folder / "code.yaml")


def cell(optimizer, schedule, problem="plain"):
    rate, drawn = {"sgd": 0.03, "adamw": 0.003, "mine": 0.3}.get(optimizer, 0.0123456789), DRAWN
    return {
        "problem": problem,
        "optimizer": optimizer,
        "schedule": schedule,
        "batch_size": 8,
        "learning_rate": rate,
        "hyperparameters": json.dumps(drawn if optimizer == "searched" else {}),
    }


def executed(code):
    """What the code leaves, given a model and data, and the arguments that `fit` was called with."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    x = np.linspace(-1, 1, EXAMPLES, dtype="float32")[:, None]
    names = {"model": model, "x": x, "y": 2 * x, "loss": "mean_squared_error"}
    fit, called = model.fit, {}
    model.fit = lambda *arguments, **named: called.update(named) or fit(*arguments, **named, verbose=0)
    exec(code, names)
    return names, called


def trained_rates(experiment, row):
    """The learning rate of every step, as training has it."""
    grid, schedule = experiment.problems[row["problem"]], experiment.schedules[row["schedule"]]
    horizon = grid.horizon(EXAMPLES, row["batch_size"])
    arguments, warmup = schedule_arguments(schedule, horizon), warmup_steps(schedule, horizon)
    table = schedules.table(schedule.class_name, arguments, horizon.steps, warmup)
    return schedules.applied(table, row["learning_rate"])


@pytest.mark.parametrize("schedule", yaml.safe_load(EXPERIMENT)["schedules"])
def test_the_code_takes_each_step_at_the_rate_of_training(experiment, schedule):
    row = cell("sgd", schedule)
    optimizer = executed(recommendation.keras_code(experiment, row, EXAMPLES))[0]["optimizer"]
    wanted = trained_rates(experiment, row)
    assert len(wanted) == optimizer.iterations == 150
    rates = []
    for step in STEPS:
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates, wanted[list(STEPS)], rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["sgd", "adamw", "searched", "mine"])
def test_the_optimizer_of_the_code_is_that_of_training(experiment, name):
    row = cell(name, "constant")
    left, called = executed(recommendation.keras_code(experiment, row, EXAMPLES))
    assert called == {"batch_size": 8, "epochs": 25}
    declared = experiment.optimizers[name]
    arguments = {**declared.arguments, **json.loads(row["hyperparameters"])}
    wanted = optimizers.build(declared.class_name, arguments, left["model"].trainable_variables).get_config()
    found = left["optimizer"].get_config()
    assert type(left["optimizer"]).__name__ == declared.class_name.rpartition(":")[2]
    assert found["learning_rate"] == pytest.approx(row["learning_rate"])
    apart = ("name", "learning_rate")  # Keras numbers the names, and training sets the rate at each step
    assert {key: found[key] for key in found if key not in apart} == {
        key: wanted[key] for key in wanted if key not in apart
    }


def test_the_code_says_what_fit_cannot(experiment):
    code = recommendation.keras_code(experiment, cell("sgd", "cosine", "odd"), EXAMPLES)
    assert executed(code)[1] == {"batch_size": 8, "epochs": 30, "shuffle": False}
    # 42 examples make 5 whole batches an epoch
    assert "decay_steps=150" in code
    for words in ("partial batch", "in that order", "train_loss was 0.1 or less"):
        assert words in code


def test_the_code_sets_the_precision_before_anything_is_made(experiment):
    code = recommendation.keras_code(experiment, cell("sgd", "cosine", "half"), EXAMPLES)
    before, _, after = code.partition("keras.config.set_dtype_policy('mixed_bfloat16')")
    assert "import keras" in before
    assert "keras.optimizers" not in before
    assert "keras.optimizers" in after


def test_the_code_says_where_classes_are_from(experiment):
    code = recommendation.keras_code(experiment, cell("mine", "saw"), EXAMPLES)
    assert "from recommended_parts import Plain  # recommended_parts.py lies beside code.yaml" in code
    assert "from thalweg.training.schedules import build  # needs the package thalweg" in code
    for ours in ("linear", "warm", "warm_cosine"):
        assert "needs the package thalweg" in recommendation.keras_code(experiment, cell("sgd", ours), EXAMPLES)
    for of_keras in ("constant", "cosine", "keras_warmup"):
        assert "thalweg" not in recommendation.keras_code(experiment, cell("sgd", of_keras), EXAMPLES)
