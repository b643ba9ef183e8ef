"""Every number on the pages of a report, found again from the raw runs by tests/derived.py.

A page is read once. Each check below writes out the words around some numbers, with the numbers as derived, and takes
them off the page, which must have them; a table must be equal to a derived one. What then is left of the page may hold
no number that FIXED does not explain: words that are the same in every report.
"""

import hashlib
import html.parser
import itertools
import json
import math
import os
import re
from pathlib import Path

import claimed
import derived
import figure_words
import numpy as np
import pytest
import synthetic
from derived import interval, listed, many, number, percent, quantile, rate
from scipy import stats

from thalweg.analysis import tables
from thalweg.grid.experiment import load
from thalweg.reporting import pages, templates

LINES = {"p", "li", "h1", "h2", "h3", "dt", "dd", "summary", "figcaption", "pre", "desc", "text", "title", "svg"}
LINES |= {"option", "legend", "label", "button", "table", "section", "header", "nav", "details", "figure"}
NUMBER = re.compile(r"\d(?:[\d,.]*\d)?|∞")
SPLITS = ("train", "validation", "test")
FEWEST = 6
"""The fewest seeds that have an interval."""

FIXED = {
    r"95 % (bootstrap )?interval": "the level of all intervals",
    r"at least 95 % whatever": "the same",
    r"at most 5 %|above 5 %|difference at 5 %|method, at 5 %": "the level of all tests",
    r"Demšar \(2006\)|Demšar 2006|Dolan and Moré 2002|McCandlish et al\. 2018": "years of publications",
    r"year = \{\{\d{4}\}\}": "the same",
    r"more than 10 problems and more than 5 optimizers": "Demšar's rule",
    r"; 1 is the best rank": "of ranks",
    r"where there are at least 6|which exists from 6 seeds on": "the fewest seeds that have an interval",
    r"from the shortest time to 4 times that|stays within 10 % of the best": "what is measured, in the methods",
    r"\(S / Smin − 1\)\(E / Emin − 1\) = 1": "a formula",
    r"add up to more than 100 %": "of shares",
    r"steps in steps \+ 1, so that 0 has": "of the axis",
    r"a straight line from 0,": "of a warmup",
    r"too many of them is infinite \(∞\)": "the sign, explained",
    r"--cores 1\b|SHA-256|SHA256SUMS(\.measured)?|sha256sum": "of commands and files",
    r"join two of 97\.5 %|Thalweg 0\.1\.0|version = \{\{0\.1\.0\}\}|BSD-3-Clause": "the software",
    rf"[Ll]osses below {number(derived.TINY, 2)}": "the square of single precision's epsilon",
}


class Page(html.parser.HTMLParser):
    """The words of a page outside tables, line by line, its tables by their labels, and its alternative texts."""

    def __init__(self, path, text=None):
        super().__init__()
        self.path, self.open, self.label = path, [], None
        self.words, self.tables, self.alternatives = "", {}, {}
        self.feed(text or path.read_text(encoding="utf-8"))
        self.words = "\n".join(filter(None, map(tidy, self.words.split("\n"))))
        self.tables = {label: [[*map(tidy, row)] for row in rows] for label, rows in self.tables.items()}

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "img":
            figure = os.path.normpath(self.path.parent / attributes["src"])
            self.alternatives[figure] = tidy(attributes["alt"])
        if tag not in ("meta", "link", "img", "br", "wbr"):
            self.open.append(tag)
        if tag == "section" and "scroll" in attributes.get("class", "").split():
            self.label = attributes["aria-label"]
            self.tables[self.label] = []
        if tag == "tr":
            self.tables[self.label].append([])
        if tag in ("td", "th"):
            self.tables[self.label][-1].append("")
        if tag in LINES or tag == "br":
            self.handle_data("\n")

    def handle_endtag(self, tag):
        self.open.pop()
        if tag in LINES:
            self.handle_data("\n")

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.tables[self.label][-1][-1] += data
        elif not {"head", "script", "table"} & set(self.open):
            self.words += data

    def take(self, *phrases):
        """Take each of some phrases off the page, once."""
        for phrase in map(tidy, phrases):
            self.must(phrase in self.words, phrase)
            self.words = self.words.replace(phrase, "▪", 1)

    def take_line(self, name, value):
        """Take a value off the page, which stands in a line of its own after that with its name."""
        self.must(f"\n{name}\n{value}\n" in self.words, f"{name}: {value}")
        self.words = self.words.replace(f"\n{name}\n{value}\n", f"\n{name}\n▪\n", 1)

    def take_table(self, label, rows, head=None):
        """Take a table off the page, whose rows under the head are to be these."""
        wanted = [[tidy(str(text)) for text in row] for row in rows]
        first, *found = self.tables.pop(label)
        self.must(found == wanted, label, [row for row in found if row not in wanted])
        self.must(head in (None, first), label, first)

    def take_alternative(self, figure, text):
        found = self.alternatives.pop(figure)
        self.must(found == tidy(text), text, found)

    def must(self, holds, wanted, found=""):
        """Raises AssertionError if it does not hold. (Pytest's own would compare whole pages, letter by letter.)"""
        if not holds:
            raise AssertionError(f"{self.path}: wanted {wanted!r}, found {found!r}")

    def numbers_left(self):
        """The numbers that nothing has explained, each with the words before it."""
        words = self.words
        for fixed in FIXED:
            words = re.sub(fixed, "▪", words)
        words += "".join(f"\n{text}" for text in self.alternatives.values())
        words += "".join(f"\n{text}" for rows in self.tables.values() for row in rows for text in row)
        return [words[max(0, one.start() - 60) : one.end() + 20] for one in NUMBER.finditer(words)]


def tidy(text):
    return " ".join(text.split())


@pytest.fixture(scope="module", params=["small", "wide", "tied"])
def made(request):
    """The results of an experiment as training left them, and the folder of its report."""
    report = request.getfixturevalue({"small": "report"}.get(request.param, f"{request.param}_report"))
    results = report.parent
    return derived.Results(results.parents[1] / "experiments" / f"{request.param}.yaml", results), report


