"""Mistakes that only Keras can find: each is told with its place and mend, before anything trains."""

import sys
from pathlib import Path

import pytest

from thalweg.grid.experiment import load
from thalweg.training import check

EXPERIMENT = """\
title: An experiment
problems:
  {name}: {{batch_sizes: [4], epochs: 5}}
optimizers:
  one: {optimizer}
schedules:
  one: {schedule}
seeds: {{tuning: 1, evaluation: 1}}
"""

PROBLEM = '''\
import keras
import numpy as np

from thalweg.training.problem import Problem, Split

x = np.linspace(0, 1, 10, dtype=np.float32)[:, None]


def problem():
    """A line."""
    return Problem(
        model=lambda: keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]),
        loss="mse",
        train=Split(x, x),
        validation=Split(x, x),
        test=Split(x, x),
    )
'''


@pytest.fixture
def write(tmp_path):
    """Write an experiment with one problem of a name of its own: Python imports a module of a name once."""
    (tmp_path / "problems").mkdir()
    name = tmp_path.name.lower()

    def write(problem=PROBLEM, optimizer="{class: SGD, learning_rates: [0.1]}", schedule="{}"):
        (tmp_path / f"problems/{name}.py").write_text(problem)
        file = tmp_path / "one.yaml"
        file.write_text(EXPERIMENT.format(name=name, optimizer=optimizer, schedule=schedule))
        return load(file), name

    return write


@pytest.fixture(autouse=True)
def importable(monkeypatch, tmp_path):
    """The namespace `problems` is found anew in each test's own folder."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in [name for name in sys.modules if name.partition(".")[0] == "problems"]:
        del sys.modules[name]


def test_a_good_problem_is_described(write):
    found = check.check_problem(*write())
    assert found["mistakes"] == []
    assert found["description"] == "A line."
    assert found["splits"]["train"]["examples"] == 10
    assert found["splits"]["train"]["digest"] == found["splits"]["test"]["digest"]
    assert (found["parameters"], found["input_shape"], found["output_shape"]) == (2, [1], [1])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("return Problem(", "return dict(", ".py: TypeError: problem() must return a thalweg.training.problem.Problem"),
        ("    return Problem(", "    1 / 0\n    return Problem(", ".py, line 11: ZeroDivisionError: division by zero"),
        ("def problem", "def problems", "AttributeError: module 'problems."),
        ("import keras\n", "import kerass\n", ".py, line 1: ModuleNotFoundError: No module named 'kerass'"),
        ("train=Split(x, x)", "train=Split(x, x[:9])", ".py: train has 10 inputs but 9 targets"),
        ("train=Split(x, x)", "train=Split(x / 0, x)", ".py: train.x holds 10 values that are not finite"),
        ("test=Split(x, x)", "test=Split(x[:0], x[:0])", ".py: test.x is empty"),
        ("test=Split(x, x)", "test=Split(list(x), x)", ".py: test.x must be a NumPy array of examples, not list"),
        ("keras.layers.Dense(1)", "keras.layers.ReLU()", ".py: the model has no trainable weights"),
        ("keras.Input((1,))", "keras.Input((3,))", ".py: ValueError: "),
        ('loss="mse"', 'loss="mean_squared"', ".py: ValueError: "),
        ("train=Split(x, x)", "train=Split(x[:3], x[:3])", ".batch_sizes: 4 is more than the 3 training examples"),
        ("validation=Split(x, x)", "validation=Split(np.ones((5, 7)), x[:5])", ".py: validation: ValueError: "),
        ('loss="mse"', 'loss="sparse_categorical_crossentropy"', ".py: train: "),
        (
            "test=Split(x, x),",
            "test=Split(x, x), probe=Split(x[:2], x[:3]),",
            "probe: has 3 targets for 2 predicted val",
        ),
        ("test=Split(x, x),", "test=Split(x, x), probe=Split(np.ones((2, 5)), x[:2]),", ".py: ValueError: "),
        ("test=Split(x, x)", "test=Split(x, x + np.random.rand())", "makes other data at each call"),
        (
            'loss="mse"',
            'loss="mse", metrics={"a b": keras.metrics.mean_squared_error}',
            "metrics: 'a b' is no name for a metric",
        ),
    ],
)
def test_a_mistake_in_a_problem_file_is_told_with_its_place(write, old, new, message):
    assert old in PROBLEM
    mistakes = check.check_problem(*write(PROBLEM.replace(old, new)))["mistakes"]
    assert mistakes
    assert message in mistakes[0]


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ("{class: Adan, learning_rates: [0.1]}", "class: Adan is not in keras.optimizers (did you mean Adam?)"),
        ("{class: SGD, momentun: 0.9, learning_rates: [0.1]}", "momentun: SGD takes no such argument (did you mean mo"),
        ("{class: SGD, momentum: 9, learning_rates: [0.1]}", "`momentum` must be a float between [0, 1]"),
        ("{class: nowhere:Mine, learning_rates: [0.1]}", "class: nowhere:Mine cannot be imported: No module named"),
        ("{class: schedules, learning_rates: [0.1]}", "class: schedules is no Optimizer of Keras"),
        ("{class: SGD, clipnorm: x, learning_rates: [0.1]}", "not supported between instances of 'str' and 'int'"),
        (
            "{class: SGD, gradient_accumulation_steps: 2, learning_rates: [0.1]}",
            "gradient_accumulation_steps: is not s",
        ),
        ("{class: Optimizer, learning_rates: [0.1]}", "NotImplementedError"),
        ("{class: SGD, use_ema: true, learning_rates: [0.1]}", "use_ema: is not supported, for Keras replaces"),
        ("{class: ScheduleFreeAdamW, learning_rates: [0.1]}", "ScheduleFreeAdamW: is not supported, for its update"),
    ],
)
def test_a_mistake_in_an_optimizer_is_told_with_its_key(write, optimizer, message):
    experiment, _ = write(optimizer=optimizer)
    mistakes = list(check.optimizer_mistakes(experiment))
    assert mistakes
    assert mistakes[0].startswith("optimizers.one: ")
    assert message in mistakes[0]


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (
            "{class: CosineDekay, decay_steps: 9}",
            "class: CosineDekay is not in keras.optimizers.schedules (did you mean C",
        ),
        (
            "{class: CosineDecay, decay_step: 9}",
            "decay_step: CosineDecay takes no such argument (did you mean decay_st",
        ),
        ("{class: CosineDecay}", "missing 1 required positional argument: 'decay_steps'"),
        ("{class: CosineDecay, decay_steps: 9, initial_learning_rate: 1}", "initial_learning_rate: the grid sets the"),
        ("{class: ExponentialDecay, decay_steps: 1, decay_rate: -2}", "the rate at step 7 of "),
    ],
)
def test_a_mistake_in_a_schedule_is_told_with_its_key(write, schedule, message):
    experiment, name = write(schedule=schedule)
    mistakes = list(check.schedule_mistakes(experiment, {name: 10}))
    assert mistakes
    assert all(mistake.startswith("schedules.one: ") for mistake in mistakes)
    assert message in mistakes[0]


def test_the_article_s_optimizers_and_schedules_have_no_mistakes():
    article = load(Path(__file__).parents[3] / "experiments/article.yaml")
    assert list(check.optimizer_mistakes(article)) == []
    assert list(check.schedule_mistakes(article, dict.fromkeys(article.problems, 1000))) == []
