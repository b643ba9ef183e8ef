"""What is published of results, and what is found of results that are not those."""

import copy
import functools
import json
import math
import os
import random
import statistics
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from thalweg import identity
from thalweg.analysis import histories
from thalweg.certificate import comparison, publish, published_schema
from thalweg.certificate import published as published_file
from thalweg.certificate.differences import ABSENT, Difference
from thalweg.experiment.loading import load
from thalweg.grid import Cell, Trial, declared

CELL = "linear/adam/cosine/6"


@pytest.fixture(scope="module", params=["small", "wide"])
def made(request):
    """An experiment, its results, its tables of runs and provenance."""
    file, results = request.getfixturevalue(request.param)
    tables = (pd.read_parquet(results / "tables" / f"{name}.parquet") for name in ("runs", "provenance"))
    return load(file), results, *tables


@pytest.fixture(scope="module")
def small_made(small):
    tables = (pd.read_parquet(small[1] / "tables" / f"{name}.parquet") for name in ("runs", "provenance"))
    return load(small[0]), small[1], *tables


@pytest.fixture
def published(small_made):
    return json.loads(publish.format_published(publish.published_content(*small_made)))


def compared(published, made, of=None):
    return comparison.compare_with_published(published, *made, settings=of)


def test_what_is_written_reads_back_and_is_found_again(made):
    content = publish.published_content(*made)
    published = json.loads(publish.format_published(content))
    assert published == json.loads(json.dumps(content))
    settings = published_file.published_settings(published)
    assert sum(len(setting.seeds) for setting in settings) == sum(declared(made[0]).values())
    found = compared(published, made)
    assert (found.configuration, found.surroundings, found.inconsistent, found.missing) == ([], [], [], [])
    assert found.verdict == "identical" and found.reproduced
    assert found.identical == found.runs == len(made[2])
    assert {one.verdict for one in found.headlines} == {"identical"}


def test_numbers_are_the_raw_ones_without_loss(small_made, published):
    folder = small_made[1] / "runs/evaluation/linear/adam"
    last = {}
    for row in pq.read_table(folder / "histories.parquet").to_pylist():
        last[row["run"]] = row
    runs = [row for row in pq.read_table(folder / "runs.parquet").to_pylist() if row["stage"] == "evaluation"]
    of_cell = [row for row in runs if (row["schedule"], row["batch_size"]) == ("cosine", 6)]
    content = published["cells"][CELL]
    wanted = [None if row["outcome"] == "diverged" else last[row["run"]]["test_loss"] for row in of_cell]
    assert None not in wanted
    assert [np.float32(value) for value in content["evaluation"]["test_loss"]] == [np.float32(one) for one in wanted]
    assert content["chosen"] == {"learning_rate": of_cell[0]["learning_rate"]}
    cut = len(wanted) // 4
    average = statistics.fmean(sorted(wanted)[cut : len(wanted) - cut])
    assert content["test_loss"][0] == pytest.approx(average, rel=1e-5)
    assert content["test_loss"][1] < average < content["test_loss"][2]


def test_nothing_in_it_was_measured_by_a_clock_or_names_a_place(small_made, published):
    text = publish.format_published(published)
    assert str(small_made[1].parent) not in text and "seconds" not in text
    other = small_made[3].assign(command="elsewhere", os="Other 1", cores=64, memory_gib=1.0, python="3.13")
    assert publish.format_published(publish.published_content(*small_made[:3], other)) == text


def test_another_process_with_another_hash_seed_writes_the_same(small_made, published):
    script = (
        "import sys; from pathlib import Path; import pandas as pd; from thalweg.certificate import publish\n"
        "from thalweg.experiment.loading import load\n"
        "folder = Path(sys.argv[2])\n"
        "made = (pd.read_parquet(folder / 'tables' / f'{name}.parquet') for name in ('runs', 'provenance'))\n"
        "print(publish.format_published(publish.published_content(load(Path(sys.argv[1])), folder, *made)), end='')"
    )
    experiment, results, *_ = small_made
    for seed in ("1", "2", "3"):
        command = [sys.executable, "-c", script, experiment.file, results]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        assert done.stdout == publish.format_published(published)


def test_bits_are_those_of_the_history_and_its_end_alone(small_made):
    experiment, results, runs, _ = small_made
    recorded = histories.read(experiment, results, "histories")
    some = runs[runs["problem"] == "linear"].drop_duplicates("run").head(20)
    assert some["bits"].str.fullmatch("[0-9a-f]{8}").all() and some["bits"].is_unique
    own = recorded[recorded["run"].isin(some["run"])].dropna(axis="columns", how="all")
    shuffled = own.sample(frac=1, random_state=1)[own.columns[::-1]]
    assert histories.bits(some, shuffled).tolist() == some["bits"].tolist()
    for column in own.columns.drop(["run", "step"]):
        place = own.index[own[column].notna() & (own["step"] > 0)][0]
        moved = own.copy()
        moved[column] = moved[column].astype(own[column].dtype)
        moved.loc[place, column] = np.nextafter(own[column].dtype.type(own.loc[place, column]), np.inf)
        changed = histories.bits(some, moved) != some["bits"]
        assert some.loc[changed, "run"].tolist() == [own.loc[place, "run"]], column
    assert (histories.bits(some.assign(outcome="diverged"), own) != some["bits"]).sum() > 10