def page_of(made, place, text=None):
    """A page, or another `text` in its place, without the title, and without how its figures were made."""
    results, report = made
    page = Page(report / place, text)
    for name in [*results.problems, results.said["title"], results.name]:
        assert name in page.words
    for text in (results.said["title"], results.said.get("description", ""), in_latex(results.said["title"])):
        page.words = page.words.replace(text, "▪") if text else page.words
    for figure in list(page.alternatives):
        page.take(f"SHA-256 of the SVG: {hashlib.sha256(Path(figure).read_bytes()).hexdigest()}")
    return page


def in_latex(text):
    """A title as it stands in BibTeX."""
    commands = {"<": r"\textless{}", ">": r"\textgreater{}"}
    return "".join(commands.get(one, f"\\{one}" if one in "&%$#_" else one) for one in text)


def lost(one):
    told = [f"{one[name]} of {one['n']} {words}" for name, words in LOST.items() if one[name]]
    return ", ".join(told)


LOST = {"diverged": "diverged", "late": "ran out of time"}


def with_interval(told, ends, write=number):
    """What is told and its interval, where there are seeds enough for one."""
    return told + and_lost(interval(ends, write), " ")


def loss_of(results, key):
    return with_interval(number(results.mean(key)), results.ends(key))


def effect(values):
    return with_interval(f"{number(quantile(values, 0.5))} times", derived.median_interval(values))


def and_lost(text, before):
    return f"{before}{text}" if text else ""


# What all pages of a kind share.


def take_recommendation(page, results, problem):
    key = results.best(problem=problem)
    cell = results.cells[key]
    ended = f"It ended at a test loss of {loss_of(results, key)}, n = {many(cell['n'], 'seed')}"
    if cell["n"] < FEWEST:
        ended += ", too few for an interval"
    page.take(f"{ended}{and_lost(lost(cell), '; ')}.")
    if results.measure(problem) == "examples to target":
        page.take(f"Runs end at their target: {examples_to_target(results, key, 'it is reached after ', ' examples')}.")
    if key in results.ranges:
        best, lower, upper, _, measure = results.ranges[key]
        if lower is None:
            page.take(f"No other rate that was tried comes within 10 % of the {measure} at {rate(best)}.")
        else:
            page.take(f"Peak rates from {number(lower)} to {number(upper)} bring a {measure} within 10 % of the best")
    take_code(page, results, key)


def examples_to_target(results, key, before="", after=""):
    median = quantile(results.compared(key).values(), 0.5)
    known = f"{before}a median of {number(median)}{after}"
    return known if math.isfinite(median) else "at most seeds it is not reached"


def take_code(page, results, key):
    """The numbers of the Keras code that stand for the cell itself; the code is run by tests of its own."""
    problem, optimizer, schedule, size = key
    grid, trial = results.said["problems"][problem], results.cells[key]["trial"]
    page.take(f"batch_size={size}, epochs={grid['epochs']})")
    others = json.loads(trial["others"])
    said = {
        name: value for name, value in results.said["optimizers"][optimizer].items() if name in ("momentum", "epsilon")
    }
    for name, value in {**{name: float(value) for name, value in said.items()}, **others}.items():
        page.take(f"{name}={value}")
    steps = int(results.cells[key]["runs"]["steps"].iloc[0])
    shape = results.said["schedules"][schedule]
    if not shape:
        page.take(f"learning_rate={trial['rate']}")
    elif shape.get("class") == "CosineDecay":
        page.take(f"initial_learning_rate={trial['rate']}, decay_steps={steps})")
    elif not shape.get("class"):
        page.take(f"Constant({trial['rate']})")
        page.take(f"warmup_steps={5 * results.steps_per_epoch(key)})")
    else:
        warmup = round(0.1 * steps)
        bounds = [round(share * steps) for share in (0.5, 0.75)]
        values = [float(f"{trial['rate'] * share:.12g}") for share in shape["values"]]
        page.take(f"boundaries={bounds}", f"values={values}", f"warmup_steps={warmup})")
    if grid.get("end_at_target"):
        page.take(f"# A run ended where validation_loss was {results.targets[problem][0]} or less.")


# The first page.


def take_trust(page, results):
    runs = results.runs
    outcomes = list(runs["outcome"])
    totals = {"finished": sum(map(outcomes.count, derived.WELL)), "diverged": outcomes.count("diverged")}
    late = outcomes.count("out of time")
    for name, count in {"declared": declared(results), **totals, **({"out of time": late} if late else {})}.items():
        page.take_line(name, f"{count:,}")
    page.take_line("missing", f"{declared(results) - len(outcomes):,}")
    page.take_line("tuning seeds", str(results.tuning_seeds))
    page.take_line("evaluation seeds", str(results.seeds))
    page.take(
        f"Results are those of {results.seeds} evaluation seeds; learning rates were chosen on "
        f"{many(results.tuning_seeds, 'other seed')}"
    )
    if late:
        page.take(f"{many(late, 'run')} were stopped because time was out")
    measured = results.shards("measured").drop_duplicates("run")
    page.take(f"{measured['dirty'].sum()} runs were trained with files that differ")
    if "Published, and" in page.words:
        columns = ["cpu_model", "instruction_set", "device", "tensorflow", "keras", "numpy"]
        (place,) = measured[columns].drop_duplicates().to_numpy()
        page.take(
            f"the same bit for bit: {declared(results):,} of {declared(results):,} runs are those of",
            "trained on {} ({}), {}; TensorFlow {}, Keras {}, NumPy {}.".format(*place),
        )
    repeated = len(runs) - len(measured)
    if repeated:
        are = "is" if repeated == 1 else "are"
        page.take(f"{many(repeated, 'run')} {are} declared twice", f"{len(measured):,} different runs were trained")
    edges = [cell for cell in results.cells.values() if cell["edge"]]
    if edges:
        page.take(f"In {len(edges)} of {many(len(results.cells), 'cell')} the chosen learning rate lies at an end")
    stages = ("tuning", "evaluation", "reproduction")
    rows = []
    for problem, stage in itertools.product(results.problems, stages):
        ended = list(runs.loc[(runs["problem"] == problem) & (runs["stage"] == stage), "outcome"])
        counts = [declared(results, problem, stage), sum(map(ended.count, derived.WELL))]
        counts += [ended.count("reached target")] if "reached target" in outcomes else []
        counts += [ended.count("diverged"), *([ended.count("out of time")] if late else [])]
        if counts[0]:
            rows.append([problem, stage, *counts, counts[0] - len(ended)])
    page.take_table("Runs by problem", rows)


