"""What a report concludes, derived again from the tables by other code."""

import math
import re
from itertools import product

import numpy as np
import pandas as pd
import pytest

from thalweg import templates
from thalweg.experiment.loading import load
from thalweg.reporting.html import conclusions, pages


@pytest.fixture(scope="module")
def tables(small):
    return pages.read_tables(small[1])


@pytest.fixture(scope="module")
def wide_tables(wide):
    return pages.read_tables(wide[1])


def page(experiment, tables, problems=()):
    found = conclusions.draw_conclusions(experiment, tables)
    return templates.render(
        "conclusions.html", conclusions=found, experiment=experiment, figures={}, problems=problems, searches=False
    )


def sentences(experiment, tables):
    """The sentences, in words."""
    text = page(experiment, tables)
    plain = re.sub(r"<[^>]*>", "", re.sub(r"</li>", "\n", text.replace("\n", " "))).replace("&nbsp;", " ")
    return [" ".join(line.split()) for line in plain.split("\n") if line.strip()]


def rows(table, **where):
    return [row for row in table.to_dict("records") if all(row[name] == value for name, value in where.items())]


def number(value, digits=3):
    return templates.number(value, digits)


def percent(value):
    return f"{number(100 * value)} %"


def test_every_decided_pair_is_told_by_its_winner_and_nothing_else_is(experiment, tables):
    pairs = [row for row in tables["improvements"].to_dict("records") if not isinstance(row["problem"], str)]
    text = sentences(experiment, tables)[0]
    assert f"Over {len(experiment.problems)} problems" in text
    wins = dict.fromkeys(experiment.optimizers, 0)
    for row in pairs:
        if row["verdict"] not in ("lower", "higher"):
            continue
        lower = row["verdict"] == "lower"
        winner, loser = (row["first"], row["second"]) if lower else (row["second"], row["first"])
        wins[winner] += 1
        ends = [row["lower"], row["upper"]] if lower else [1 - row["upper"], 1 - row["lower"]]
        share = row["probability"] if lower else 1 - row["probability"]
        words = f"{loser} (at {percent(share)} of {row['n']} pairs of runs [{percent(ends[0])}, {percent(ends[1])}])"
        assert (
            words
            in text.partition(f"Seed by seed {winner} ends at a lower test loss than ")[2].partition("Seed by seed")[0]
        )
    assert text.count(" pairs of runs [") == sum(wins.values()) > 0
    assert text.count("Seed by seed") == sum(number > 0 for number in wins.values())
    for name, number in wins.items():
        above_all = f"{name} is shown to end at a lower test loss than every other optimizer" in text
        assert above_all == (number == len(experiment.optimizers) - 1)


def over_all(tables, verdicts, measure="final test loss"):
    """The tables with these verdicts over all problems, of sgd and adam, sgd and doomed, adam and doomed."""
    table = tables["improvements"]
    one = table[table["problem"].isna()].assign(
        verdict=verdicts, probability=[0.225, 0.5, 0.5], lower=0.125, upper=0.375, n=40, measure=measure
    )
    ranks = tables["ranks"].assign(rank=tables["ranks"]["optimizer"].map({"sgd": 1.0, "adam": 2.0, "doomed": 3.0}))
    return tables | {"improvements": one, "ranks": ranks.assign(measure=measure)}


def test_the_one_decided_pair_is_told_also_where_neither_has_the_lowest_rank(experiment, tables):
    """By hand: the pair of adam and doomed is decided, while sgd has the lowest mean rank."""
    told = over_all(tables, ["not distinguishable", "not distinguishable", "higher"])
    text = sentences(experiment, told)[0]
    assert "no optimizer is shown to end at a lower test loss than all others." in text
    assert "doomed ends at a lower test loss than adam (at 50.0 % of 40 pairs of runs [62.5 %, 87.5 %]), a tie" in text
    assert "The other 2 pairs are not distinguishable." in text
    assert "The lowest mean rank, 1.00 among 3, is that of sgd." in text
    assert "times" not in text
    text = sentences(experiment, over_all(tables, ["higher", "not distinguishable", "too few seeds"]))[0]
    assert "adam ends at a lower test loss than sgd (at 77.5 % of 40 pairs of runs [62.5 %, 87.5 %])" in text
    assert "The other pair is not distinguishable. For 1 pair there are too few seeds to tell." in text


@pytest.mark.parametrize(
    ("measure", "every", "words"),
    [
        ("final test loss", "end at a lower test loss than every", "ends at a lower test loss than"),
        (
            "examples to target",
            "take fewer examples to the target than every",
            "takes fewer examples to the target than",
        ),
        (
            "final test loss or examples to target",
            "end at a lower test loss or, where runs end at their target, take fewer examples to it, than every",
            "ends at a lower test loss or, where runs end at their target, takes fewer examples to it, than",
        ),
    ],
)
def test_who_is_better_is_told_in_words_of_what_was_compared(experiment, tables, measure, every, words):
    text = sentences(experiment, over_all(tables, ["lower", "lower", "not distinguishable"], measure))[0]
    assert f"sgd is shown to {every} other optimizer" in text
    assert f"Seed by seed sgd {words} adam (" in text
    assert "and doomed (" in text


