"""What holds of every grid and of every identity, tried on experiments that hypothesis makes up."""

import dataclasses
import json
import random
import re
from itertools import pairwise, product
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from thalweg import grid
from thalweg.experiment import search_space
from thalweg.experiment.schema import Experiment
from thalweg.experiment.values import NAME_PATTERN, half_decades
from thalweg.hashing import digest
from thalweg.horizon import Horizon
from thalweg.identity import identity
from thalweg.results import layout

ROOT = Path(__file__).parents[2]

always = settings(derandomize=True, deadline=None, max_examples=60)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
rates = st.floats(1e-6, 1e3)
spaces = st.one_of(
    st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=4, unique=True),
    st.tuples(st.floats(1e-6, 1e-3), st.floats(1e-2, 0.9)).map(lambda ends: f"{ends[0]!r} .. {ends[1]!r}"),
)
optimizers = st.one_of(
    st.builds(
        lambda rates, momentum: {"class": "SGD", "learning_rates": rates, "momentum": momentum},
        st.lists(rates, min_size=1, max_size=4, unique=True),
        st.sampled_from([0.0, 0.5, 0.9]),
    ),
    st.builds(
        lambda trials, rate, beta: {
            "class": "Adam",
            "search": {"trials": trials, "learning_rate": rate, "beta_1": beta},
        },
        st.integers(1, 6),
        spaces,
        spaces,
    ),
)
schedules = st.sampled_from(
    [
        {},
        {"warmup": "10 %"},
        {"class": "CosineDecay", "decay_steps": "90 %"},
        {"class": "CosineDecay", "decay_steps": 7},
    ]
)
grids = st.fixed_dictionaries(
    {"batch_sizes": st.lists(st.integers(1, 64), min_size=1, max_size=3, unique=True), "epochs": st.integers(1, 50)}
)
documents = st.fixed_dictionaries(
    {
        "title": st.just("An experiment"),
        "problems": st.dictionaries(names, grids, min_size=1, max_size=2),
        "optimizers": st.dictionaries(names, optimizers, min_size=1, max_size=3),
        "schedules": st.dictionaries(names, schedules, min_size=1, max_size=3),
        "seeds": st.fixed_dictionaries({"tuning": st.integers(1, 4), "evaluation": st.integers(1, 4)}),
    }
)


def made(document) -> Experiment:
    return Experiment.model_validate({**document, "name": "one", "directory": ROOT / "experiments"})


def every_run(experiment) -> list[grid.Run]:
    pairs = product(experiment.problems, experiment.optimizers)
    return [run for problem, optimizer in pairs for run in grid.tuning_runs(experiment, problem, optimizer)]


@always
@given(documents)
def test_a_grid_has_each_combination_once(document):
    experiment = made(document)
    found = every_run(experiment)
    assert len(set(found)) == len(found)
    wanted = 0
    for entry, optimizer in product(document["problems"].values(), experiment.optimizers.values()):
        if not optimizer.search:
            assert len(grid.trials(optimizer)) == len(optimizer.learning_rates)
        cells = len(entry["batch_sizes"]) * len(document["schedules"])
        wanted += cells * len(grid.trials(optimizer)) * document["seeds"]["tuning"]
    assert len(found) == wanted
    assert wanted == sum(count for (_, stage), count in grid.declared(experiment).items() if stage == "tuning")
    assert not {run.seed for run in found} & set(experiment.seeds.evaluation)


@always
@given(documents, st.randoms(use_true_random=False))
def test_a_grid_has_the_same_runs_in_whatever_order_the_file_has_them(document, rng: random.Random):
    def shuffled(value):
        if isinstance(value, dict):
            return {key: shuffled(value[key]) for key in rng.sample(list(value), len(value))}
        return value

    other = shuffled(document)
    for entry in other["problems"].values():
        entry["batch_sizes"] = rng.sample(entry["batch_sizes"], len(entry["batch_sizes"]))
    assert set(every_run(made(other))) == set(every_run(made(document)))


@always
@given(documents, names, optimizers, schedules)
def test_what_is_added_to_a_grid_keeps_the_runs_that_were_there(document, name, optimizer, schedule):
    before = set(every_run(made(document)))
    seeds = {"tuning": document["seeds"]["tuning"] + 1, "evaluation": 9}
    wider = {
        **document,
        "seeds": seeds,
        "optimizers": {name: optimizer, **document["optimizers"]},
        "schedules": {name: schedule, **document["schedules"]},
        "problems": {
            problem: {**grid, "batch_sizes": sorted({*grid["batch_sizes"], 99})}
            for problem, grid in document["problems"].items()
        },
    }
    assert before < set(every_run(made(wider)))


@always
@given(documents)
def test_a_document_is_the_same_experiment_however_yaml_writes_it(document):
    texts = [
        yaml.safe_dump(document, default_flow_style=style, sort_keys=order) for style in (0, 1) for order in (0, 1)
    ]
    texts.append("# a comment\n" + texts[0].replace("\n", "  # why\n"))
    experiments = [made(yaml.safe_load(text)) for text in texts]
    assert all(one.model_dump() == experiments[0].model_dump() for one in experiments)
    assert {digest(one.model_dump(mode="json")) for one in experiments} == {
        digest(made(document).model_dump(mode="json"))
    }


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=12,
)


