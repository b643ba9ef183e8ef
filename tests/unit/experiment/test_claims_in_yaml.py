"""Claims in experiment files: what is read, what is said of a bad one, and that none of them trains anything."""

import re
from pathlib import Path

import pytest

from thalweg.experiment.claims import Comparison, Effect, Range
from thalweg.experiment.errors import ExperimentError
from thalweg.experiment.loading import load, load_with_claims
from thalweg.experiment.measures import KINDS, read_measure
from thalweg.experiment.measures.gradient_noise import GradientNoise
from thalweg.experiment.measures.metric import Best, Final
from thalweg.experiment.measures.prediction import Prediction
from thalweg.experiment.measures.rate_falls import RateFalls
from thalweg.experiment.measures.rises import Rises
from thalweg.experiment.measures.steps_an_epoch import StepsAnEpoch
from thalweg.experiment.measures.time_to_target import EpochsToTarget, SecondsToTarget, StepsToTarget
from thalweg.experiment.measures.variance import ShareOfVariance, ShareOfVarianceWithInteractions
from thalweg.experiment.target import Target
from thalweg.grid import Run
from thalweg.hashing import digest
from thalweg.identity import WAYS_OF_TRAINING, _local_imports, identity, module_digest
from thalweg.workflow import fingerprints

ROOT = Path(__file__).parents[3]