def declared(results, problem=None, stage=None):
    """How many runs the experiment file asks for, counted from its text."""
    if problem is None:
        stages = ("tuning", "evaluation", "reproduction")
        return sum(declared(results, *one) for one in itertools.product(results.problems, stages))
    cells = len(results.sizes(problem)) * len(results.schedules)
    if stage == "evaluation":
        return cells * len(results.optimizers) * results.seeds
    if stage == "tuning":
        return cells * sum(map(trials, results.said["optimizers"].values())) * results.tuning_seeds
    reproductions = results.said.get("reproductions", {}).values()
    return results.seeds * sum(one["problem"] == problem for one in reproductions)


def trials(said):
    """How many trials an optimizer has: a range has two rates a decade."""
    if "search" in said:
        return said["search"]["trials"]
    if isinstance(said["learning_rates"], list):
        return len(said["learning_rates"])
    low, high = map(float, str(said["learning_rates"]).split(".."))
    return 1 + round(2 * math.log10(high / low))


def take_tuning_runs(page, results):
    """How many tuning runs cells have, where optimizers differ in that."""
    runs = {name: trials(said) * results.tuning_seeds for name, said in results.said["optimizers"].items()}
    if len(set(runs.values())) > 1:
        fewest, *others = [
            (count, listed(name for name in runs if runs[name] == count)) for count in sorted(set(runs.values()))
        ]
        told = [f"{fewest[0]} tuning runs a cell with {fewest[1]}", *(f"{count} with {of}" for count, of in others)]
        page.take(f"since each has trials of its own to choose from: {listed(told)}.")


def take_findings(page, results):
    take_tuning_runs(page, results)
    for problem in results.problems:
        key = results.best(problem=problem)
        cell = results.cells[key]
        _, optimizer, schedule, size = key
        accuracy = ""
        if results.metrics(problem):
            mean, ends = (how(key, "final_test_accuracy") for how in (results.mean, results.ends))
            accuracy = f", its accuracy {with_interval(number(mean), ends)}"
        alike = [one for one in results.cells_of(problem=problem) if results.preference(one) == results.preference(key)]
        chosen = "the tuning runs choose"
        if len(alike) > 1:
            chosen = f"{many(len(alike), 'cell')} tie for the best of the tuning runs, at a validation loss of "
            chosen += f"{number(results.cells[key]['trial']['median'])}; the first of them is"
        page.take(
            f"On {problem} {chosen} {optimizer} with schedule {schedule}, batch size {size} and peak "
            f"rate {results.setting(key)}; on {cell['n']} other seeds its final test loss is {loss_of(results, key)}"
            f"{accuracy}{and_lost(lost(cell), ', and ')}."
        )
        by_loss = results.measure(problem) == "final test loss"
        if not by_loss:
            page.take(f"is not their loss but the examples to it: {examples_to_target(results, key)}.")
        groups, named = {}, {}
        for factor in derived.FACTORS:
            for level, other, values, _, verdict in results.comparisons[problem, factor]:
                if verdict == "reference":
                    continue
                same = named.get(other)
                named.setdefault(other, f"{factor.replace('_', ' ')} {level}")
                gone = lost(results.cells[other])
                how = f"{effect(values)}{and_lost(gone, ', ')}, n = {len(values)}"
                if math.isinf(quantile(values, 0.5)):
                    words = [told for name, told in LOST.items() if results.cells[other][name]]
                    how = f"most runs {' or '.join(words) if by_loss else 'did not reach it'}, n = {len(values)}"
                said = f"{level} ({gone})" if gone else level
                if verdict in ("higher", "lower"):
                    said = f"{level} ({how})"
                said = f"{level} (the same cell as {same})" if same else said
                groups.setdefault(verdict, {}).setdefault(factor, []).append(said)
        begins = {"higher": "Seed by seed the loss is higher with", "lower": "It is lower with"}
        if not by_loss:
            begins = {"higher": "Seed by seed it takes more examples to the target with"}
            begins["lower"] = "It takes fewer with"
        begins |= {
            "not distinguishable": "Not distinguishable from the choice:",
            "too few seeds": "Too few seeds to tell:",
        }
        for verdict, factors in groups.items():
            told = [
                f"{factor.replace('_', ' ')}{'s' if len(levels) > 1 else ''} {listed(levels)}"
                for factor, levels in factors.items()
            ]
            page.take(f"{begins[verdict]} {'; '.join(told)}")
        take_recommendation(page, results, problem)
    rows = []
    for (problem, factor), levels in results.comparisons.items():
        for level, key, values, p, verdict in levels:
            name = f"batch size {level}" if factor == "batch_size" else level
            cell = f"{key[1]}, {key[2]}, {key[3]}, {results.setting(key)}"
            ends = interval(derived.median_interval(values))
            row = [problem, name, cell, results.measure(problem), len(values), number(quantile(values, 0.5)), ends]
            rows.append([*row, number(p), verdict])
    page.take_table("All comparisons", rows)