def test_a_run_that_came_out_otherwise_is_named_with_by_how_much(small_made, published):
    experiment, results, runs, environments = small_made
    one = runs[(runs["stage"] == "tuning") & runs["final_validation_loss"].notna()].iloc[3]
    runs = runs.copy()
    runs.loc[one.name, "final_validation_loss"] = np.float32(1.001) * np.float32(one["final_validation_loss"])
    runs.loc[one.name, "bits"] = "0" * 8
    found = compared(published, (experiment, results, runs, environments))
    assert (found.verdict, found.reproduced, found.identical) == ("different", False, len(runs) - 1)
    ((run, (number, bits)),) = found.different.items()
    assert (number.name, run.run.seed, bits.name) == ("validation_loss", one["seed"], "bits")
    assert run.run.cell == Cell(one["problem"], one["optimizer"], one["schedule"], one["batch_size"])
    assert number.relative == pytest.approx(0.001, rel=1e-2)
    (row,) = comparison.comparison_to_json(published, found)["different"]
    assert (row["name"], row["seed"], row["moved"]) == ("validation_loss", one["seed"], True)


def test_elsewhere_it_is_within_tolerance_as_long_as_the_headlines_are(small_made, published):
    experiment, results, runs, environments = small_made
    elsewhere = environments.assign(instruction_set="z80")
    evaluated = (runs["stage"] == "evaluation") & runs["final_test_loss"].notna()
    for factor, verdict in ((1.0001, "within tolerance"), (3.0, "different")):
        moved = runs.copy()
        moved.loc[evaluated, "final_test_loss"] *= factor
        moved.loc[evaluated, "bits"] = "0" * 8
        found = compared(published, (experiment, results, moved, elsewhere))
        assert (found.verdict, found.reproduced) == (verdict, verdict != "different")
        assert found.surroundings == [Difference("instruction_set", "avx512", "z80")]
        assert compared(published, (experiment, results, moved, environments)).verdict == "different"


def other_program(published):
    for one in published["surroundings"]:
        one["program"] = "0" * 64
    return Difference("program", "0" * 64, identity.software()["program"])


def test_other_software_is_named_and_excused_where_every_bit_is_equal(small_made, published):
    experiment, results, runs, environments = small_made
    found = compared(published, (experiment, results, runs, environments.assign(keras="3.99.0")))
    assert found.surroundings == [Difference("keras", "3.15.0", "3.99.0")]
    assert (found.verdict, found.reproduced, found.other_software) == ("identical", True, ["keras"])
    program = other_program(published)
    found = compared(published, small_made)
    assert found.surroundings == [program]
    assert (found.verdict, found.reproduced, found.other_software) == ("identical", True, ["program"])


@pytest.mark.parametrize("name", ["keras", "program"])
def test_other_software_is_not_excused_where_bits_differ(small_made, published, name):
    experiment, results, runs, environments = small_made
    moved = runs.copy()
    moved.loc[runs["stage"] == "evaluation", "bits"] = "0" * 8
    if name == "program":
        other_program(published)
    else:
        environments = environments.assign(keras="3.99.0")
    found = compared(published, (experiment, results, moved, environments))
    assert (found.verdict, found.reproduced, found.other_software) == ("within tolerance", False, [name])


def test_what_was_recorded_makes_no_other_experiment(small_made, published):
    experiment, results, runs, environments = small_made
    record = published["configuration"]["problems"]["linear"]["record"]
    record[:] = [] if record else ["weights"]
    assert published_file.configuration_differences(published, experiment) == []
    assert compared(published, small_made).verdict == "identical"
    assert published_file.with_published_records(published, experiment).problems["linear"].record == tuple(record)
    # The digests of histories cover what is recorded; final numbers do not.
    moved = runs.copy()
    of_problem = runs["problem"] == "linear"
    moved.loc[of_problem, "bits"] = "0" * 8
    found = compared(published, (experiment, results, moved, environments))
    assert (found.verdict, found.different, found.other_records) == ("identical", {}, of_problem.sum())
    assert found.identical == (~of_problem).sum()
    as_published = published_file.with_published_records(published, experiment)
    found = compared(published, (as_published, results, moved, environments))
    assert (found.verdict, len(found.different), found.other_records) == ("different", of_problem.sum(), 0)
    del published["configuration"]["problems"]["linear"]["record"]
    assert published_file.configuration_differences(published, experiment) == []