def test_where_everything_ties_nobody_is_best(experiment, tables):
    """Ranks are all the same, and no pair tells its two apart."""
    alike = tables["ranks"].assign(rank=2.0, permutation_p=1.0)
    pairs = tables["improvements"].assign(probability=0.5, verdict="not distinguishable")
    text = sentences(experiment, tables | {"ranks": alike, "improvements": pairs})[0]
    assert "no optimizer is shown to end at a lower test loss than all others" in text
    assert "2.00 among 3, is shared by sgd, adam and doomed." in text
    assert "3 pairs are not distinguishable." in text
    assert "Mean ranks are not shown to differ" in text
    few = pairs.assign(verdict="too few seeds")
    text = sentences(experiment, tables | {"ranks": alike, "improvements": few})[0]
    assert "For 3 pairs there are too few seeds to tell." in text
    assert "Seed by seed" not in text


def test_of_one_problem_nothing_is_said_over_all(wide, wide_tables):
    """Of the others, the same holds with one problem as with two."""
    one = {
        name: table[table["problem"].isna() | (table["problem"] == "sine")]
        for name, table in wide_tables.items()
        if "problem" in table
    }
    assert conclusions.best_optimizers(one["ranks"], one["improvements"]) is None
    assert conclusions.best_optimizers(wide_tables["ranks"], wide_tables["improvements"]) is not None


def test_of_one_optimizer_nothing_is_compared(tables):
    one = {name: table[table["optimizer"] == "adam"] for name, table in tables.items() if "optimizer" in table}
    assert conclusions.best_optimizers(one["ranks"], tables["improvements"].iloc[:0]) is None
    assert "widest" not in conclusions.good_ranges(one["sensitivity"])
    assert conclusions.soonest(one["scores"]) is None


def test_of_no_rows_nothing_is_said(experiment, tables):
    nothing = {name: table.iloc[:0] for name, table in tables.items()}
    assert set(conclusions.draw_conclusions(experiment, nothing).values()) == {None}
    assert sentences(experiment, nothing) == []


def test_where_nothing_finished_nobody_is_best(experiment, tables):
    lost = {
        "ranks": tables["ranks"].assign(value=np.inf),
        "budgets": tables["budgets"].assign(expected=np.inf),
        "sensitivity": tables["sensitivity"].assign(range="no finite result above zero"),
        "scores": tables["scores"].assign(score=0.0, lower=0.0, upper=0.0),
        "factors": tables["factors"].assign(share=0.0, lower=0.0, upper=0.0, total=0.0),
        "scaling": tables["scaling"].assign(median=np.nan),
        "comparisons": tables["comparisons"].assign(n=0),
    }
    assert set(conclusions.draw_conclusions(experiment, tables | lost).values()) == {None}


def test_the_share_of_the_learning_rate(experiment, tables):
    own = {row["problem"]: row for row in rows(tables["factors"], term="learning_rate")}
    found = conclusions.learning_rates(tables["factors"])
    apart = 0
    for problem, row in own.items():
        rest = [rows(tables["factors"], term=term, problem=problem) for term in ("optimizer", "schedule", "batch_size")]
        apart += row["lower"] > max(one["upper"] for of in rest for one in of)
    assert found["apart"] == apart <= found["above"]
    (text,) = [one for one in sentences(experiment, tables) if one.startswith("Learning rates.")]
    for row in (min(own.values(), key=lambda row: row["share"]), max(own.values(), key=lambda row: row["share"])):
        ends = f"[{percent(row['lower'])}, {percent(row['upper'])}]"
        assert f"{percent(row['share'])} {ends} ({row['problem']})" in text
    totals = sorted(row["total"] for row in own.values())
    assert f"With its interactions it makes up {percent(totals[0])} to {percent(totals[-1])}." in text
    assert f"On {apart} of {len(own)} problems" in text


def test_without_intervals_no_share_is_shown_to_be_the_greatest(experiment, tables):
    none = tables["factors"].assign(lower=np.nan, upper=np.nan)
    assert conclusions.learning_rates(none)["apart"] == 0
    (text,) = [one for one in sentences(experiment, tables | {"factors": none}) if one.startswith("Learning rates.")]
    assert "too few for intervals" in text
    assert "lies above" not in text