def take_conclusions(page, results):
    take_best_optimizer(page, results)
    n = results.tuning_seeds
    shares = {problem: results.shares[problem, "learning_rate"] for problem in results.problems}
    ordered = sorted(shares, key=lambda problem: shares[problem][0])
    ends = [
        f"{with_interval(percent(shares[one][0]), shares[one][1], percent)} ({one})"
        for one in (ordered[0], ordered[-1])
    ]
    totals = [percent(how(one[2] for one in shares.values())) for how in (min, max)]
    page.take(
        f"by itself makes up {' to '.join(ends)} of the variance between the ranks of tuning runs "
        f"(n = {n} seeds). With its interactions it makes up {' to '.join(totals)}."
    )
    others = {
        problem: [
            results.shares[problem, factor] for factor in derived.FACTORS if results.shares[problem, factor][0] > 0
        ]
        for problem in results.problems
    }
    above = sum(shares[one][0] > max(other[0] for other in others[one]) for one in shares)
    apart = sum(shares[one][1][0] > max(other[1][1] for other in others[one]) for one in shares)
    page.take(f"On {apart} of {many(len(shares), 'problem')} its interval lies above")
    if above > apart:
        page.take(f"on {above - apart} more it is the greatest")
    needed = []
    for (problem, *_), losses in results.budgets.items():
        if results.measure(problem) != "final test loss":
            continue
        expected = [derived.expected_best(losses, k) for k in range(1, len(losses) + 1)]
        whole = max(expected[-1], derived.TINY)
        if math.isfinite(whole):
            enough = [k for k, one in enumerate(expected, start=1) if max(one, derived.TINY) > 1.1 * whole]
            needed.append((max(enough, default=0) + 1) / len(losses))
    lower, median, upper = (percent(quantile(needed, share)) for share in (0.25, 0.5, 0.75))
    page.take(f"{median} of a sweep, drawn at random, can be expected to come within 10 % of the test loss")
    page.take(
        f"the median of {many(len(needed), 'sweep')} (quartiles {lower} and {upper}, highest {percent(max(needed))})"
    )
    page.take(f"each on {many(n, 'seed')}.")
    take_ranges(page, results)
    scores, workloads = results.scores
    first, *rest = sorted(results.optimizers, key=lambda name: -scores["examples", name][0])

    def told(names):
        return listed(
            f"{one} ({with_interval(number(scores['examples', one][0]), scores['examples', one][1])})" for one in names
        )

    page.take(
        f"the highest score is that of {told([first])}, n = {results.seeds} seeds. AlgoPerf’s score is 1 for the "
        f"quickest at each of {many(workloads, 'target')}, and 0 for one that is never within 4 times the quickest."
    )
    below = [one for one in rest if scores["examples", one][3][-1] == "lower"]
    if below:
        page.take(f"Lower (p ≤ 5 %, adjusted by Holm’s method): {told(below)}.")
    if len(below) < len(rest):
        page.take(f"in the same resamples: {told([one for one in rest if one not in below])}.")
    take_larger_batches(page, results)
    constant = [name for name, one in results.said["schedules"].items() if not one]
    if constant and len(results.schedules) > 1:
        page.take(f"On {many(len(results.problems), 'problem')}, the best cell at a constant learning rate")
        for problem in results.problems:
            _, _, values, _, verdict = results.comparisons[problem, "schedule"][results.schedules.index(constant[0])]
            if verdict != "reference":
                key = results.comparisons[problem, "schedule"][results.schedules.index(constant[0])][1]
                measure = results.measure(problem)
                how = f"{effect(values)}{and_lost(measure * (measure != 'final test loss'), ', ')}, n = {len(values)}"
                page.take(f"{problem} ({how}{and_lost(lost(results.cells[key]), '; ')})")


def take_larger_batches(page, results):
    fitted = {
        (problem, *series): found
        for problem in results.problems
        for series, found in results.fits[problem].items()
        if found[0] == "fitted"
    }
    if not fitted:
        return
    on = listed(dict.fromkeys(problem for problem, *_ in fitted))
    page.take(
        f"they save was fitted for {many(len(fitted), 'pair')} of an optimizer and a target (n = {results.seeds} seeds "
        f"each) on {on}."
    )
    words = {
        "batches are of use up to the largest size tried": lambda low, high, sizes: low >= 2 * sizes[-1],
        "they are of little use": lambda low, high, sizes: high <= sizes[0] / 2,
        "the critical batch size lies among": lambda low, high, sizes: sizes[0] < low and high < sizes[-1],
        "nothing is decided": lambda low, high, sizes: True,
    }
    told = [
        next(word for word, holds in words.items() if holds(*ends, sizes)) for _, _, ends, _, sizes in fitted.values()
    ]
    for word in set(told):
        page.take(f"For {many(told.count(word), 'pair')}, {word}")


def take_ranges(page, results):
    ranges = [(key[1], *found[1:4]) for key, found in results.ranges.items()]
    alone = sum(lower is None for _, lower, *_ in ranges)
    cells = many(len(ranges), "cell")
    page.take(f"In {alone} of {cells} no other rate that was tried comes within 10 % of the best")
    wide = {}
    for name in dict.fromkeys(name for name, *_ in ranges):
        own = [one for one in ranges if one[0] == name]
        known = [(math.log10(upper / lower), any(ends)) for _, lower, upper, ends in own if lower is not None]
        if 2 * len(known) > len(own):
            wide[name] = known
    if len(wide) < 2:
        return
    decades = {name: [one for one, _ in found] for name, found in wide.items()}
    for which, how in (("widest", max), ("narrowest", min)):
        name = how(decades, key=lambda one: quantile(decades[one], 0.5))
        lower, median, upper = (number(10 ** quantile(decades[name], share)) for share in (0.25, 0.5, 0.75))
        at_an_end = sum(ends for _, ends in wide[name])
        wider = f"; in {at_an_end} it reaches the last rate tried, and may be wider" if at_an_end else ""
        page.take(
            f"{which} with {name}, a factor of {median} from end to end (median of {many(len(decades[name]), 'cell')}, "
            f"quartiles {lower} and {upper}{wider})"
        )


