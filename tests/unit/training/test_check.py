"""Mistakes that only Keras can find: each is told with its place and mend, before anything trains."""

import sys
from pathlib import Path

import pytest

from thalweg.experiment.cross_checks import unknown_metrics
from thalweg.experiment.loading import load
from thalweg.results import files, layout
from thalweg.training.jobs import check, problem_check

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


import tensorflow as tf

from thalweg.training.problem import Source


class Own(keras.Sequential):
    def train_step(self, data):
        return super().train_step(data)


class Holder(keras.layers.Layer):
    def build(self, shape):
        self.held = tf.Variable(1.0)

    def call(self, x):
        return x * self.held


random = np.random.default_rng()


def drawn(shape, dtype=None):
    return random.normal(size=shape)


def endless(size, seed):
    return tf.data.Dataset.from_tensor_slices((x, x)).repeat().batch(size)


def only_for_graphs(x):
    return x * tf.strings.to_number(tf.strings.as_string(x))
'''

MODEL = "keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])"
OWN_STEP = "Own([keras.Input((1,)), keras.layers.Dense(1)])"
LAYERS = "keras.Sequential([keras.Input((1,)), {}, keras.layers.Dense(1)])"


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


@pytest.mark.parametrize(("layers", "count"), [("Dense(1)", 2), ("Dense(2)", 4), ("Dense(1, use_bias=False)", 1)])
def test_weights_are_recorded_of_a_model_that_has_two(write, layers, count):
    problem = PROBLEM.replace("Dense(1)", layers, 1).replace('loss="mse"', "loss=lambda y, z: (y - z[:, :1]) ** 2")
    experiment, name = write(problem)
    grid = experiment.problems[name].model_copy(update={"record": ("weights",)})
    found = problem_check.check_problem(experiment.model_copy(update={"problems": {name: grid}}), name)
    told = [f"problems.{name}.record: weights are recorded of a model with two; {name} has {count} to train"]
    assert found["mistakes"] == (told if count != 2 else [])


def test_a_good_problem_is_described(write):
    found = problem_check.check_problem(*write())
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
        ("train=Split(x, x)", "train=Split(x, x[:9])", ".py: train.x has 10 examples, but y has 9"),
        ("train=Split(x, x)", "train=Split(x / 0, x)", ".py: train.x holds 10 values that are not finite"),
        ("test=Split(x, x)", "test=Split(x[:0], x[:0])", ".py: test.x is empty"),
        ("test=Split(x, x)", "test=Split('x', x)", ".py: test.x must be a NumPy array of examples, not str"),
        ("keras.layers.Dense(1)", "keras.layers.ReLU()", ".py: the model has no trainable weights"),
        ("keras.Input((1,))", "keras.Input((3,))", ".py: ValueError: "),
        ('loss="mse"', 'loss="mean_squared"', ".py: ValueError: "),
        ("train=Split(x, x)", "train=Split(x[:3] + 2, x[:3])", ".batch_sizes: 4 is more than the 3 training examples"),
        ("validation=Split(x, x)", "validation=Split(np.ones((5, 7)), x[:5])", ".py: validation: ValueError: "),
        ('loss="mse"', 'loss="sparse_categorical_crossentropy"', ".py: train, validation, test: "),
        (
            "test=Split(x, x),",
            "test=Split(x, x), probe=Split(x[:2], x[:3]),",
            "probe.x has 2 examples, but y has 3",
        ),
        ("test=Split(x, x),", "test=Split(x, x), probe=Split(np.ones((2, 5)), x[:2]),", ".py: ValueError: "),
        ("test=Split(x, x)", "test=Split(x, x + np.random.rand())", "makes other data at each call"),
        (MODEL, OWN_STEP, "Own.train_step: a model's own is not used"),
        (MODEL, "keras.Model(i := keras.Input((1,)), [keras.layers.Dense(1)(i), i])", "must have one output, a tensor"),
        (
            MODEL,
            "keras.Sequential([keras.Input((2, 1), batch_size=5), keras.layers.LSTM(2, stateful=True, name='memory')])",
            "layer memory: keeps its state from batch to batch",
        ),
        (
            MODEL,
            LAYERS.format("keras.layers.Lambda(lambda x: x + tf.random.normal([1]), name='noise')"),
            "/random_normal/RandomStandardNormal: draws from TensorFlow's hidden state",
        ),
        (
            MODEL,
            LAYERS.format(
                "keras.layers.Lambda(lambda x: tf.ensure_shape(tf.numpy_function(np.abs, [x], tf.float32), x.shape))"
            ),
            "calls Python in the middle of a step",
        ),
        (MODEL, LAYERS.format("Holder()"), "is a tf.Variable, which all runs would share"),
        (
            MODEL,
            LAYERS.format("keras.layers.Lambda(only_for_graphs, name='picky')"),
            "XLA cannot compile the model (layer picky); write xla: false",
        ),
        ("train=Split(x, x)", "train=Split(x, x, x)", ".py: train.weights must be one number an example"),
        ("train=Split(x, x)", "train=Split(x, x, -x[:, 0] - 1)", ".py: train.weights must be one number an example"),
        (
            "train=Split(x, x)",
            "train=Source(lambda size, seed: tf.data.Dataset.from_tensors((x, x)), 12)",
            ".py: train: its batches hold 10 examples in an epoch, but examples says 12",
        ),
        ("train=Split(x, x)", "train=(x, x)", ".py: train must be a Split or a Source, not tuple"),
        (f"lambda: {MODEL}", f"lambda m={MODEL}: m", "model returns the same model each time"),
        (
            "keras.layers.Dense(1)])",
            "keras.layers.Dense(1, kernel_initializer=drawn)])",
            "the same seed draws other init",
        ),
        (
            MODEL,
            LAYERS.format("keras.layers.SpectralNormalization(keras.layers.Dense(2))"),
            "assigns to this trainable",
        ),
        (
            "train=Split(x, x)",
            "train=Source(endless, 10)",
            "train: its batches hold more examples in an epoch than the 10",
        ),
        (
            "test=Split(x, x),",
            "test=Split(x, x), probe=Split(x / 0, x),",
            "probe.x holds 10 values that are not finite",
        ),
        (
            'loss="mse"',
            'loss="mse", metrics={"a b": keras.metrics.mean_squared_error}',
            "metrics: 'a b' is no name for a metric",
        ),
        ("import keras\n", "import keras\n)\n", ".py, line 2: SyntaxError: unmatched ')'"),
        ("import keras\n", "import keras, sys\nsys.exit(0)\n", ".py, line 2: SystemExit: 0"),
        (
            "    return Problem(",
            "    raise SystemExit('enough')\n    return Problem(",
            ".py, line 11: SystemExit: enough",
        ),
        (
            "    return Problem(",
            "    x[99]\n    return Problem(",
            ".py, line 11: IndexError: index 99 is out of bounds",
        ),
        (
            "    return Problem(",
            "    print('{' * 9)\n    return None\n    return Problem(",
            "must return a thalweg.training.",
        ),
        ("def problem():", "def problem(size):", ".py: TypeError: problem() missing 1 required positional argument"),
        ("def problem():", "problem = 5\n\n\ndef other():", ".py: TypeError: 'int' object is not callable"),
        ('loss="mse",', 'los="mse",', "got an unexpected keyword argument 'los' (did you mean loss?)"),
        ('loss="mse",\n', "\n", "missing 1 required positional argument: 'loss'"),
        ('loss="mse"', "loss=5", ".py: "),
        ('loss="mse"', "loss=lambda y, z: y * float('nan')", "the loss at the initial weights is nan; are the targets"),
        (
            f"lambda: {MODEL}",
            MODEL,
            ".py: model must be a function that builds the model anew, not Sequential; write la",
        ),
        (f"lambda: {MODEL}", "5", ".py: model must be a function that builds the model anew, not int"),
        (f"lambda: {MODEL}", "lambda: 5", ".py: model must build a keras.Model, not int"),
        (f"lambda: {MODEL}", "lambda: 1 / 0", ".py, line 12: ZeroDivisionError: division by zero"),
        ('loss="mse"', 'loss="mse", metrics=["mae"]', ".py: metrics must be a dict of metrics by name, as in {'error"),
        (
            'loss="mse"',
            'loss="mse", metrics={"near": "acuracy"}',
            ".py: train, validation, test: ValueError: Could not",
        ),
        (
            'loss="mse"',
            'loss="mse", metrics={"m": lambda y, z: 1 / 0}',
            ".py: train, validation, test: ZeroDivisionError",
        ),
        ("test=Split(x, x)", "test=Split(x, x), probe=x", ".py: probe must be a Split, not ndarray"),
        ("test=Split(x, x)", "test=None", ".py: test must be a Split or a Source, not NoneType"),
        ("test=Split(x, x)", "test=Split(x.astype(object), x)", ".py: test.x holds object values; numbers are needed"),
        ("test=Split(x, x)", "test=Split(x, x.astype(str))", ".py: test.y holds <U"),
        (
            "test=Split(x, x)",
            "test=Split(x, np.where(x > 0.5, np.nan, x))",
            ".py: test.y holds 5 values that are not fini",
        ),
        (
            "test=Split(x, x)",
            "test=Split(x[:6], x[:6])",
            ": 6 of the 6 examples of test are in train too; draw the splits",
        ),
        (
            "validation=Split(x, x)",
            "validation=Split(np.vstack([x[:1], x + 2]), np.vstack([x[:1], x]))",
            ": 1 of the 11 e",
        ),
        ("train=Split(x, x)", "train=Source(lambda size, seed: 1 / 0, 10)", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_mistake_in_a_problem_file_is_told_with_its_place(write, old, new, message):
    assert old in PROBLEM
    mistakes = problem_check.check_problem(*write(PROBLEM.replace(old, new)))["mistakes"]
    assert mistakes
    assert message in mistakes[0]
    assert "Traceback" not in mistakes[0]
    assert len(mistakes) <= 2, "what is wrong with every split is told once"


def test_splits_may_share_examples_where_that_is_meant(write):
    experiment, name = write(PROBLEM.replace("test=Split(x, x)", "test=Split(x[:6], x[:6])"))
    grid = experiment.problems[name].model_copy(update={"shared_examples": True})
    found = problem_check.check_problem(experiment.model_copy(update={"problems": {name: grid}}), name)
    assert found["mistakes"] == []
    assert found["shared"] == [
        {"splits": ["train", "validation"], "examples": 10},
        {"splits": ["train", "test"], "examples": 6},
        {"splits": ["validation", "test"], "examples": 6},
    ]


def test_a_few_examples_may_be_there_twice_by_chance(write):
    twice = "test=Split(np.vstack([x[:1], x[1:] + 2]), x)"
    experiment, name = write(PROBLEM.replace("0, 1, 10", "0, 1, 200").replace("test=Split(x, x)", twice))
    found = problem_check.check_problem(experiment, name)
    assert found["mistakes"] == []
    assert {"splits": ["train", "test"], "examples": 1} in found["shared"]


def test_what_is_longer_than_memory_is_refused(write):
    experiment, name = write()
    grid = experiment.problems[name].model_copy(update={"epochs": 2**31 - 1})
    found = problem_check.check_problem(experiment.model_copy(update={"problems": {name: grid}}), name)
    steps = 3 * (2**31 - 1)
    assert found["mistakes"] == [
        f"problems.{name}.batch_sizes: 4 makes {steps:,} steps; at most 100,000,000 can be trained"
    ]


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ("{class: Adan, learning_rates: [0.1]}", "class: Adan is not in keras.optimizers (did you mean Adam?)"),
        ("{class: SGD, momentun: 0.9, learning_rates: [0.1]}", "momentun: SGD takes no such argument (did you mean mo"),
        ("{class: SGD, momentum: 9, learning_rates: [0.1]}", "`momentum` must be a float between [0, 1]"),
        ("{class: nowhere:Mine, learning_rates: [0.1]}", "class: nowhere:Mine cannot be imported: No module named"),
        ("{class: schedules, learning_rates: [0.1]}", "class: schedules is no Optimizer of Keras"),
        ("{class: SGD, clipnorm: x, learning_rates: [0.1]}", "not supported between instances of 'str' and 'int'"),
        ("{class: Optimizer, learning_rates: [0.1]}", "NotImplementedError"),
        ("{class: Adam, beta_1: [0.9], learning_rates: [0.1]}", "optimizers.one: "),
        ("{class: Adam, epsilon: tiny, learning_rates: [0.1]}", "optimizers.one: "),
        (
            "{class: SGD, learning_rate_: 1, learning_rates: [0.1]}",
            "takes no such argument (did you mean learning_rate?)",
        ),
        (
            "{class: 'mine:Own', learning_rates: [0.1]}",
            "class: mine:Own cannot be imported: module 'mine' has no attri",
        ),
        ("{class: 'raising:Own', learning_rates: [0.1]}", "class: raising:Own cannot be imported: division by zero"),
        ("{class: 'leaving:Own', learning_rates: [0.1]}", "class: leaving:Own cannot be imported: 3"),
        ("{class: 'os:system', learning_rates: [0.1]}", "class: os:system is no Optimizer of Keras"),
        (
            "{class: Adam, search: {trials: 2, learning_rate: [0.1], beta_3: 0.1 .. 0.2}}",
            "beta_3: Adam takes no such argument (did you mean beta_",
        ),
        (
            "{class: SGD, search: {trials: 9, learning_rate: [0.1], momentum: [0.5, 1.5]}}",
            "search: a trial with momentum at 1.5: `momentum` must be a float between [0, 1]",
        ),
    ],
)
def test_a_mistake_in_an_optimizer_is_told_with_its_key(write, tmp_path, optimizer, message):
    for module, text in (("mine", ""), ("raising", "1 / 0"), ("leaving", "raise SystemExit(3)")):
        (tmp_path / f"{module}.py").write_text(text)
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
        ("{class: LinearDekay, decay_steps: 9}", "is not in keras.optimizers.schedules (did you mean LinearDecay?)"),
        ("{class: OneCycle}", "missing 1 required positional argument: 'total_steps'"),
        ("{class: OneCycle, total_steps: 9, pct_start: 30}", "pct_start must be a share of the steps between 0 and 1"),
        ("{class: LinearDecay, decay_steps: 9, peak_learning_rate: 1}", "peak_learning_rate: the grid sets the peak"),
        ("{class: ReduceLROnPlateau, factor: 0.1}", "class: ReduceLROnPlateau is a callback, which acts on what trai"),
        ("{class: LearningRateScheduler}", "the rate of each step is known before training begins"),
        ('{class: "keras.callbacks:EarlyStopping"}', "class: keras.callbacks:EarlyStopping is a callback"),
        (
            "{class: CosineDecay, decay_steps: 5, warmup_steps: 5, warmup: 20 %}",
            "warmup: rises to the schedule's first rate, but that is 0",
        ),
        ("{class: CosineDecay}", "missing 1 required positional argument: 'decay_steps'"),
        ("{class: CosineDecay, decay_steps: 9, initial_learning_rate: 1}", "initial_learning_rate: the grid sets the"),
        ("{class: ExponentialDecay, decay_steps: 1, decay_rate: -2}", "the rate at step 1 of "),
        ("{class: ExponentialDecay, decay_steps: 0, decay_rate: 0.5}", "`decay_steps` must be > 0"),
        ("{class: ExponentialDecay, decay_steps: 1, decay_rate: 1e30}", "is inf of its peak"),
        ("{class: InverseTimeDecay, decay_steps: 1, decay_rate: -1}", "the rate at step 1 of "),
        ("{class: CosineDecay, decay_steps: 0}", "`decay_steps` must be > 0"),
        ("{class: CosineDecay, decay_steps: 99999999999999999999999}", "schedules.one: "),
        ("{class: LinearDecay, decay_steps: -5}", "schedules.one: "),
        ("{class: PiecewiseConstantDecay, boundaries: [1, 2], values: [1]}", "schedules.one: "),
        ("{class: CosineDecayRestarts, first_decay_steps: 0}", "schedules.one: "),
        ('{class: "nowhere:Own"}', "class: nowhere:Own cannot be imported: No module named 'nowhere'"),
        ("{class: Adam}", "class: Adam is not in keras.optimizers.schedules"),
    ],
)
def test_a_mistake_in_a_schedule_is_told_with_its_key(write, schedule, message):
    experiment, name = write(schedule=schedule)
    mistakes = list(check.schedule_mistakes(experiment, {name: 10}))
    assert mistakes
    assert all(mistake.startswith("schedules.one: ") for mistake in mistakes)
    assert message in mistakes[0]


@pytest.mark.parametrize(
    "schedule",
    [
        "{warmup: 5 epochs}",
        "{class: LinearDecay, decay_steps: 200 %, warmup: 3}",
        "{class: Trapezoidal, stable_steps: 70 %, decay_steps: 20 %, end: 0.1, warmup: 10 %}",
        "{class: OneCycle, total_steps: 50 %}",
        "{class: PiecewiseConstantDecay, boundaries: [10 %, 50 %], values: [1, 0.5, 0.1]}",
    ],
)
def test_a_good_schedule_has_no_mistakes(write, schedule):
    experiment, name = write(schedule=schedule)
    assert list(check.schedule_mistakes(experiment, {name: 10})) == []


CLAIM = """
claims:
  lower:
    says: it is lower
    compare: {{schedule: one, with: two{of}}}
    measure: {measure}
    expect: lower
"""


@pytest.mark.parametrize(
    ("measure", "told"),
    [
        ("final test acuracy", "acuracy is no metric of {name} (did you mean accuracy?); there are loss, "),
        ("steps to train los <= 0.1", "los is no metric of {name} (did you mean loss?); there are "),
        ("rises of validation f1 score", "f1_score is no metric of {name}; there are "),
        ("best validation accuracy", None),
        ("steps an epoch", None),
    ],
)
@pytest.mark.parametrize("of", ["", ", problem: {name}"])
def test_a_metric_that_no_problem_of_a_claim_records_is_told_with_the_nearest_one(write, measure, told, of):
    experiment, name = write(schedule="{}\n  two: {warmup: 1}")
    file = experiment.file
    file.write_text(file.read_text() + CLAIM.format(of=of.format(name=name), measure=measure))
    mistakes = list(unknown_metrics(load(file), {name: ["accuracy"]}))
    assert len(mistakes) == (told is not None)
    assert all(mistake.startswith(f"claims.lower.measure: {told.format(name=name)}") for mistake in mistakes)
    assert not list(unknown_metrics(load(file), {})), "of a problem that is not in order nothing is known"


def test_a_misspelt_metric_stops_before_training(write, tmp_path, capsys):
    experiment, name = write(schedule="{}\n  two: {warmup: 1}")
    file = experiment.file
    file.write_text(file.read_text() + CLAIM.format(of="", measure="final test los"))
    found = problem_check.check_problem(load(file), name)
    files.write_json(layout.check_file(tmp_path / "results", name), found)
    with pytest.raises(SystemExit):
        check.check_grid(load(file), tmp_path / "results")
    assert capsys.readouterr().out.count("(did you mean loss?)") == 1
    assert not layout.checked_file(tmp_path / "results").exists()


def test_a_good_search_has_no_mistakes(write):
    search = "{trials: 3, learning_rate: 1e-3 .. 1, momentum: 1 - (0.1 .. 1), gradient_accumulation_steps: [2, 4]}"
    experiment, _ = write(optimizer=f"{{class: SGD, search: {search}}}")
    assert list(check.optimizer_mistakes(experiment)) == []


def test_the_article_s_optimizers_and_schedules_have_no_mistakes():
    article = load(Path(__file__).parents[3] / "experiments/article.yaml")
    assert list(check.optimizer_mistakes(article)) == []
    assert list(check.schedule_mistakes(article, dict.fromkeys(article.problems, 1000))) == []
    metrics = {name: ["accuracy"] if name == "digits_cnn" else [] for name in article.problems}
    assert list(unknown_metrics(article, metrics)) == []
