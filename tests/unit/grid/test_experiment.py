"""Experiment files: what is read from a good one, and what is said of a bad one."""

import re
from pathlib import Path

import pytest

from thalweg.grid.experiment import ExperimentError, find, lattice, load

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
    assert lattice(0.003, 0.3) == (0.003, 0.01, 0.03, 0.1, 0.3)
    assert lattice(1e-5, 1e-5) == (1e-5,)


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
        (("1e-3 .. 1", "0.01"), "line 5: optimizers.sgd.learning_rates: write a list of rates, [0.01], or a range"),
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
        (("title: An", "title: !!python/object:os.system An"), "is not valid YAML: could not determine a constructor"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_mend(write, change, message):
    assert change[0] in GOOD
    with pytest.raises(ExperimentError) as caught:
        load(write(GOOD.replace(*change, 1)))
    assert message in str(caught.value)
    assert "nothing was trained" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "x: &x {y: *x}", "just text", "- a list", "\t", b"\xff\xfe\x00", "a: " + "[" * 5000]
)
def test_what_is_no_experiment_at_all(write, text):
    with pytest.raises(ExperimentError, match=r"one.yaml has \d+ mistake"):
        load(write(text))


def test_an_experiment_is_found_by_its_name():
    folder = ROOT / "experiments"
    assert find(folder, "article") == folder / "article.yaml"
    with pytest.raises(ExperimentError, match=r"no such experiment \(did you mean article\?\); it has article, smoke"):
        find(folder, "articel")
    with pytest.raises(ExperimentError, match="no such experiment"):
        find(folder, "../experiments/article")


def test_an_experiment_s_file_needs_a_name(tmp_path):
    (tmp_path / "My-Own.yaml").touch()
    with pytest.raises(ExperimentError, match=r"My-Own.yaml: a name is at most 60 .*; rename the file"):
        find(tmp_path, "My-Own")