def take_best_optimizer(page, results):
    ranks = derived.final_ranks(results)
    mean = dict(zip(results.optimizers, ranks.mean(axis=0), strict=True))
    wins, others = {name: [] for name in sorted(mean, key=mean.get)}, {}
    for (first, second), (found, _, verdict) in results.pairs(results.problems).items():
        share, (lower, upper) = derived.improvement(found)
        if verdict == "higher":
            first, second, share, lower, upper = second, first, 1 - share, 1 - upper, 1 - lower
        if verdict in ("higher", "lower"):
            seeds = many(sum(map(len, found)), "seed")
            wins[first].append(f"{second} (at {percent(share)} of {seeds} {interval((lower, upper), percent)})")
        else:
            others[verdict] = others.get(verdict, 0) + 1
    does, do = "ends at a lower test loss", "end at a lower test loss"
    if any(results.measure(problem) != "final test loss" for problem in results.problems):
        does += " or, where runs end at their target, takes fewer examples to it,"
        do += " or, where runs end at their target, take fewer examples to it,"
    above_all = [name for name, beaten in wins.items() if len(beaten) == len(mean) - 1]
    if above_all:
        shown = f"{above_all[0]} is shown to {do} than every other optimizer."
    else:
        shown = f"no optimizer is shown to {do} than all others."
    page.take(f"Over {many(len(results.problems), 'problem')}, {shown}")
    for name, beaten in wins.items():
        if beaten:
            page.take(f"Seed by seed {name} {does} than {listed(beaten)}")
    if "not distinguishable" in others:
        count = others["not distinguishable"]
        the_other = "The other " if any(wins.values()) else ""
        told = "pair" if the_other and count == 1 else many(count, "pair")
        page.take(f"{the_other}{told} {'is' if count == 1 else 'are'} not distinguishable.")
    if "too few seeds" in others:
        page.take(f"For {many(others['too few seeds'], 'pair')} there are too few seeds to tell.")
    lowest = min(mean.values())
    sharing = [name for name in mean if mean[name] == lowest]
    whose = f"is shared by {listed(sharing)}" if len(sharing) > 1 else f"is that of {sharing[0]}"
    page.take(f"The lowest mean rank, {number(lowest)} among {len(mean)}, {whose}.")
    if len(mean) > 2:
        p = derived.permutation_p(*map(tuple, ranks[:, np.argsort(results.optimizers)]))
        are = "are shown" if p <= 0.05 else "are not shown"
        page.take(f"{are} to differ (Friedman’s test by permutation, p = {number(p)}).")


def take_reproductions(page, results):
    rows = []
    for name, one in results.said.get("reproductions", {}).items():
        runs = results.runs[results.runs["reproduction"] == name]
        probe = results.check(one["problem"])["probe"]
        losses, predicted = list(runs["final_train_loss"]), list(runs["final_probe_0"].dropna())
        truth, point = probe["targets"][0][0], f"{probe['inputs'][0][0]:g}"
        setting = f"{one['problem']}, {one['optimizer']}, {one['schedule']}, batch size {one['batch_size']}"
        setting += f", peak rate {rate(one['learning_rate'])}"
        for quantity, values, digits, target in (
            ([f"{name}: {one['says']} {setting}", "final train loss"], losses, 3, ""),
            ([f"prediction at x = {point}"], predicted, 5, number(truth, 5)),
        ):
            low, high = derived.median_interval(values)
            median = f"{number(quantile(values, 0.5), digits)} [{number(low, digits)}, {number(high, digits)}]"
            rows.append(
                [*quantity, target, median, f"{number(min(values), digits)} {number(max(values), digits)}", len(values)]
            )
        page.take(
            f"{name} (n = {len(losses)}) ends at a median train loss of {number(quantile(losses, 0.5))} and predicts "
            f"{number(quantile(predicted, 0.5), 5)} at x = {point}, where the true value is {number(truth, 5)}."
        )
        page.take(f"without tuning, on {results.seeds} seeds:")
    if rows:
        page.take_table("The source’s own settings", rows)


def take_alternatives(page, results):
    for figure in list(page.alternatives):
        page.take_alternative(
            figure, figure_words.of_figure("alternative", Path(figure).stem, results, Path(figure).parent.name)
        )


def take_captions(page, results):
    """The numbers in the captions of figures, wherever these stand."""
    n = results.tuning_seeds
    if "Numbers of the figure over-all-ranks" in page.tables:
        by_name = derived.final_ranks(results)[:, np.argsort(results.optimizers)]
        p = derived.permutation_p(*map(tuple, by_name))
        page.take(f"over the {many(len(results.problems), 'problem')} on which every optimizer was evaluated")
        page.take(f"right for few problems too: p = {number(p, 2)}.")
    if "a jackknife over" in page.words:
        page.take(f"a jackknife over {many(n, 'tuning seed')}.")
    if "steps at a learning rate below" in page.words:
        page.take(f"steps at a learning rate below {rate(derived.STILL)} of its peak are left out")
    if "trial’s losses are medians" in page.words:
        page.take(f"trial’s losses are medians over {many(n, 'tuning seed')}.")


def take_problem(page, results, problem):
    check, grid = results.check(problem), results.said["problems"][problem]
    examples = {split: check["splits"][split]["examples"] for split in SPLITS}
    same = check["splits"]["validation"]["digest"] == check["splits"]["train"]["digest"]
    page.take(
        f"{many(check['parameters'], 'parameter')}; {examples['train']:,} examples to train, "
        f"{'the same' if same else format(examples['validation'], ',')} to validate, {examples['test']:,} to test; "
        f"loss {check['loss']}; {many(grid['epochs'], 'epoch')}"
    )
    if grid.get("end_at_target"):
        page.take(f"where its validation loss is {rate(results.targets[problem][0])} or less")
    if grid.get("time_limit"):
        page.take(f"A run is stopped after {grid['time_limit']}.")
    for pair in check["shared"]:
        (first, second), count = pair["splits"], pair["examples"]
        if check["splits"][second]["digest"] != check["splits"]["train"]["digest"]:
            are = "is" if count == 1 else "are"
            page.take(f"{many(count, 'example')} of the {second} split {are} in the {first} split too")
    take_recommendation(page, results, problem)
    take_tuning_runs(page, results)
    of_problem = [one for key in results.cells_of(problem=problem) for one in results.trials[key]]
    for extreme, words in ((0, "none"), (1, "all")):
        for n in sorted({one["n"] for one in of_problem if one["diverged"] + one["late"] == extreme * one["n"]}):
            low, high = stats.binomtest(extreme * n, n).proportion_ci(method="wilson")
            page.take(
                f"Where {words} of {many(n, 'run')} did, the true share is between {number(low, 2)} and "
                f"{number(high, 2)} (Wilson’s 95 % interval)."
            )
    rows = [
        [optimizer, *(in_matrix(results, (problem, optimizer, schedule, size)) for schedule in results.schedules)]
        for size in results.sizes(problem)
        for optimizer in [None, *results.optimizers]
        if optimizer
    ]
    heads = [[f"batch size {size}", *results.schedules] for size in results.sizes(problem)]
    several = len(results.optimizers)
    blocks = [[head, *rows[place * several : (place + 1) * several]] for place, head in enumerate(heads)]
    first, *rest = itertools.chain(*blocks)
    page.take_table(f"Optimizer, schedule and batch size on {problem}", rest, first)