EXPERIMENT = """\
title: An experiment
problems:
  linear: {batch_sizes: [1, 6], epochs: 5}
  digits: {batch_sizes: [32], epochs: 5, target: test_loss <= 1}
optimizers:
  sgd: {class: SGD, learning_rates: 1e-3 .. 1}
  adam: {class: Adam, learning_rates: 1e-4 .. 1e-2}
schedules:
  constant: {}
  cosine: {class: CosineDecay, decay_steps: 100 %}
seeds: {tuning: 3, evaluation: 10}
reproductions:
  snippet: {problem: linear, optimizer: sgd, schedule: constant, learning_rate: 1e-2, batch_size: 3}
"""
CLAIMS = """\
claims:
  lower:
    says: Adam ends lower than SGD
    compare: {optimizer: adam, with: sgd, problem: linear, batch_size: 6, learning_rate: 1e-2}
    measure: final train loss
    expect: lower
    smallest_effect: 1 %
  sooner:
    says: cosine reaches the target sooner
    compare: {schedule: cosine, with: constant, problem: digits}
    measure: steps to target
    expect: lower
  near:
    says: the prediction is close to 19
    of: {reproduction: snippet}
    measure: prediction at x = 10
    expect: within 0.1 of 19
  matters:
    says: the schedule matters
    of: {factor: schedule}
    measure: share of variance with interactions
    expect: at least 10 %
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "problems").mkdir()
    for name in ("linear", "digits", "sine"):
        (tmp_path / f"problems/{name}.py").touch()

    def write(text):
        file = tmp_path / "one.yaml"
        file.write_text(text)
        return file

    return write


def test_good_claims(write):
    claims = load(write(EXPERIMENT + CLAIMS)).claims
    fixed = (("problem", "linear"), ("batch_size", 6), ("learning_rate", 0.01))
    assert claims["lower"].compare == Comparison("optimizer", "adam", "sgd", fixed)
    assert claims["lower"].smallest_effect == Effect(0.01, "%")
    assert claims["sooner"].compare.sides() == (
        {"problem": "digits", "schedule": "cosine"},
        {"problem": "digits", "schedule": "constant"},
    )
    assert claims["near"].expect == Range(pytest.approx(18.9), pytest.approx(19.1), False)
    assert claims["matters"].expect == Range(pytest.approx(0.1), None, True)
    assert claims["matters"].of.problem is None


@pytest.mark.parametrize(
    ("text", "measure"),
    [
        ("final train loss", Final("final train loss", "train_loss")),
        (
            "best  validation top 5 accuracy",
            Best("best validation top 5 accuracy", "validation_top_5_accuracy"),
        ),
        (
            "steps to train loss <= 1e-2",
            StepsToTarget("steps to train loss <= 1e-2", "train_loss", Target("train_loss", False, 0.01)),
        ),
        (
            "epochs to test accuracy>=0.9",
            EpochsToTarget("epochs to test accuracy>=0.9", "test_accuracy", Target("test_accuracy", True, 0.9)),
        ),
        ("steps to target", StepsToTarget("steps to target", "", None)),
        ("rises of train loss", Rises("rises of train loss", "train_loss")),
        ("steps an epoch", StepsAnEpoch("steps an epoch", "")),
        ("prediction at x = -2.5", Prediction("prediction at x = -2.5", "", -2.5)),
        ("gradient noise", GradientNoise("gradient noise", "")),
        ("share of variance", ShareOfVariance("share of variance", "")),
        (
            "share of variance with interactions",
            ShareOfVarianceWithInteractions("share of variance with interactions", ""),
        ),
        (
            "share of epochs with a lower learning rate",
            RateFalls("share of epochs with a lower learning rate", ""),
        ),
    ],
)
def test_a_measure_is_read_as_it_is_written(text, measure):
    assert read_measure(text) == measure


def test_the_examples_of_every_kind_of_measure_are_in_the_message_about_what_is_none():
    with pytest.raises(ValueError) as caught:
        read_measure("last loss")
    assert str(caught.value) == (
        "'last loss' is no measure; write final train loss, best validation accuracy, steps to train loss <= 0.01, "
        "steps to target, seconds to target, rises of train loss, steps an epoch, gradient noise, prediction at "
        "x = 10, share of variance, share of variance with interactions, or share of epochs with a lower learning rate"
    )
    assert {example for kind in KINDS for example in kind.examples} <= {form for kind in KINDS for form in kind.forms}


@pytest.mark.parametrize(("kind", "form"), [(kind, form) for kind in KINDS for form in kind.forms])
def test_each_form_of_a_kind_of_measure_is_read_as_that_kind(kind, form):
    assert type(read_measure(form)) is kind


@pytest.mark.parametrize(
    ("text", "is_share", "effect", "no_effect"),
    [
        ("final test accuracy", True, "difference", 0.0),
        ("final test loss", False, "ratio", 1.0),
        ("steps to test accuracy >= 0.9", False, "ratio", 1.0),
        ("rises of train loss", True, "difference", 0.0),
        ("share of variance", True, "difference", 0.0),
        ("share of epochs with a lower learning rate", True, "difference", 0.0),
        ("prediction at x = 10", False, "ratio", 1.0),
    ],
)
def test_shares_are_compared_by_their_difference_and_other_values_by_their_ratio(text, is_share, effect, no_effect):
    measure = read_measure(text)
    assert (measure.is_share, measure.effect, measure.no_effect) == (is_share, effect, no_effect)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("measure: final train loss", "measure: last loss"),
            "line 18: claims.lower.measure: 'last loss' is no measure",
        ),
        (("measure: final train loss", "messure: x"), "claims.lower.messure: unknown key (did you mean measure?)"),
        (("says: Adam ends lower than SGD\n", "\n"), "line 15: claims.lower: says is missing"),
        (("with: sgd, ", ""), "line 17: claims.lower.compare: write what is compared with what"),
        (
            ("optimizer: adam, with: sgd", "with: sgd, optimizer: adam"),
            "line 17: claims.lower.compare: with: stands af",
        ),
        (("with: sgd", "with: adam"), "line 17: claims.lower.compare: with: 'adam' is compared with itself"),
        (
            ("with: sgd", "with: sdg"),
            "line 17: claims.lower.compare.with: 'sdg' is not among the optimizers (sgd, adam) ",
        ),
        (
            ("problem: linear, batch", "problem: liner, batch"),
            "line 17: claims.lower.compare.problem: 'liner' is not amo",
        ),
        (
            ("batch_size: 6,", "batch_size: 7,"),
            "line 17: claims.lower.compare.batch_size: 7 is not among the batch sizes",
        ),
        (("batch_size: 6,", "batch_size: six,"), "claims.lower.compare: batch_size: must be a whole number, not 'six'"),
        (
            ("learning_rate: 1e-2}", "learning_rate: 1}"),
            "claims.lower.compare.learning_rate: 1 is no learning rate of ad",
        ),
        (
            ("learning_rate: 1e-2}", "rate: 1}"),
            "line 17: claims.lower.compare: rate: unknown key; known here: problem, ",
        ),
        (
            ("expect: lower", "expect: better"),
            "line 19: claims.lower.expect: 'better' is nothing to expect; write lower",
        ),
        (("expect: lower", "expect: at least 3"), "line 19: claims.lower: expect: write lower, higher or same"),
        (
            ("expect: lower", "expect: within 10 of 70 %"),
            "line 20: claims.lower: smallest_effect: has no place beside a range",
        ),
        (
            ("smallest_effect: 1 %", "smallest_effect: 1"),
            "line 20: claims.lower.smallest_effect: 1 is no effect; write",
        ),
        (
            ("smallest_effect: 1 %", "smallest_effect: 1 point"),
            "line 20: claims.lower: smallest_effect: is in %, because",
        ),
        (
            ("problem: digits}", "problem: linear}"),
            "line 24: claims.sooner.measure: linear has no target; write one, or",
        ),
        (
            ("reproduction: snippet", "reproduction: snipet"),
            "claims.near.of.reproduction: 'snipet' is not among the repr",
        ),
        (("reproduction: snippet", "reproduction: snippet, factor: x"), "line 28: claims.near.of: write {reproduction"),
        (("within 0.1 of 19", "lower"), "line 30: claims.near: expect: write at least, at most or within"),
        (("within 0.1 of 19", "19"), "line 30: claims.near.expect: 19 is nothing to expect"),
        (
            ("prediction at x = 10", "share of variance"),
            "line 29: claims.near: measure: share of variance does not fit",
        ),
        (("prediction at x = 10", "prediction at x = 1.0.0"), "claims.near.measure: '1.0.0' is no number"),
        (
            ("factor: schedule", "factor: seed"),
            "line 33: claims.matters.of.factor: should be 'optimizer', 'learning_rate",
        ),
        (
            ("factor: schedule", "factor: schedule, problem: x"),
            "line 33: claims.matters.of.problem: 'x' is not among the",
        ),
        (
            ("of: {factor: schedule}", "of: 5"),
            "line 33: claims.matters.of: write {reproduction: NAME}, or {factor: NAME",
        ),
        (
            ("    of: {factor: schedule}\n", ""),
            "line 31: claims.matters: a claim has either compare, two sets of cells",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_mend(write, change, message):
    assert change[0] in CLAIMS
    with pytest.raises(ExperimentError) as caught:
        load(write(EXPERIMENT + CLAIMS.replace(*change, 1)))
    assert message in str(caught.value)


def test_same_needs_an_effect(write):
    text = CLAIMS.replace("expect: lower\n    smallest_effect: 1 %", "expect: same")
    with pytest.raises(ExperimentError, match="smallest_effect: is missing; same means nearer"):
        load(write(EXPERIMENT + text))


def test_the_reference_s_example_is_good(write):
    reference = (ROOT / "docs/experiment-file.md").read_text()
    (example,) = re.findall(r"```yaml\n(claims:.*?)```", reference, re.DOTALL)
    text = EXPERIMENT.replace("digits:", "sine:").replace("snippet:", "snippet_1:")
    assert len(load(write(text + example)).claims) == 4


def test_the_article_s_nine_sentences_are_claims():
    text = (ROOT / "experiments/article.yaml").read_text()
    assert re.findall(r"^  # (\d)$", text, re.MULTILINE) == list("123456789")
    assert len(load(ROOT / "experiments/article.yaml").claims) == 17


IN_SECONDS = """\
claims:
  quicker:
    says: Adam is there in less time
    compare: {optimizer: adam, with: sgd, problem: digits}
    measure: seconds to target
    expect: lower
    smallest_effect: 25 %