@always
@given(values, values)
def test_digests_are_equal_where_the_canonical_text_is(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest(one) == digest(other)) == same
    assert digest(json.loads(json.dumps(one))) == digest(one)


CHECK = {"data": "d", "model": "m", "in_memory": True, "splits": {"train": {"examples": 64}}}
SGD = {"class": "SGD", "learning_rates": [0.1]}
SMOKE = {
    "title": "x",
    "problems": {"linear": {"batch_sizes": [8], "epochs": 5}},
    "optimizers": {"sgd": SGD},
    "schedules": {"constant": {}},
    "seeds": {"tuning": 1, "evaluation": 1},
}
RUN = grid.Run("linear", "sgd", "constant", 8, 0.1, 1)


def leaves(value, above=()):
    """Every leaf of nested dicts and lists, as a path."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [leaf for key, one in inside for leaf in leaves(one, (*above, key))]
    return found or [above]


def replaced(value, path, new):
    if not path:
        return new
    copied = value.copy()
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied


@always
@given(st.data())
def test_any_other_value_in_an_identity_is_another_digest(data):
    known = identity(made(SMOKE), RUN, CHECK, "cpu")
    path = data.draw(st.sampled_from(leaves(known)))
    old = known
    for key in path:
        old = old[key]
    new = data.draw(values.filter(lambda new: json.dumps(new) != json.dumps(old)))
    assert digest(replaced(known, path, new)) != digest(known)
    assert digest(dict(reversed(known.items()))) == digest(known)


@always
@given(st.floats(1e-6, 1e6), st.floats(0, 6), st.floats(0, 1, exclude_max=True))
def test_a_draw_lies_in_its_space_and_grows_with_the_share(low, decades, share):
    space = search_space.LogUniform(low, low * 10**decades)
    assert space.low * (1 - 1e-5) <= space.quantile(share) <= space.high * (1 + 1e-5)
    assert space.quantile(share / 2) <= space.quantile(share)
    mirrored = dataclasses.replace(space, one_minus=True)
    assert (
        mirrored.quantile(share) == 1 - space.quantile(share)
        or abs(mirrored.quantile(share) - (1 - space.quantile(share))) <= 1e-9 * low * 10**decades
    )
    assert search_space.draw(space, "a", 3) == search_space.draw(space, "a", 3)


@always
@given(st.integers(-30, 30), st.integers(-30, 30), st.sampled_from([1, 3]), st.sampled_from([1, 3]))
def test_a_lattice_is_half_decades_from_end_to_end(first, last, of_first, of_last):
    low, high = sorted([float(f"{of_first}e{first}"), float(f"{of_last}e{last}")])
    points = half_decades(low, high)
    assert (points[0], points[-1]) == (low, high)
    assert all(2.9 < after / before < 3.4 for before, after in pairwise(points))


@always
@given(st.integers(1, 10**9), st.integers(2, 200))
def test_evaluation_points_are_few_and_reach_from_start_to_end(steps, points):
    found = grid.evaluation_steps(steps, points)
    assert found == sorted(set(found))
    assert (found[0], found[-1]) == (0, steps)
    assert len(found) <= points
    assert found == grid.evaluation_steps(steps, points)


@always
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 100), st.booleans())
def test_a_horizon_counts_what_going_through_the_batches_counts(examples, batch_size, epochs, drop):
    batch_size = min(batch_size, examples)
    horizon = Horizon(examples, batch_size, epochs, drop)
    sizes = [min(batch_size, examples - start) for start in range(0, examples, batch_size)] if examples < 10**4 else []
    kept = [size for size in sizes if size == batch_size or not drop]
    if sizes:
        assert (horizon.steps_per_epoch, horizon.examples_per_epoch) == (len(kept), sum(kept))
    assert horizon.steps == epochs * horizon.steps_per_epoch


hostile = st.text() | st.text("./\\\0\n a1_-~$*", max_size=8) | names | st.from_regex(NAME_PATTERN)


@settings(always, max_examples=500)
@given(hostile)
def test_no_name_that_is_read_leads_out_of_the_results(name):
    try:
        experiment = made({**SMOKE, "problems": {name: SMOKE["problems"]["linear"]}, "optimizers": {name: SGD}})
    except ValidationError:
        return
    assert re.fullmatch("[a-z0-9_]{1,60}", name)
    results = Path("/results")
    files = [
        experiment.problem_file(name).relative_to(experiment.directory / "problems"),
        layout.check_file(results, name).relative_to(results / "checks"),
        layout.chosen_file(results, name, name).relative_to(results / "chosen"),
        layout.shard_folder(results, "tuning", name, name).relative_to(results / "runs" / "tuning"),
    ]
    assert all(".." not in file.parts and len(file.parts) <= 2 for file in files)