def test_a_processor_alone_is_named_and_excused(small_made, published):
    experiment, results, runs, environments = small_made
    found = compared(published, (experiment, results, runs, environments.assign(cpu_model="Other")))
    assert found.surroundings == [Difference("cpu_model", "Example CPU @ 2.50GHz", "Other")]
    assert (found.verdict, found.reproduced) == ("identical", True)


@pytest.mark.parametrize("name", ["validation_loss", "test_loss"])
def test_a_published_number_that_was_tampered_with_is_found(small_made, published, name):
    stage = "tuning" if name == "validation_loss" else "evaluation"
    values = published["cells"][CELL][stage][name]
    values = values[1] if stage == "tuning" else values
    values[2] *= 1.01
    found = compared(published, small_made)
    ((different,),) = found.different.values()
    assert (different.name, found.contradictory, found.verdict) == (name, True, "different")
    (row,) = comparison.comparison_to_json(published, found)["different"]
    assert (row["name"], row["moved"]) == (name, False)
    assert different.relative == pytest.approx(1 - 1 / 1.01, rel=1e-3)
    # In surroundings that would excuse other bits too: the file itself is wrong.
    elsewhere = small_made[3].assign(instruction_set="z80")
    assert compared(published, (*small_made[:3], elsewhere)).verdict == "different"


def test_a_headline_that_does_not_follow_from_the_published_runs_is_found_without_any_run(small_made, published):
    published["cells"][CELL]["test_loss"][0] *= 1.5
    published["reproductions"]["snippet_1"]["probe_0"][1] = 7.0
    found = compared(published, small_made, of=[])
    assert [name for name, *_ in found.inconsistent] == [f"{CELL}.test_loss", "snippet_1.probe_0"]
    assert (found.verdict, found.runs) == ("different", 0)


def test_another_chosen_rate_is_found_without_any_run(small_made, published):
    chosen = published["cells"][CELL]["chosen"]
    rates = [one["learning_rate"] for one in published["configuration"]["optimizers"]["adam"]["trials"]]
    other = next(rate for rate in rates if rate != chosen["learning_rate"])
    right, chosen["learning_rate"] = dict(chosen), other
    found = compared(published, small_made, of=[])
    assert found.inconsistent == [Difference(f"{CELL}.chosen", {"learning_rate": other}, right)]


def places(content, place=()):
    """The place of everything in nested content, of a list the first entry."""
    keys = content if isinstance(content, dict) else range(len(content[:1])) if isinstance(content, list) else ()
    for key in keys:
        yield (*place, key)
        yield from places(content[key], (*place, key))


DAMAGED = ("gone", None, True, -1, 1e300, math.nan, 10**400, "", "abc", [], [None], ["x"], {}, {"x": 1})


def test_whatever_is_damaged_is_refused_or_has_the_form_of_what_stood_there(small, published):
    """A value of the same form is found by comparing it, and so is all that is changed of the configuration."""
    experiment, passed = load(small[0]), 0
    damages = [(place, damage) for place in places(published) for damage in DAMAGED]
    for (*section, key), damage in random.Random(1).sample(damages, 400):
        damaged = copy.deepcopy(published)
        inside = functools.reduce(lambda content, name: content[name], section, damaged)
        before = inside.pop(key) if damage == "gone" else inside[key]
        if damage != "gone":
            inside[key] = damage
        try:
            content = published_schema.parse(json.dumps(damaged).encode())
            published_file.published_settings(content)
        except ValueError:
            continue
        passed += 1
        if section[:1] == ["configuration"]:
            unlike = published_file.configuration_differences(content, experiment)
            assert damaged == published or unlike or "record" in (key, *section)
        elif damage is not None and "commits" not in (key, *section):
            assert damage != "gone" and isinstance(damage, type(before) | int), (section, key, damage)
    assert passed > 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "valid dictionary"),
        ('{"experiment": "a", "experiment": "b"}', "experiment is there twice"),
        ('{"experiment": NaN}', "NaN is no number"),
        ("9" * 5000, "5000 digits"),
        ('{"experiment": "a"}', "commits: Field required"),
    ],
)
def test_what_is_no_published_file_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        published_schema.parse(text.encode())


def test_a_cell_that_is_left_out_is_missed(published):
    del published["cells"][CELL]
    with pytest.raises(ValueError, match=f"cells: {CELL} is missing"):
        published_schema.parse(json.dumps(published).encode())