"""
TIMED = EXPERIMENT.replace("target: test_loss <= 1", "target: test_loss <= 1, timing: true")


def test_a_claim_in_seconds_is_about_problems_that_are_timed(write):
    (claim,) = load(write(TIMED + IN_SECONDS)).claims.values()
    assert claim.measure == SecondsToTarget("seconds to target", "", None)
    assert claim.measure.is_in_seconds
    text, column = "seconds to validation accuracy >= 0.95", "validation_accuracy"
    assert read_measure(text) == SecondsToTarget(text, column, Target(column, True, 0.95))
    assert not read_measure("steps to validation accuracy >= 0.95").is_in_seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (EXPERIMENT + IN_SECONDS, "line 18: claims.quicker.measure: digits is not timed; write timing: true in its"),
        (
            TIMED + IN_SECONDS.replace(", problem: digits", "").replace("target", "train loss <= 1"),
            "line 18: claims.quicker.measure: linear is not timed; write timing: true in its entry, or name a problem",
        ),
        (
            TIMED + IN_SECONDS.replace("digits", "linear"),
            "line 18: claims.quicker.measure: linear has no target",
        ),
        (
            TIMED
            + IN_SECONDS.replace(
                "compare: {optimizer: adam, with: sgd, problem: digits}", "of: {reproduction: snippet}"
            )
            .replace("    smallest_effect: 25 %\n", "")
            .replace("expect: lower", "expect: at most 5"),
            "line 18: claims.quicker: measure: seconds to target is compared only, for seconds are those of a machine",
        ),
        (
            TIMED.replace("timing: true", "timing: 1"),
            "line 4: problems.digits.timing: should be a valid boolean, not 1",
        ),
    ],
)
def test_a_mistake_about_seconds_is_told_with_its_line_and_mend(write, text, message):
    with pytest.raises(ExperimentError) as caught:
        load(write(text))
    assert message in str(caught.value)


def test_timing_is_a_part_of_its_own_that_only_timing_and_the_report_are_made_from(write):
    before, after = fingerprints.of_experiment(load(write(EXPERIMENT))), fingerprints.of_experiment(load(write(TIMED)))
    assert {name for name in after if before[name] != after[name]} == {"timing"}
    assert (before["timing"], after["timing"]) == ([], ["digits"])
    assert before["problems"] == after["problems"]
    rules = {name: (ROOT / f"workflow/rules/{name}.smk").read_text() for name in ("check", "train", "common")}
    assert not [name for name, text in rules.items() if "timing" in text]


def test_how_steps_are_timed_is_no_part_of_a_training_job():
    def seen(module):
        source, waiting, files = ROOT / "src", [ROOT / "src" / f"{module}.py"], set()
        while waiting:
            files.add(here := waiting.pop())
            waiting += set(_local_imports(here, source)) - files
        return {file.stem for file in files}

    for program in WAYS_OF_TRAINING.values():
        assert {"timing", "interleaved_timing"}.isdisjoint(seen(program.replace(".", "/")))
    assert {"timing", "interleaved_timing"}.isdisjoint(seen("thalweg/training/jobs/train"))
    assert {"timing", "interleaved_timing", "trainer"} <= seen("thalweg/training/jobs/timing")


def test_claims_train_nothing(write):
    without, with_claims = load(write(EXPERIMENT)), load(write(EXPERIMENT + CLAIMS))
    run = Run("linear", "sgd", "constant", 6, 0.01, 1)
    check = {"data": "d", "model": "m", "in_memory": True, "splits": {"train": {"examples": 6}}}
    assert identity(without, run, check, "cpu") == identity(with_claims, run, check, "cpu")
    before, after = fingerprints.of_experiment(without), fingerprints.of_experiment(with_claims)
    assert {name for name in after if before[name] != after[name]} == {"claims"}
    assert digest(after["claims"]) != digest(before["claims"])


def test_what_is_made_from_claims_is_made_from_the_modules_of_their_measures_too(write):
    of_claims = fingerprints.of_experiment(load(write(EXPERIMENT + CLAIMS)))["claims"]
    modules = {"lower": "metric", "sooner": "time_to_target", "near": "prediction", "matters": "variance"}
    expected = {name: module_digest(f"thalweg.experiment.measures.{module}") for name, module in modules.items()}
    assert {name: code for name, (_, code) in of_claims.items()} == expected
    assert len(set(expected.values())) == 4


def test_no_training_job_s_digest_has_claims_in_it():
    training = "".join((ROOT / f"workflow/rules/{name}.smk").read_text() for name in ("check", "train", "common"))
    assert "FINGERPRINTS" in training
    assert "claims" not in training


def test_claims_of_another_file_take_the_place_of_an_experiment_s_own(write, tmp_path):
    others = tmp_path / "others.yaml"
    others.write_text(CLAIMS.replace("  lower:", "  other:"))
    path = write(EXPERIMENT + CLAIMS)
    judged, own = load_with_claims(path, others), load(path)
    assert list(judged.claims) == ["other", *list(own.claims)[1:]]
    assert judged.model_copy(update={"claims": own.claims}) == own


def test_mistakes_in_claims_of_another_file_are_told_of_that_file(write, tmp_path):
    others = tmp_path / "others.yaml"
    others.write_text("title: mine\n" + CLAIMS.replace("with: sgd", "with: sdg"))
    with pytest.raises(ExperimentError) as told:
        load_with_claims(write(EXPERIMENT + CLAIMS), others)
    assert str(told.value).startswith(f"{others} has 2 mistakes")
    assert "line 1: title: is not a key here; a file of claims has claims alone" in str(told.value)
    assert "line 5: claims.lower.compare.with: 'sdg' is not among the optimizers" in str(told.value)
    for text in ("", "- a\n", "claims: {}\n"):
        others.write_text(text)
        with pytest.raises(ExperimentError, match="claims"):
            load_with_claims(write(EXPERIMENT + CLAIMS), others)
    with pytest.raises(ExperimentError, match="No such file"):
        load_with_claims(write(EXPERIMENT + CLAIMS), tmp_path / "none.yaml")