def needed(expected):
    """The least share of the trials from which on no budget is more than a tenth above them all."""
    losses = [max(abs(one), 2.0**-46) for one in expected]
    return min(k for k in range(1, len(losses) + 1) if all(one <= 1.1 * losses[-1] for one in losses[k - 1 :])) / len(
        losses
    )


@pytest.mark.parametrize("which", ["tables", "wide_tables"])
def test_budgets_are_those_from_which_on_the_loss_is_near_that_of_all_trials(which, request):
    table = request.getfixturevalue(which)["budgets"]
    shares = []
    for problem, optimizer, size in product(*(table[name].unique() for name in ("problem", "optimizer", "batch_size"))):
        own = table[(table["problem"] == problem) & (table["optimizer"] == optimizer) & (table["batch_size"] == size)]
        own = own[own["schedule"].isna()].sort_values("k")
        if len(own) and math.isfinite(own["expected"].iloc[-1]):
            shares.append(needed(own["expected"]))
    found = conclusions.budgets(table)
    assert found["pools"] == len(shares) > 1
    wanted = [*np.quantile(shares, [0.25, 0.5, 0.75]), max(shares)]
    assert [found[name] for name in ("lower", "median", "upper", "most")] == pytest.approx(wanted)


def test_of_one_schedule_the_pools_are_those_of_the_cells(tables):
    of_cells = tables["budgets"][tables["budgets"]["schedule"] == "cosine"]
    found = conclusions.budgets(of_cells)
    finite = of_cells[of_cells["k"] == of_cells["trials"]]["expected"].map(math.isfinite)
    assert found["pools"] == finite.sum()


def test_the_widest_and_the_narrowest_range_of_those_who_mostly_have_one(experiment, tables):
    widths = np.random.default_rng(0).uniform(0.5, 2, len(tables["sensitivity"]))
    table = tables["sensitivity"].assign(decades=widths, range="interpolated")
    names = list(table["optimizer"].unique())
    first = table["optimizer"] == names[0]
    medians = {name: np.median(table.loc[table["optimizer"] == name, "decades"]) for name in names}
    found = conclusions.good_ranges(table)
    assert found["widest"]["optimizer"] == max(medians, key=medians.get)
    assert found["narrowest"]["optimizer"] == min(medians, key=medians.get)
    text = " ".join(sentences(experiment, tables | {"sensitivity": table}))
    assert f"a factor of {number(10 ** max(medians.values()))} from end to end" in text
    assert f"In 0 of {len(table)} cells no rate next to the best one" in text
    alone = table.assign(range=table["range"].mask(first, "one rate alone"))
    found = conclusions.good_ranges(alone)
    assert (found["alone"], found["cells"]) == (first.sum(), len(table))
    assert names[0] not in str({name: found[name]["optimizer"] for name in ("widest", "narrowest") if name in found})
    assert "widest" not in conclusions.good_ranges(table.assign(range="one rate alone"))


def test_the_soonest_is_set_apart_from_those_alone_whose_difference_is_decided(experiment, tables):
    scores = pd.DataFrame(
        {
            "measure": ["examples"] * 3 + ["steps"] * 3,
            "optimizer": ["sgd", "adam", "doomed"] * 2,
            "tau_max": 4,
            "workloads": 5,
            "left_out": 0,
            "n": 7,
            "score": [0.9, 0.8, 0.1, 0.1, 0.2, 0.3],
            "lower": [0.7, 0.6, 0.0, 0.0, 0.1, 0.2],
            "upper": [1.0, 0.9, 0.3, 0.2, 0.3, 0.4],
            "verdict": ["reference", "not distinguishable", "lower", "lower", "lower", "reference"],
        }
    )
    (text,) = [one for one in sentences(experiment, tables | {"scores": scores}) if one.startswith("Soonest")]
    assert "is that of sgd (0.900 [0.700, 1.00])" in text
    assert "at each of 5 targets" in text
    assert "in the same resamples: adam (0.800 [0.600, 0.900])." in text
    assert "Holm’s method): doomed (0.100 [0, 0.300])." in text
    assert "left out" not in text
    fewer = tables | {"scores": scores.assign(left_out=1)}
    (text,) = [one for one in sentences(experiment, fewer) if one.startswith("Soonest")]
    assert "1 more problem is left out, where evaluation runs of an optimizer are missing." in text
    few = scores.assign(lower=np.nan, upper=np.nan, verdict="too few seeds")
    few.loc[0, "verdict"] = "reference"
    (text,) = [one for one in sentences(experiment, tables | {"scores": few}) if one.startswith("Soonest")]
    assert "too few for intervals" in text
    assert "Whether others differ is undecided." in text
    assert "Lower" not in text


def scaled(regimes):
    """Series of three batch sizes each, in these regimes."""
    return pd.DataFrame(
        {"problem": "linear", "optimizer": f"one_{place}", "target": "t", "batch_size": size, "n": 7, "median": 10.0}
        | {"fit": "fitted" if regime else "not of this shape", "regime": regime, "critical_batch_size_lower": 1.0}
        for place, regime in enumerate(regimes)
        for size in (8, 32, 128)
    )