def in_matrix(results, key):
    """What the table of a problem says of a cell."""
    cell = results.cells[key]
    column = results.column(key[0])
    words = [number(results.mean(key, column))]
    if math.isfinite(results.mean(key, column)):
        words.append(interval(results.ends(key, column)))
        if column != "final_test_loss":
            words.append(f"loss {loss_of(results, key)}")
        for metric in results.metrics(key[0]):
            name = f"final_test_{metric}"
            words.append(f"{metric} {number(results.mean(key, name))} {interval(results.ends(key, name))}")
        if column == "final_test_loss":
            words.append(f"best {number(results.mean(key, 'best_test_loss'))} ·")
    words += [f"rate {results.setting(key)}", f"{cell['edge']} rate" if cell["edge"] else "", lost(cell)]
    return " ".join(words)


def take_cells(page, results, _):
    every = many(len(results.cells), "cell")
    page.take(
        every, f"interquartile means of {results.seeds} evaluation seeds", f"{len(results.cells)} of {every} shown."
    )
    sizes = sorted({size for problem in results.problems for size in results.sizes(problem)})
    for size in sizes:
        page.take_line("▪" if size != sizes[0] else "all", str(size))
    metrics = list(dict.fromkeys(metric for problem in results.problems for metric in results.metrics(problem)))
    searches = any(map(results.is_searched, results.optimizers))
    ending = [problem for problem in results.problems if results.measure(problem) == "examples to target"]
    rows = []
    for problem in results.problems:
        for key, rank in results.ranked(problem):
            cell = results.cells[key]
            row = [*key, rank, number(cell["trial"]["median"])]
            if ending:
                name = "examples_to_target"
                ends = problem in ending
                row.append(number(cell["trial"]["steps"] * key[3]) if ends else "–")
                row += [number(results.mean(key, name)), interval(results.ends(key, name))] if ends else ["–", ""]
            row += [number(results.mean(key)), interval(results.ends(key))]
            row.append(number(results.mean(key, "best_test_loss")))
            for metric in metrics:
                there = metric in results.metrics(problem)
                row.append(number(results.mean(key, f"final_test_{metric}")) if there else "–")
                row.append(interval(results.ends(key, f"final_test_{metric}")) if there else "")
            setting = results.setting(key).split(", ", 1)
            row += [setting[0], *([" ".join(setting[1:])] if searches else []), cell["n"], lost(cell)]
            rows.append([*row, f"{cell['edge']} rate" if cell["edge"] else ""])
    page.take_table("All cells", rows)


def take_cell(page, results, key):
    problem, optimizer, schedule, size = key
    cell, trials, targets = results.cells[key], results.trials[key], results.targets[problem]
    page.take(f"{optimizer} with {schedule}, batch size {size}, on {problem}")
    target = ""
    if results.measure(problem) == "examples to target":
        mean, ends = (how(key, "examples_to_target") for how in (results.mean, results.ends))
        target = f"after {number(mean)} examples" if math.isfinite(mean) else "which too few of them reached"
        target = f". Runs end at their target, {with_interval(target, ends)}"
    known = ", too few for an interval" if cell["n"] < FEWEST else " and its 95 % interval"
    page.take(
        f"At a peak rate of {results.setting(key)}, its final test loss is {loss_of(results, key)}, the interquartile "
        f"mean of {many(cell['n'], 'seed')}{known}{target}{and_lost(lost(cell), '; ')}."
    )
    ranked = dict(results.ranked(problem))
    page.take(f"Of the problem’s {many(len(ranked), 'cell')} it is number {ranked[key]} on tuning runs.")
    page.take(f"{many(len(trials), 'trial')}, each on {many(results.tuning_seeds, 'tuning seed')}.")
    page.take(f"median of {many(cell['n'], 'evaluation seed')}.", f"cell={'/'.join(map(str, key))}")
    take_code(page, results, key)
    take_history(page, results, key)
    by_steps = results.said["problems"][problem].get("end_at_target")
    rows = []
    for one in trials:
        row = [results.written(one), number(one["median"]), spread(one["losses"])]
        row += [number(one["steps"])] if by_steps else []
        rows.append([*row, one["n"], lost(one), "chosen" if one is cell["trial"] else ""])
    page.take_table("Tuning results", rows)
    metrics = results.metrics(problem)
    names = [f"{split}_loss" for split in SPLITS] + [f"test_{metric}" for metric in metrics]
    rows = []
    for run in cell["runs"].to_dict("records"):
        well = run["outcome"] in derived.WELL
        row = [
            run["seed"],
            run["outcome"],
            f"{run['ended_at']:,}",
            *(number(run[f"final_{name}"] if well else None) for name in names),
        ]
        row += [f"{int(run['best_step']):,}" if well else "–"]
        rows.append([*row, *(number(run[f"best_{name}"] if well else None) for name in names[2:]), run["run"]])
    page.take_table("Evaluation runs", rows)
    rows = []
    for target in targets:
        runs = results.arrivals(key, target)
        reached, taken = sum(there for _, there, _ in runs), sum(took for *_, took in runs)
        lower, median, upper = derived.survival_interval(runs)
        ends = f"[{number(lower)}, {number(upper)}]" if lower else ""
        known = math.isfinite(median)
        restarts = taken / reached if reached else math.inf
        rows.append(
            [
                f"validation loss ≤ {rate(target)}",
                f"{reached} of {len(runs)}",
                number(median) if known else "not reached by half",
                ends,
                number(median / results.steps_per_epoch(key)) if known else "–",
                number(restarts),
            ]
        )
    page.take_table("Steps to targets", rows)


def spread(values):
    return f"{number(quantile(values, 0.25))} to {number(quantile(values, 0.75))}"