def test_one_digit_of_a_published_digest_is_found(small_made, published):
    bits = published["cells"][CELL]["evaluation"]["bits"].split()
    bits[4] = ("1" if bits[4][0] != "1" else "2") + bits[4][1:]
    published["cells"][CELL]["evaluation"]["bits"] = " ".join(bits)
    ((run, (different,)),) = compared(published, small_made).different.items()
    assert (different.name, run.run.seed, different.relative) == ("bits", 1005, None)


@pytest.mark.parametrize(
    ("old", "new", "place", "values"),
    [
        ("momentum: 0.99", "momentum: 0.8", "optimizers.doomed.momentum", (0.99, 0.8)),
        ("momentum: 0.99", "nesterov: true", "optimizers.doomed.nesterov", (ABSENT, True)),
        ("epochs: 20", "epochs: 21", "problems.linear.epochs", (20, 21)),
        ("[1.0, 3.0]", "[1.0, 3.0, 10.0]", "optimizers.doomed.trials.3.learning_rate", (ABSENT, 10.0)),
        ("100 %", "90 %", "schedules.cosine.decay_steps", ("100 %", "90 %")),
        ("tuning: 3", "tuning: 2", "seeds.tuning", ([1, 2, 3], [1, 2])),
    ],
)
def test_what_was_changed_of_the_experiment_is_named(small, published, tmp_path, old, new, place, values):
    text = small[0].read_text().replace(old, new)
    assert text != small[0].read_text()
    (tmp_path / "problems").symlink_to(small[0].parent / "problems")
    (tmp_path / "small.yaml").write_text(text)
    changed = published_file.configuration_differences(published, load(tmp_path / "small.yaml"))
    assert Difference(place, *values) in changed
    assert {name.rpartition(".")[0] for name, *_ in changed} == {place.rpartition(".")[0]}


def test_what_an_experiment_has_beside_what_was_published_changes_nothing(small, published, tmp_path):
    text = small[0].read_text().replace("  doomed:", "  more: {class: SGD, learning_rates: [0.1]}\n  doomed:")
    (tmp_path / "problems").symlink_to(small[0].parent / "problems")
    (tmp_path / "small.yaml").write_text(text.replace("title: '", "title: 'another "))
    assert published_file.configuration_differences(published, load(tmp_path / "small.yaml")) == []


def test_runs_that_are_missing_are_counted(small_made, published):
    experiment, results, runs, environments = small_made
    gone = (runs["problem"] == "linear") & (runs["seed"] == 1002)
    found = compared(published, (experiment, results, runs[~gone], environments))
    settings = int(gone.sum())
    assert (found.verdict, len(found.missing)) == ("different", settings * len(experiment.seeds.evaluation))


def test_a_sample_is_the_same_everywhere_and_grows(published):
    settings = published_file.published_settings(published)
    total = sum(len(one.seeds) for one in settings)
    sizes = []
    before: list = []
    for share in (0.01, 0.05, 0.3, 1.0):
        drawn = published_file.sample(published, share, 1)
        assert drawn == published_file.sample(copy.deepcopy(published), share, 1)
        assert drawn[: len(before)] == before
        sizes.append(sum(len(one.seeds) for one in drawn))
        assert share * total <= sizes[-1] <= share * total + 10
        before = drawn
    assert set(before) == set(settings) and sizes[-1] == total
    assert published_file.sample(published, 0.3, 1) != published_file.sample(published, 0.3, 2)


def test_every_problem_and_optimizer_is_in_a_sample_that_is_large_enough(published):
    pairs = {one.cell[:2] for one in published_file.published_settings(published)}
    drawn = published_file.sample(published, 0.3, 1)
    first = drawn[: len(pairs)]
    assert {one.cell[:2] for one in first} == pairs
    assert {one.stage for one in first} == {"evaluation"}
    assert len({one.stage for one in drawn}) > 1


def test_results_that_are_not_what_the_experiment_would_train_are_refused(small_made):
    experiment, results, runs, environments = small_made
    with pytest.raises(publish.UnpublishableError, match=r"^3 of .* runs are missing; run snakemake"):
        publish.require_publishable(experiment, results, runs.iloc[3:], environments)


def test_the_tolerance_of_a_loss_near_zero_is_the_resolution():
    setting = published_file.Setting("evaluation", "", Cell("linear", "sgd", "constant", 1), Trial(0.1), (1001,))
    near = comparison.Headline(setting, "test_loss", (4.7e-15, 4.7e-15, 4.7e-15), 0.0)
    assert near.verdict == "within tolerance"
    assert comparison.Headline(setting, "test_loss", (1e-9, 9e-10, 2e-9), 0.0).verdict == "different"
    assert comparison.Headline(setting, "test_loss", (math.inf,) * 3, 1.0).verdict == "different"
    assert comparison.Headline(setting, "test_loss", (math.inf, 1.0, math.inf), 2.0).verdict == "within tolerance"