def test_what_larger_batches_save_is_counted_by_regime(experiment, tables):
    table = scaled(["in proportion"] * 3 + ["little", "turning", "turning", "undecided", None])
    found = conclusions.batch_sizes(table)
    names = ("series", "above", "below", "among", "undecided", "unshaped")
    assert [found[name] for name in names] == [7, 3, 1, 2, 1, 1]
    (text,) = [one for one in sentences(experiment, tables | {"scaling": table}) if one.startswith("Larger")]
    assert "For 3 pairs, batches are of use up to the largest" in text
    assert "For 1 pair, they are of little use" in text
    assert "For 2 pairs, the critical batch size lies among" in text
    assert "For 1 pair, nothing is decided." in text
    assert "For 1 more pair, no such curve fits the steps" in text
    unknown = table.assign(critical_batch_size_lower=np.nan)
    (text,) = [one for one in sentences(experiment, tables | {"scaling": unknown}) if one.startswith("Larger")]
    assert "There are too few seeds for intervals of the critical batch size, so nothing is decided." in text
    assert conclusions.batch_sizes(table.assign(fit="fewer than three reached it")) is None


def shown_on(experiment, tables, words):
    """The problems whose figures a finding leads to."""
    every = {"budgets": {"id": "budgets"}, "scaling": {"id": "scaling"}}
    text = page(experiment, tables, [{"name": name, "figures": every} for name in experiment.problems])
    return re.findall(rf">{words} on (\w+)</a>", text)


def test_a_finding_leads_to_the_problems_that_it_speaks_of_alone(experiment, tables, wide, wide_tables):
    """Budgets are told in losses, which runs that end at their target are not compared by; a curve needs three batch
    sizes."""
    assert shown_on(experiment, tables, "budgets") == list(experiment.problems)
    assert shown_on(load(wide[0]), wide_tables, "budgets") == ["sine"]
    assert shown_on(experiment, tables | {"scaling": scaled(["little"])}, "batch sizes") == ["linear"]
    unshaped = scaled([None]).assign(problem="digits_cnn")
    both = pd.concat([scaled(["little"]), unshaped], ignore_index=True)
    assert shown_on(experiment, tables | {"scaling": both}, "batch sizes") == list(experiment.problems)


def test_the_constant_rate_against_the_best_cells(experiment, tables):
    (text,) = [one for one in sentences(experiment, tables) if one.startswith("Schedules.")]
    constant = rows(tables["comparisons"], factor="schedule", level="constant")
    assert [row["problem"] for row in constant] == list(experiment.problems)
    for row in constant:
        if row["verdict"] == "reference":
            assert row["problem"] in text.partition("On ")[2]
        else:
            interval = f"{number(row['ratio'])} times [{number(row['lower'])}, {number(row['upper'])}], n = {row['n']}"
            assert f"{row['problem']} ({interval}" in text
    for verdict, words in {
        "not distinguishable": "Not distinguishable on linear",
        "too few seeds": "Undecided, for too few seeds, on linear",
        "lower": "It is lower on linear",
        "higher": "It is higher on linear",
    }.items():
        table = tables["comparisons"]
        told = table.assign(verdict=table["verdict"].where(table["factor"] != "schedule", verdict))
        assert words in sentences(experiment, tables | {"comparisons": told})[-1]


def test_of_schedules_a_problem_where_tuning_could_choose_nothing_is_left_out(experiment, tables):
    cells = tables["cells"]
    lost = cells.assign(
        tuning_validation_loss=cells["tuning_validation_loss"].mask(cells["problem"] == "linear", np.inf)
    )
    (text,) = [one for one in sentences(experiment, tables | {"cells": lost}) if one.startswith("Schedules.")]
    assert "On 1 problem, " in text
    assert "linear" not in text


def test_within_a_share_of_a_loss_that_is_not_positive_means_nothing(tables):
    negative = tables["budgets"]["problem"] == "linear"
    table = tables["budgets"].assign(expected=tables["budgets"]["expected"].mask(negative, -1.0))
    assert conclusions.budgets(table) == conclusions.budgets(table[~negative])
    assert conclusions.budgets(table[negative]) is None


def test_without_a_constant_rate_nothing_is_said_of_schedules(wide, wide_tables):
    assert conclusions.schedules(load(wide[0]), wide_tables["comparisons"], wide_tables["cells"]) is None
    assert all(not one.startswith("Schedules.") for one in sentences(load(wide[0]), wide_tables))


def test_sentences_are_no_more_than_six(experiment, tables):
    assert 3 <= len(sentences(experiment, tables)) <= 6