def take_history(page, results, key):
    """The table of medians and quartiles, and the words and ticks of the two small plots."""
    problem, *_ = key
    names = [f"{split}_loss" for split in SPLITS] + [f"test_{metric}" for metric in results.metrics(problem)]
    runs = list(results.cells[key]["runs"].itertuples())
    rows, medians, spreads = [], {"train_loss": {}, "test_loss": {}}, []
    per_epoch = results.steps_per_epoch(key)
    for step in derived.points_of(results, key):
        row = [f"{step:,}", number(step / per_epoch)]
        gone = sum(derived.is_gone(results, run, step) for run in runs)
        for name in names:
            values = [derived.value_at(results, run, name, step) for run in runs]
            row += [number(quantile(values, 0.5)), spread(values)]
            if name in medians:
                medians[name][step] = quantile(values, 0.5)
                spreads += [quantile(values, share) for share in (0.25, 0.5, 0.75)]
        rows.append([*row, gone or ""])
    page.take_table("Median and quartiles at the evaluation points", rows)
    powers = [math.log10(one) for one in spreads if 0 < one < math.inf]
    margin = 0.04 * (max(powers) - min(powers)) or 0.5
    heights = range(math.ceil(min(powers) - margin), math.floor(max(powers) + margin) + 1)
    along = [f"{step:,}" for step in (0, 1, 10, 100, 1_000) if step <= max(medians["test_loss"]) and step != 1]
    ticks = [*(number(10.0**one, 1) for one in heights[:: max(1, math.ceil(len(heights) / 5))]), *along]
    for name, found in medians.items():
        for before, tick in itertools.pairwise([name.replace("_", " "), *ticks]):
            page.take_line(before if before == name.replace("_", " ") else "▪", tick)
        finite = {step: value for step, value in found.items() if math.isfinite(value)}
        low, last = min(finite, key=finite.get), max(finite)
        infinite = [step for step, value in found.items() if math.isinf(value)]
        page.take(
            f"The median starts at "
            f"{number(found[0])}{f'; from step {infinite[0]:,} on it is infinite' if infinite else ''}. Its "
            f"lowest is {number(finite[low])}, at step {low:,}; at the last step drawn, {last:,}, it is "
            f"{number(finite[last])}."
        )


def take_figure_tables(page, results):
    """Every row of the figures' tables, in whatever order the figure has them."""
    for label in [label for label in page.tables if label.startswith("Numbers of the figure ")]:
        of, _, figure = label.split()[-1].rpartition("-")
        rows = figure_words.of_figure("rows", figure, results, of)
        head, *found = page.tables.pop(label)
        wanted = sorted([str(row[column]) for column in head] for row in rows)
        page.must(sorted(found) == wanted, label, [row for row in found if row not in wanted])


# The pages of cost, methods and data.


def take_cost(page, results, _):
    first, rows, words = results.optimizers[0], [], []
    for problem, size in [(one, size) for one in results.problems for size in results.sizes(one)]:
        if not results.said["problems"][problem].get("timing"):
            continue
        turns = derived.pd.read_parquet(results.folder / "timings" / f"{problem}.parquet")
        by_round = turns[turns["batch_size"] == size].pivot(index="round", columns="optimizer", values="microseconds")
        for name in results.optimizers:
            ratios = by_round[name] / by_round[first]
            ends = "" if name == first else interval([quantile(ratios, share) for share in (0.25, 0.75)])
            row = [problem, size, name, len(by_round), turns["steps"].iloc[0], number(quantile(by_round[name], 0.5))]
            rows.append([*row, number(quantile(ratios, 0.5)), ends])
        words.append(f"{turns['cpu_model'].iloc[0]}, {many(turns['threads'].iloc[0], 'thread')} ({problem})")
    if rows:
        page.take_table("Timed in turn", rows)
        page.take(f"Measured on {'; '.join(words)}")
    measured = results.shards("measured").drop_duplicates("run").set_index("run")
    runs = results.runs[results.runs["outcome"].isin(derived.WELL)].drop_duplicates("run").join(measured, on="run")
    rows = []
    for problem, name in itertools.product(results.problems, results.optimizers):
        for size in results.sizes(problem):
            of = runs[(runs["problem"] == problem) & (runs["optimizer"] == name) & (runs["batch_size"] == size)]
            for cpu, own in of.groupby("cpu_model"):
                steps = list(own["seconds"] / own["ended_at"] * 1e6)
                ends = interval([quantile(steps, share) for share in (0.25, 0.75)])
                row = [problem, name, size, own["device"].iloc[0], cpu, len(own), number(quantile(steps, 0.5)), ends]
                rows.append([*row, number(own["seconds"].sum())])
    page.take_table("Seconds of training", rows)


def take_methods(page, results, _):
    page.take(f"final validation loss over {many(results.tuning_seeds, 'tuning seed')}.")
    rows = []
    for name, said in results.said["optimizers"].items():
        arguments = {key: value for key, value in said.items() if key not in ("class", "learning_rates", "search")}
        told = "".join(f", {key}={float(value)}" for key, value in arguments.items())
        tuning = results.runs[(results.runs["optimizer"] == name) & (results.runs["stage"] == "tuning")]
        choice = ", ".join(rate(one) for one in sorted(set(tuning["learning_rate"])))
        if "search" in said:
            others = sorted(set(said["search"]) - {"trials", "learning_rate"})
            spaces = [f"learning rate {space(said['search']['learning_rate'])}"]
            spaces += [f"{key} {space(said['search'][key])}" for key in others]
            choice = f"{many(said['search']['trials'], 'trial')}: {'; '.join(spaces)}"
        rows.append([name, said["class"] + told, choice, trials(said) * results.tuning_seeds])
    page.take_table("Learning rates of each optimizer", rows)
    for name, said in results.said["schedules"].items():
        arguments = [(key, value) for key, value in said.items() if key not in ("class", "warmup")]
        if "warmup" in said:
            page.take(f"{name}: after a warmup of {said['warmup']}, in a straight line from 0,")
        told = [f"{key}={in_brackets(value)}" for key, value in arguments]
        if told:
            page.take(", ".join([said["class"], *told]))
        for key, value in said.items():
            if "%" in str(value):
                page.take(f"{name} {key} {in_brackets(value)}")
    environments = results.shards("measured").drop_duplicates("run").groupby("dirty")
    rows = []
    for dirty, one in environments:
        assert (one.drop(columns=["run", "seconds"]).nunique(dropna=False) == 1).all()
        at = one.iloc[0]
        processor = f"{at.cpu_model}, {at.cores} cores, {at.instruction_set}, {at.memory_gib:.1f} GiB"
        versions = f"Python {at.python}, TensorFlow {at.tensorflow}, Keras {at.keras}, NumPy {at.numpy}"
        commit = at.commit[:10] + " files differed" * bool(dirty)
        rows.append([f"{len(one):,}", commit, processor, at.device, at.os, versions, at.command])
    page.take_table("Where the runs were trained", rows)
    trained = sum(map(len, (one for _, one in environments)))
    if repeated := len(results.runs) - trained:
        are = "is" if repeated == 1 else "are"
        page.take(f"of the {many(declared(results), 'declared run')}, {repeated:,} {are} declared twice")
    splits = [
        (problem, split, results.check(problem)["splits"][split]) for problem in results.problems for split in SPLITS
    ]
    page.take_table(
        "Data digests", [[problem, split, f"{of['examples']:,}", of["digest"]] for problem, split, of in splits]
    )


