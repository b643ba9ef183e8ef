"""Experiment files: what is read from a good one, and what is said of a bad one."""

import re
from pathlib import Path

import pytest

from thalweg.experiment.errors import ExperimentError
from thalweg.experiment.loading import find, load
from thalweg.experiment.values import half_decades

ROOT = Path(__file__).parents[3]

GOOD = """\
title: An experiment
problems:
  linear: {batch_sizes: [1, 6], epochs: 5}
optimizers:
  sgd: {class: SGD, momentum: 0.9, learning_rates: 1e-3 .. 1}
  adam:
    class: Adam
    amsgrad: true
    search:
      trials: 20
      learning_rate: 1e-4 .. 1e-1
      beta_1: 1 - (1e-2 .. 3e-1)
      epsilon: [1e-8, 1e-3, 1]
schedules:
  constant: {}
  warm: {warmup: 5 epochs}
  steps: {class: PiecewiseConstantDecay, boundaries: [10 %, 2 epochs, 9], values: [1, 0.5, 0.2, 0.1], warmup: 3}
  staircase: {class: ExponentialDecay, decay_rate: 96e-2, decay_steps: 25 epochs, staircase: true}
seeds: {tuning: 3, evaluation: 10}
reproductions:
  snippet: {problem: linear, optimizer: sgd, schedule: constant, learning_rate: 1e-2, batch_size: 6}
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems/linear.py").touch()

    def write(text):
        file = tmp_path / "one.yaml"
        file.write_text(text) if isinstance(text, str) else file.write_bytes(text)
        return file

    return write


def test_a_good_file(write):
    experiment = load(write(GOOD))
    assert experiment.name == "one"
    assert experiment.problems["linear"].batch_sizes == (1, 6)
    assert experiment.optimizers["sgd"].class_name == "SGD"
    assert experiment.optimizers["sgd"].arguments == {"momentum": 0.9}
    assert experiment.optimizers["sgd"].learning_rates == (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    assert experiment.optimizers["sgd"].searched == ()
    assert experiment.optimizers["adam"].learning_rates == ()
    assert experiment.optimizers["adam"].arguments == {"amsgrad": True}
    assert experiment.optimizers["adam"].searched == ("beta_1", "epsilon")
    assert experiment.optimizers["adam"].search.trials == 20
    assert experiment.schedules["constant"].class_name is None
    assert experiment.schedules["constant"].warmup is None
    assert (experiment.schedules["warm"].warmup, experiment.schedules["steps"].warmup) == ("5 epochs", "3 steps")
    assert experiment.schedules["steps"].arguments["boundaries"] == ["10 %", "2 epochs", 9]
    assert experiment.schedules["staircase"].arguments["decay_rate"] == 0.96
    assert not set(experiment.seeds.tuning) & set(experiment.seeds.evaluation)
    assert experiment.reproductions["snippet"].learning_rate == 0.01


@pytest.mark.parametrize("name", [file.stem for file in (ROOT / "experiments").glob("*.yaml")])
def test_the_shipped_experiments_are_good(name):
    experiment = load(ROOT / "experiments" / f"{name}.yaml")
    assert experiment.name == name


def test_the_reference_s_examples_are_good(write):
    reference = (ROOT / "docs/experiment-file.md").read_text()
    examples = re.findall(r"```yaml\n((?:problems|optimizers|schedules|seeds):.*?)```", reference, re.DOTALL)
    assert len(examples) == 4
    file = write("title: All\n" + "".join(examples))
    for problem in ("sine", "digits_cnn"):
        (file.parent / "problems" / f"{problem}.py").touch()
    experiment = load(file)
    digits = experiment.problems["digits_cnn"]
    assert digits.target == ("validation_accuracy", True, 0.97)
    assert digits.time_limit == 600.0
    assert experiment.optimizers["adam_searched"].searched == ("beta_1", "epsilon")


def test_the_article_has_the_whole_grid():
    article = load(ROOT / "experiments/article.yaml")
    assert article.problems.keys() == {"linear", "sine", "digits_cnn"}
    assert len(article.optimizers) == 6
    assert len(article.schedules) == 4
    assert [len(grid.batch_sizes) for grid in article.problems.values()] == [2, 3, 3]
    assert min(len(optimizer.learning_rates) for optimizer in article.optimizers.values()) >= 7
    assert len(article.seeds.tuning) >= 3
    assert len(article.seeds.evaluation) >= 10
    assert article.problems["digits_cnn"].epochs >= 10
    assert len(article.reproductions) == 3


def test_more_seeds_keep_the_seeds_that_were_there(write):
    fewer, more = (
        load(write(GOOD.replace("tuning: 3, evaluation: 10", seeds))).seeds
        for seeds in ("tuning: 3, evaluation: 4", "tuning: 5, evaluation: 9")
    )
    assert more.tuning[:3] == fewer.tuning
    assert more.evaluation[:4] == fewer.evaluation


def test_the_lattice_is_half_decades():
    assert half_decades(0.003, 0.3) == (0.003, 0.01, 0.03, 0.1, 0.3)
    assert half_decades(1e-5, 1e-5) == (1e-5,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("epochs: 5", "epoch: 5"), "line 3: problems.linear.epoch: unknown key (did you mean epochs?)"),
        (("epochs: 5", ""), "line 3: problems.linear: epochs is missing"),
        (("epochs: 5", "epochs: -5"), "line 3: problems.linear.epochs: should be greater than 0, not -5"),
        (("epochs: 5", "epochs: many"), "line 3: problems.linear.epochs: should be a valid integer"),
        (("epochs: 5", 'epochs: "5"'), "line 3: problems.linear.epochs: should be a valid integer, not '5'"),
        (("epochs: 5", "epochs: true"), "line 3: problems.linear.epochs: should be a valid integer, not True"),
        (("epochs: 5", "epochs: 5, xla: 'off'"), "line 3: problems.linear.xla: should be a valid boolean, not 'off'"),
        (
            ("epochs: 5", "epochs: 5, target: 0.1"),
            "line 3: problems.linear.target: 0.1 is no target; write a metric on a",
        ),
        (("epochs: 5", "epochs: 5, target: loss <= 1"), "line 3: problems.linear.target: 'loss <= 1' is no target"),
        (("epochs: 5", "epochs: 5, target: test_loss <= nan"), "line 3: problems.linear.target: 'test_loss <= nan' is"),
        (("epochs: 5", "epochs: 5, end_at_target: true"), "line 3: problems.linear: end_at_target: there is no target"),
        (("epochs: 5", "epochs: 5, time_limit: 10"), "line 3: problems.linear.time_limit: 10 is no time; write 90 sec"),
        (("epochs: 5", "epochs: 5, time_limit: 0 s"), "line 3: problems.linear.time_limit: '0 s' is no time"),
        (("epochs: 5", "epochs: 5, lanes: 0"), "line 3: problems.linear.lanes: should be greater than 0, not 0"),
        (
            ("epochs: 5", "epochs: 5, record: [noise]"),
            "line 3: problems.linear.record.0: should be 'gradient_noise' or 'weights'",
        ),
        (
            ("epochs: 5", "epochs: 5, data_order: sorted"),
            "line 3: problems.linear.data_order: should be 'reshuffled' or",
        ),
        (("momentum: 0.9", "momentum: {a: 1}"), "line 5: optimizers.sgd.momentum: must be a number, a text, true, fa"),
        (
            ("1e-3 .. 1", "0.01"),
            "line 5: optimizers.sgd.learning_rates: write a list of rates, as in [0.01], or a range",
        ),
        (("constant: {}", "no: {}"), "line 14: schedules: YAML reads a name here as False; put it in quotes"),
        (("title: An experiment", "title: &x [*x]"), "line 1: is nested too deeply, or within itself"),
        (("[1, 6]", "[]"), "line 3: problems.linear.batch_sizes: "),
        (("[1, 6]", "[6, 6]"), "line 3: problems.linear.batch_sizes: 6 stands more than once"),
        (("linear: {b", "linaer: {b"), "problems/linaer.py does not exist (did you mean linear?)"),
        (("linear: {b", "../linear: {b"), "line 3: problems.../linear: a name is at most 60 lower-case letters"),
        (("title: An experiment", ""), "line 1: title is missing"),
        (("title:", "titel: x\ntitle:"), "line 1: titel: unknown key (did you mean title?)"),
        (("title:", "title: x\ntitle:"), "line 2: title: stands twice (first on line 1)"),
        (("title:", "name: x\ntitle:"), "line 1: name: is not a key"),
        (("1e-3 .. 1", "1 .. 1e-3"), "line 5: optimizers.sgd.learning_rates: '1 .. 1e-3' is not a range"),
        (("1e-3 .. 1", "0 .. 1"), "line 5: optimizers.sgd.learning_rates: '0 .. 1' is not a range of positive"),
        (("1e-3 .. 1", "2e-3 .. 1"), "must be 1 or 3 times a power of ten"),
        (("1e-3 .. 1", "[0.1, -0.1]"), "line 5: optimizers.sgd.learning_rates.1: should be greater than 0, not -0.1"),
        (("1e-3 .. 1", "[.nan]"), "line 5: optimizers.sgd.learning_rates.0: should be"),
        (("momentum: 0.9", "learning_rate: 0.9"), "learning_rate: is an axis of the grid; write learning_rates"),
        (("class: SGD", "class: os.system"), "line 5: optimizers.sgd.class: 'os.system' is no class"),
        (("25 epochs", "25 lines"), "line 18: schedules.staircase: decay_steps: '25 lines' is no length"),
        (("constant: {}", "constant: {decay_steps: 5}"), "line 15: schedules.constant: class: is missing"),
        (("warmup: 5 epochs", "warmup: 5 lines"), "line 16: schedules.warm.warmup: '5 lines' is no length; write 5 ep"),
        (("warmup: 5 epochs", "warmup: 0 %"), "line 16: schedules.warm.warmup: '0 %' is no length"),
        (("warmup: 5 epochs", "warmup: true"), "line 16: schedules.warm.warmup: True is no length"),
        (("warmup: 5 epochs", "warmup: -5"), "line 16: schedules.warm.warmup: -5 is no length"),
        (("warmup: 5 epochs", "warmup: 0.1"), "line 16: schedules.warm.warmup: 0.1 is no length"),
        (("[10 %, 2", "[10 lines, 2"), "line 17: schedules.steps: boundaries: '10 lines' is no length"),
        (("[1, 0.5,", "[1, 50 %,"), "line 17: schedules.steps: values: must be a number, not '50 %'; only steps and"),
        (("trials: 20", "trials: 0"), "line 10: optimizers.adam.search.trials: should be greater than 0, not 0"),
        (("trials: 20", ""), "line 9: optimizers.adam.search: trials is missing"),
        (("learning_rate: 1e-4 .. 1e-1", ""), "line 9: optimizers.adam.search: learning_rate is missing"),
        (("1e-4 .. 1e-1", "[0, 1e-1]"), "line 11: optimizers.adam.search: learning_rate: should be greater than 0"),
        (("1e-4 .. 1e-1", "1 - (0.1 .. 1)"), "line 11: optimizers.adam.search: learning_rate: should be greater than"),
        (("1e-4 .. 1e-1", "1e-1 .. 1e-4"), "line 11: optimizers.adam.search.learning_rate: '1e-1 .. 1e-4' is no range"),
        (("1 - (1e-2 .. 3e-1)", "0.9"), "line 12: optimizers.adam.search.beta_1: write a range, as in 1e-4 .. 1e-1,"),
        (("1 - (1e-2 .. 3e-1)", "1 - (1e-2 .. 3)"), "line 12: optimizers.adam.search.beta_1: '1 - (1e-2 .. 3)' goes b"),
        (("[1e-8, 1e-3, 1]", "[small]"), "line 13: optimizers.adam.search.epsilon: must be a list of numbers, not of"),
        (
            ("    amsgrad: true", "    beta_1: 0.9"),
            "line 12: optimizers.adam: search.beta_1: is also given as fixed (0.9)",
        ),
        (
            ("    amsgrad: true", "    learning_rates: [1]"),
            "line 9: optimizers.adam: search: stands beside learning_rat",
        ),
        (
            ("    amsgrad: true", "    learning_rate: 1"),
            "line 8: optimizers.adam: learning_rate: is an axis of the grid",
        ),
        ((", learning_rates: 1e-3 .. 1", ""), "line 5: optimizers.sgd: learning_rates is missing; write them, as in"),
        (("momentum: 0.9", "search: 5"), "line 5: optimizers.sgd.search: write trials, learning_rate and what else is"),
        (("optimizer: sgd", "optimizer: adam"), "reproductions.snippet.optimizer: 'adam' searches beta_1, epsilon, wh"),
        (("tuning: 3", "tuning: 0"), "line 19: seeds.tuning: a count of seeds lies between 1 and 1000, not 0"),
        (("tuning: 3", "tuning: [1, 1003]"), "line 19: seeds: 1003 is both a tuning and an evaluation seed"),
        (("problem: linear", "problem: liner"), "reproductions.snippet.problem: 'liner' is not among the problems"),
        (("schedules:", "schedules: ]"), "line 14: is not valid YAML"),
        (
            ("title: An", "title: !!python/object:os.system An"),
            "line 1: is not valid YAML: the tag 'tag:yaml.org,2002:py",
        ),
        (
            ("An experiment", "!!python/object/apply:os.system ['true']"),
            "makes what an experiment cannot hold; leave it o",
        ),
        (
            ("An experiment", "!mine x"),
            "line 1: is not valid YAML: the tag '!mine' makes what an experiment cannot hold",
        ),
        (("[1, 6]", "!!set {1, 6}"), "line 3: is not valid YAML: the tag 'tag:yaml.org,2002:set'"),
        (("epochs: 5", 'epochs: !!int ""'), "line 1: is not valid YAML: "),
        (("epochs: 5", "epochs: 1:30"), "line 3: problems.linear.epochs: should be a valid integer, not '1:30'"),
        (("epochs: 5", "epochs: 010"), "line 3: problems.linear.epochs: should be a valid integer, not '010'"),
        (("epochs: 5", "epochs: 5.0"), "line 3: problems.linear.epochs: should be a valid integer, not 5.0"),
        (("epochs: 5", "epochs: .inf"), "line 3: problems.linear.epochs: should be a valid integer, not inf"),
        (
            ("epochs: 5", "epochs: 99999999999"),
            "line 3: problems.linear.epochs: should be less than 2147483648, not 99999",
        ),
        (("epochs: 5", "epochs: " + "9" * 5000), "line 3: problems.linear.epochs: should be a valid integer, not '999"),
        (
            ("epochs: 5", "epochs: 5, evaluation_points: 1"),
            "evaluation_points: should be greater than or equal to 2, not 1",
        ),
        (("epochs: 5", "epochs: 5, evaluation_points: 1000000"), "should be less than or equal to 10000, not 1000000"),
        (("epochs: 5", "epochs: 5, shared_examples: maybe"), "shared_examples: should be a valid boolean, not 'maybe'"),
        (("epochs: 5", "epochs: 5, record: [weights, weights]"), "record: weights stands more than once"),
        (("epochs: 5", "epochs: 5, record: weights"), "line 3: problems.linear.record: must be a list, not 'weights'"),
        (
            ("epochs: 5", "epochs: 5, device: tpu"),
            "line 3: problems.linear.device: should be 'auto', 'cpu' or 'gpu', not 't",
        ),
        (
            ("epochs: 5", "epochs: 5, precision: float16"),
            "precision: should be 'float32' or 'mixed_bfloat16', not 'float1",
        ),
        (("epochs: 5", "epochs: 5, time_limit: " + "9" * 400 + " hours"), "problems.linear.time_limit: '99999"),
        (
            ("epochs: 5", "epochs: 5, target: test_loss <= 1e999"),
            "problems.linear.target: 'test_loss <= 1e999' is no tar",
        ),
        (("epochs: 5", "epochs: 5, threads: -1"), "line 3: problems.linear.threads: should be greater than 0, not -1"),
        (
            ("{batch_sizes: [1, 6], epochs: 5}", "5"),
            "line 3: problems.linear: must be a mapping of keys to values, not 5",
        ),
        (("[1, 6]", "6"), "line 3: problems.linear.batch_sizes: must be a list, not 6"),
        (("[1, 6]", "[0, 6]"), "line 3: problems.linear.batch_sizes.0: should be greater than 0, not 0"),
        (("[1, 6]", "[1.5, 6]"), "line 3: problems.linear.batch_sizes.0: should be a valid integer, not 1.5"),
        (("[1, 6]", "[]"), "line 3: problems.linear.batch_sizes: is empty; write at least one entry"),
        (("1e-3 .. 1", "[]"), "line 5: optimizers.sgd.learning_rates: is empty; write at least one entry"),
        (("1e-3 .. 1", "[true]"), "line 5: optimizers.sgd.learning_rates.0: should be a valid number, not True"),
        (("1e-3 .. 1", "['0.1']"), "line 5: optimizers.sgd.learning_rates.0: should be a valid number, not '0.1'"),
        (("1e-3 .. 1", "[.inf]"), "line 5: optimizers.sgd.learning_rates.0: should be a finite number, not inf"),
        (("1e-3 .. 1", "[1e-50]"), "learning_rates.0: must be between 1e-37 and 1e+38, as single precision holds it"),
        (("1e-3 .. 1", "[1e300]"), "learning_rates.0: must be between 1e-37 and 1e+38, as single precision holds it"),
        (
            ("1e-3 .. 1", "1e-3 .. inf"),
            "learning_rates: '1e-3 .. inf' is not a range of positive rates, as in 1e-3 .. 1",
        ),
        (("1e-3 .. 1", "true"), "write a list of rates, as in [0.1], or a range, as in 1e-3 .. 1, not True"),
        (("1e-3 .. 1", "null"), "write a list of rates, as in [0.1], or a range, as in 1e-3 .. 1, not None"),
        (("1e-3 .. 1", "{a: 1}"), "write a list of rates, as in [0.1], or a range, as in 1e-3 .. 1, not {'a': 1}"),
        (("momentum: 0.9", "momentum: .nan"), "line 5: optimizers.sgd.momentum: must be finite, not nan"),
        (("momentum: 0.9", "momentum: 1e999"), "line 5: optimizers.sgd.momentum: must be finite, not inf"),
        (("momentum: 0.9", "5: 0.9"), "line 5: optimizers.sgd: YAML reads a name here as 5; put it in quotes"),
        (("class: SGD, ", ""), "line 5: optimizers.sgd: class is missing"),
        (("class: SGD", "class: 5"), "line 5: optimizers.sgd.class: should be a valid string, not 5"),
        (
            ("class: SGD", 'class: "SGD\\n"'),
            r"line 5: optimizers.sgd.class: 'SGD\n' is no class; write a class of Keras",
        ),
        (
            ("class: SGD", 'class: "../mine:SGD"'),
            "optimizers.sgd.class: '../mine:SGD' is no class; write a class of Keras",
        ),
        (("trials: 20", "trials: 1000000000"), "search.trials: should be less than or equal to 10000, not 1000000000"),
        (
            ("1e-4 .. 1e-1", "1e-300 .. 1"),
            "optimizers.adam.search: must be between 1e-37 and 1e+38, as single precisio",
        ),
        (("[1e-8, 1e-3, 1]", "!!int " + "9" * 400), "line 13: optimizers.adam.search.epsilon: write a range"),
        (("[1e-8, 1e-3, 1]", "[!!int " + "9" * 400 + "]"), "optimizers.adam.search.epsilon: must be a list of numbers"),
        (("warmup: 5 epochs", "warmup: " + "9" * 400 + " epochs"), "line 16: schedules.warm.warmup: '999999"),
        (
            ("25 epochs", "99999999999 epochs"),
            "line 18: schedules.staircase: decay_steps: '99999999999 epochs' is no leng",
        ),
        (
            ("25 epochs", "-1 epochs"),
            "line 18: schedules.staircase: decay_steps: '-1 epochs' is no length; write 25 epo",
        ),
        (("96e-2", "fast"), "line 18: schedules.staircase: decay_rate: must be a number, not 'fast'; only steps and b"),
        (("constant: {}", "constant: 5"), "line 15: schedules.constant: must be a mapping of keys to values, not 5"),
        (("tuning: 3", "tuning: -3"), "line 19: seeds.tuning: a count of seeds lies between 1 and 1000, not -3"),
        (
            ("tuning: 3", "tuning: three"),
            "seeds.tuning: write a count of seeds, as in 3, or a list of whole numbers, not",
        ),
        (
            ("tuning: 3", "tuning: 2.5"),
            "seeds.tuning: write a count of seeds, as in 3, or a list of whole numbers, not 2.5",
        ),
        (("tuning: 3", "tuning: []"), "line 19: seeds.tuning: is empty; write at least one entry"),
        (("tuning: 3", "tuning: [1, 1]"), "line 19: seeds.tuning: 1 stands more than once"),
        (
            ("tuning: 3", "tuning: [99999999999]"),
            "has 1 mistake; nothing was trained:\n  line 19: seeds.tuning.0: should be ",
        ),
        (("tuning: 3", "tuning: [0.5]"), "line 19: seeds.tuning.0: should be a valid integer, not 0.5"),
        (("tuning: 3, ", ""), "line 19: seeds: tuning is missing"),
        (
            ("tuning: 3", "tunning: 3"),
            "line 19: seeds.tunning: unknown key (did you mean tuning?); known here: tuning, ev",
        ),
        (
            ("1e-2, batch_size: 6", "-1, batch_size: 6"),
            "reproductions.snippet.learning_rate: should be greater than 0, ",
        ),
        (
            ("1e-2, batch_size: 6", "1e-2, batch_size: 0"),
            "line 21: reproductions.snippet.batch_size: should be greater th",
        ),
        (
            ("schedule: constant", "schedul: constant"),
            "reproductions.snippet.schedul: unknown key (did you mean schedule?)",
        ),
        (("An experiment", ""), "line 1: title: should be a valid string, not None"),
        (("An experiment", "''"), "line 1: title: must not be empty, not ''"),
        (("An experiment", "5"), "line 1: title: should be a valid string, not 5"),
        (("An experiment", r'"\0"'), r"line 1: title: holds the character '\x00'; remove it"),
        (("An experiment", r'"\ud800"'), r"line 1: title: holds the character '\ud800'; remove it"),
        (("An experiment", r'"\e[31mred"'), r"line 1: title: holds the character '\x1b'; remove it"),
        (("optimizers:", "optimizers:\n  \x07:"), r"line 5: is not valid YAML: it holds the character '\x07'"),
        (("sgd: {", "adam: {"), "line 6: optimizers.adam: stands twice (first on line 5); remove one"),
        (
            ("sgd: {", "my sgd: {"),
            "line 5: optimizers.my sgd: a name is at most 60 lower-case letters, digits and unders",
        ),
        (("sgd: {", "a/b: {"), "line 5: optimizers.a/b: a name is at most 60 lower-case letters"),
        (("sgd: {", "..: {"), "line 5: optimizers...: a name is at most 60 lower-case letters"),
        (("sgd: {", "'it''s': {"), "line 5: optimizers.it's: a name is at most 60 lower-case letters"),
        (("sgd: {", "😀: {"), "line 5: optimizers.😀: a name is at most 60 lower-case letters"),
        (("sgd: {", '"sgd\\n": {'), r"line 5: optimizers.'sgd\n': a name is at most 60 lower-case letters"),
        (("sgd: {", "s" * 300 + ": {"), "sss: a name is at most 60 lower-case letters"),
        (("title:", "? [a]\n: b\ntitle:"), "line 1: is not valid YAML: found unhashable key"),
        (("title:", "5: x\ntitle:"), "line 1: YAML reads a name here as 5; put it in quotes"),
        (("title:", "\ttitle:"), r"line 1: is not valid YAML: found character '\t' that cannot start any token"),
        (("An experiment", "*no"), "line 1: is not valid YAML: found undefined alias 'no'"),
        (("title:", "title: x\n---\ntitle:"), "line 2: is not valid YAML: but found another document"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_mend(write, change, message):
    assert change[0] in GOOD
    with pytest.raises(ExperimentError) as caught:
        load(write(GOOD.replace(*change, 1)))
    assert message in str(caught.value)
    assert "nothing was trained" in str(caught.value)
    assert len(str(caught.value)) < 1000


def of_aliases(first, more):
    """Nine lines, each of nine times the one before, which make billions of entries."""
    lines = [f"a0: &a0 {first}", *(f"a{k}: &a{k} {more.format(', '.join([f'*a{k - 1}'] * 9))}" for k in range(1, 10))]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: must be a mapping with title, problems, optimizers, …"),
        ("# nothing", "line 1: must be a mapping with title, problems, optimizers, …"),
        ("just text", "line 1: must be a mapping with title, problems, optimizers, …"),
        ("- a list", "line 1: must be a mapping with title, problems, optimizers, …"),
        ("\t", "line 1: is not valid YAML: found character '\\t'"),
        (b"\xff\xfe\x00", "line 1: is not UTF-8 text (byte 0); save it as UTF-8"),
        (GOOD.encode("utf-16"), "line 1: is not UTF-8 text (byte 0)"),
        (b"title: x\ntitle: \xe9", "line 2: is not UTF-8 text (byte 16)"),
        (bytes(range(1, 256)), "is not UTF-8 text (byte 127)"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "line 1: is not valid YAML: it holds the character "),
        ("x: &x {y: *x}", "line 1: is nested too deeply, or within itself"),
        ("a: " + "[" * 5000, "line 1: is nested too deeply, or within itself"),
        ("a: " + "{a: " * 900 + "1" + "}" * 900, "line 1: is nested too deeply, or within itself"),
        (of_aliases("[x, x]", "[{}]"), "line 1: holds more than 100,000 entries once its aliases are written out"),
        (
            of_aliases("{x: 1}", "{{<<: [{}]}}"),
            "line 1: holds more than 100,000 entries once its aliases are written out",
        ),
        ("title: " + "x" * 1_000_001, "line 1: is larger than 1,000,000 bytes; is it an experiment?"),
        (
            "title: x\nproblems: [linear]\noptimizers: 5\nschedules: a\nseeds: 3",
            "line 5: seeds: must be a mapping of k",
        ),
        ("".join(f"key{k}: 1\n" for k in range(500)), "one.yaml has 505 mistakes; nothing was trained:"),
        ("x: " + "y" * 9000, "line 1: x: unknown key"),
    ],
)
def test_what_is_no_experiment_at_all(write, text, message):
    with pytest.raises(ExperimentError, match=r"one.yaml has \d+ mistake") as caught:
        load(write(text))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 22, "a screen"
    assert max(map(len, str(caught.value).splitlines())) < 700


def test_what_is_no_file(tmp_path):
    for path, message in [(tmp_path, "Is a directory"), (tmp_path / "none.yaml", "No such file or directory")]:
        with pytest.raises(ExperimentError, match=message):
            load(path)
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    with pytest.raises(ExperimentError, match="Too many levels of symbolic links"):
        load(tmp_path / "loop.yaml")
    with pytest.raises(ExperimentError, match="File name too long"):
        load(tmp_path / f"{'x' * 300}.yaml")


def test_a_bom_aliases_and_merged_keys_are_good(write):
    shared = GOOD.replace(
        "sgd: {class: SGD, momentum: 0.9,", "sgd: {<<: &all {momentum: 0.5}, class: SGD, momentum: 0.9,"
    )
    assert load(write("\ufeff" + shared)).optimizers["sgd"].arguments == {"momentum": 0.9}
    assert load(write(GOOD.replace("An experiment", "2026-01-01"))).title == "2026-01-01"


def test_an_experiment_is_found_by_its_name():
    folder = ROOT / "experiments"
    assert find(folder, "article") == folder / "article.yaml"
    message = r"no such experiment \(did you mean article\?\); it has article, every_key, smoke"
    with pytest.raises(ExperimentError, match=message):
        find(folder, "articel")
    for name in (
        "../experiments/article",
        "/etc/passwd",
        "",
        "a b",
        "😀",
        "x" * 300,
        "['article']",
        "7",
        "*",
        "article\0",
    ):
        with pytest.raises(ExperimentError, match="no such experiment"):
            find(folder, name)


def test_an_experiment_s_file_needs_a_name(tmp_path):
    (tmp_path / "My-Own.yaml").touch()
    with pytest.raises(ExperimentError, match=r"My-Own.yaml: a name is at most 60 .*; rename the file"):
        find(tmp_path, "My-Own")