def space(said):
    """What is searched, in words, from what the experiment file says."""
    if isinstance(said, list):
        return f"one of {', '.join(map(str, said))}"
    inner = re.fullmatch(r"1 - \((.*)\)", said)
    low, high = map(float, (inner[1] if inner else said).split(".."))
    return f"{'1 − a draw ' if inner else ''}from {rate(low)} to {rate(high)}"


def in_brackets(value):
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def take_data(page, _, report):
    """How long the published tables are, and what their dictionary says."""
    dictionary = derived.pd.read_csv(report / "tables" / "dictionary.csv", keep_default_na=False)
    rows = []
    for name, columns in dictionary.groupby("table", sort=False):
        if (report / "tables" / f"{name}.csv").is_file():
            length = len(derived.pd.read_csv(report / "tables" / f"{name}.csv", low_memory=False))
            rows.append([name, f"{name}.csv", f"{length:,}", len(columns)])
            names = [f"{one.column} in {one.unit}" if one.unit else one.column for one in columns.itertuples()]
            page.take_table(f"Columns of {name}", list(map(list, zip(names, columns["meaning"], strict=True))))
    page.take_table("Tables", rows)


# A page as a whole.


def take_index(page, results, _):
    take_captions(page, results)
    take_trust(page, results)
    take_conclusions(page, results)
    take_findings(page, results)
    take_reproductions(page, results)
    take_alternatives(page, results)
    take_figure_tables(page, results)
    page.take(f"{many(len(results.cells), 'cell')} to sort and filter")


def take_problem_page(page, results, _):
    take_captions(page, results)
    take_problem(page, results, page.path.stem)
    take_alternatives(page, results)
    take_figure_tables(page, results)


def take_cell_page(page, results, _):
    (key,) = [key for key in results.cells if page.path.parts[-2:] == (key[0], "{1}-{2}-{3}.html".format(*key))]
    take_cell(page, results, key)


TAKES = {"index": take_index, "cells": take_cells, "cost": take_cost, "methods": take_methods, "data": take_data}
OF_FOLDERS = {"problems": take_problem_page, "cells": take_cell_page}


def numbers_left(made, place, text=None):
    """The numbers of a page that nothing explains; AssertionError where one is not as derived."""
    results, report = made
    page = page_of(made, place, text)
    take = TAKES[place.stem] if len(place.parts) == 1 else OF_FOLDERS[place.parts[0]]
    take(page, results, report)
    return page.numbers_left()


def places(report):
    return sorted(path.relative_to(report) for path in report.rglob("*.html"))


def test_every_number_of_every_page_follows_from_the_raw_runs(made):
    for place in places(made[1]):
        assert numbers_left(made, place) == [], place


@pytest.mark.parametrize("place", ["index.html", "cells.html", "methods.html", "cost.html", "problems/linear.html"])
def test_a_page_with_another_number_is_found_out(made, place):
    """Any digit but those of addresses and of the page's own frame, drawn at random and made one more, is noticed."""
    text = (made[1] / place).read_text(encoding="utf-8")
    body = text.index("<main")
    visible = re.sub(r"<[^>]*>", lambda tag: "." * len(tag[0]), text[body:])
    digits = [body + one.start() for one in re.finditer(r"\d", visible)]
    for at in np.random.default_rng(0).choice(digits, 12, replace=False):
        changed = text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]
        try:
            found = numbers_left(made, Path(place), changed) != []
        except AssertionError:
            found = True
        assert found, (place, text[at - 80 : at + 20])


# Claims, of which the experiments above have none.


def test_every_number_of_a_claim_follows_from_the_raw_runs(tmp_path):
    """The effect, its interval, where the claim is true, the seeds and the verdict; of all verdicts there is one."""
    file, folder = synthetic.write_experiment(tmp_path, "claimed", synthetic.SMALL + claimed.CLAIMS)
    experiment, results = load(file), derived.Results(file, folder)
    table = tables.build(experiment, folder)["claims"]
    values = {"experiment": experiment, "claims": pages.claims_of(experiment, table), "problems": []}
    text = templates.render("claims.html", **values, figures={}, factors=[], root="")
    rows = Page(Path("claims.html"), text).tables["Claims"][1:]
    true = {
        "of_one_cell": "below 0.990",
        "of_two_batch_sizes": "below 0.950",
        "of_a_share": "above 0.500 points",
        "of_steps": "below 0.500",
        "of_a_prediction": "from 18.500 to 19.500",
    }
    verdicts = []
    effects = claimed.effects(results).items()
    for (name, found), (head, row) in zip(effects, zip(rows[::2], rows[1::2], strict=True), strict=True):
        verdict, (effect, *ends), unit = claimed.told(name, found)
        verdicts.append(verdict)
        told = f"{effect} {unit}".strip()
        cells = " 2 pairs of cells" if name == "of_two_batch_sizes" else ""
        assert head[0].startswith(f"{name}: ")
        assert row[:4] == [verdict, f"{told} [{', '.join(ends)}]", true[name], f"{len(found)}{cells}"], name
    assert len(set(verdicts)) > 1
