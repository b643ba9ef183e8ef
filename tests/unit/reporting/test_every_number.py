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
import derived_tables
import figure_words
import numpy as np
import pytest
import yaml
from derived import interval, listed, many, number, percent, quantile, rate
from scipy import stats

LINES = {"p", "li", "h1", "h2", "h3", "dt", "dd", "summary", "figcaption", "pre", "desc", "text", "title", "svg"}
LINES |= {"option", "legend", "label", "button", "table", "section", "header", "nav", "details", "figure"}
NUMBER = re.compile(r"\d(?:[\d,.]*\d)?|∞")
SPLITS = ("train", "validation", "test")

ROOT = Path(__file__).parents[3]

FIXED = {
    r"95 % (bootstrap )?interval": "the level of all intervals",
    r"at least 95 % whatever": "the same",
    r"at most 5 %|above 5 %|difference at 5 %|method, at 5 %": "the level of all tests",
    r"Demšar \(2006\)|Demšar 2006|Dolan and Moré 2002|McCandlish et al\. 2018": "years of publications",
    r"more than 10 problems and more than 5 optimizers": "Demšar's rule",
    r"; 1 is the best rank": "of ranks",
    r"where there are at least 6|which exists from 6 seeds on": "the fewest seeds that have an interval",
    r"from the shortest time to 4 times that|stays within 10 % of the best": "what is measured, in the methods",
    r"\(S / Smin − 1\)\(E / Emin − 1\) = 1": "a formula",
    r"add up to more than 100 %": "of shares",
    r"steps in steps \+ 1, so that 0 has": "of the axis",
    r"a straight line from 0,": "of a warmup",
    r"∞ is a number that most runs": "the sign, explained",
    r"too many of them is infinite \(∞\)": "the sign, explained",
    r"from −1 to 1 the sentence is true": "of an axis",
    r"--cores 1\b|SHA-256|SHA256SUMS(\.measured)?|sha256sum": "of commands and files",
    r"joins two of 97\.5 %|Thalweg 0\.1\.0|version = \{\{0\.1\.0\}\}|BSD-3-Clause": "the software",
    rf"([Ll]osses|values) below {number(derived.TINY, 2)}": "the square of single precision's epsilon",
}


class Page(html.parser.HTMLParser):
    """The words of a page outside tables, line by line, its tables by their labels, and its alternative texts.

    Words are those too that a reader is told or shown elsewhere: titles, labels of links, and what the page says of
    itself to other programs. `sorted_by` has the numbers by which a script sorts the rows of a table.
    """

    def __init__(self, path, text=None):
        super().__init__()
        self.path, self.open, self.label = path, [], None
        self.words, self.tables, self.sorted_by, self.alternatives, self.told = "", {}, {}, {}, []
        self.feed(text or path.read_text(encoding="utf-8"))
        self.words += "\n".join(["", *self.told])
        self.words = "\n".join(filter(None, map(tidy, self.words.split("\n"))))
        self.tables = {label: [[*map(tidy, row)] for row in rows] for label, rows in self.tables.items()}

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.told += [attributes[name] for name in ("aria-label", "title") if name in attributes]
        if tag == "img":
            figure = os.path.normpath(self.path.parent / attributes["src"])
            self.alternatives[figure] = tidy(attributes["alt"])
        if tag not in ("meta", "link", "img", "br", "wbr"):
            self.open.append(tag)
        if tag == "section" and "scroll" in attributes.get("class", "").split():
            self.label = attributes["aria-label"]
            self.tables[self.label], self.sorted_by[self.label] = [], []
        if tag == "tr":
            self.tables[self.label].append([])
            self.sorted_by[self.label].append([])
        if "data-value" in attributes:
            self.sorted_by[self.label][-1].append(attributes["data-value"])
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
        elif self.open[-2:] == ["head", "title"]:
            self.told.append(data)
        elif self.open[-1:] == ["script"]:
            self.told += values_of(json.loads(data))
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
        self.words += "\n".join(["", *(first if head is None else [])])

    def take_order(self, label, rows):
        """Take off the page what a script sorts a table's rows by; these are to be as near as sums can be."""
        _, *found = self.sorted_by.pop(label)
        for row, values in zip(found, rows, strict=True):
            wanted = [math.nan if value is None else value for value in values]
            there = [float(text or "nan") for text in row]
            self.must(np.allclose(there, wanted, rtol=1e-12, atol=0, equal_nan=True), wanted, there)

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
        lines = [row for rows in (*self.tables.values(), *self.sorted_by.values()) for row in rows]
        words += "".join(f"\n{text}" for row in lines for text in row)
        return [words[max(0, one.start() - 60) : one.end() + 20] for one in NUMBER.finditer(words)]


def values_of(content):
    """The texts and numbers of JSON-LD; addresses are none."""
    if isinstance(content, dict):
        return [one for name, inner in content.items() if name[0] != "@" for one in values_of(inner)]
    if isinstance(content, list):
        return [one for inner in content for one in values_of(inner)]
    return [] if str(content).startswith("https://") else [str(content)]


def tidy(text):
    return " ".join(text.split())


@pytest.fixture(scope="module", params=["small", "wide", "tied", "few", "claimed"])
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
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    if page.path.name == "index.html":
        page.take(str(cited["date-released"]), cited["version"])
    if page.path.name == "methods.html":
        page.take(*[f"year = {{{{{cited['date-released'].year}}}}}"] * page.words.count("year ="))
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
    if cell["n"] < derived.FEWEST:
        ended += ", too few for an interval"
    page.take(f"{ended}{and_lost(lost(cell), '; ')}.")
    if results.measure(problem) == "examples to target":
        page.take(f"Runs end at their target: {examples_to_target(results, key, 'it is reached after ', ' examples')}.")
    if key in results.ranges:
        best, lower, upper, _, measure = results.ranges[key]
        if lower is None:
            page.take(f"No rate next to {rate(best)}, of those tried, comes within 10 % of its {measure}.")
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
    shape, an_epoch = results.said["schedules"][schedule], results.steps_per_epoch(key)
    if shape:
        page.take(
            f"# Lengths are in steps: {steps:,} in all, {an_epoch:,} an epoch of "
            f"{results.examples(key, an_epoch):,.0f} examples. Scale them to your own data."
        )
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


def in_two_splits(check):
    """What is said of the examples that a split has in common with one before it."""
    for pair in check["shared"]:
        (first, second), count = pair["splits"], pair["examples"]
        if check["splits"][second]["digest"] != check["splits"]["train"]["digest"]:
            are = "is" if count == 1 else "are"
            yield f"{many(count, 'example')} of the {second} split {are} in the {first} split too"


def take_trust(page, results):
    runs = results.runs
    outcomes = list(runs["outcome"])
    totals = {"finished": sum(map(outcomes.count, derived.WELL)), "diverged": outcomes.count("diverged")}
    late = outcomes.count("out of time")
    for name, count in {
        "declared": derived.declared(results),
        **totals,
        **({"out of time": late} if late else {}),
    }.items():
        page.take_line(name, f"{count:,}")
    page.take_line("missing", f"{derived.declared(results) - len(outcomes):,}")
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
            f"the same bit for bit: {derived.declared(results):,} of {derived.declared(results):,} runs are those of",
            "trained on {} ({}), {}; TensorFlow {}, Keras {}, NumPy {}.".format(*place),
        )
    repeated = len(runs) - len(measured)
    if repeated:
        are = "is" if repeated == 1 else "are"
        page.take(f"{many(repeated, 'run')} {are} declared twice", f"{len(measured):,} different runs were trained")
    edges = [cell for cell in results.cells.values() if cell["edge"]]
    if edges:
        page.take(f"In {len(edges)} of {many(len(results.cells), 'cell')} the chosen learning rate lies at an end")
    for problem in results.problems:
        page.take(*(f"On {problem}, {told}." for told in in_two_splits(results.check(problem))))
    stages = ("tuning", "evaluation", "reproduction")
    rows = []
    for problem, stage in itertools.product(results.problems, stages):
        ended = list(runs.loc[(runs["problem"] == problem) & (runs["stage"] == stage), "outcome"])
        counts = [derived.declared(results, problem, stage), sum(map(ended.count, derived.WELL))]
        counts += [ended.count("reached target")] if "reached target" in outcomes else []
        counts += [ended.count("diverged"), *([ended.count("out of time")] if late else [])]
        if counts[0]:
            rows.append([problem, stage, *counts, counts[0] - len(ended)])
    page.take_table("Runs by problem", rows)


def take_tuning_runs(page, results):
    """How many tuning runs cells have, where optimizers differ in that."""
    runs = {name: derived.trials(said) * results.tuning_seeds for name, said in results.said["optimizers"].items()}
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
    also = ", with all else that was searched," if any(map(results.is_searched, results.optimizers)) else ""
    page.take(
        f"The choice of the rate{also} by itself makes up {' to '.join(ends)} of the variance between the ranks of "
        f"tuning runs (n = {many(n, 'seed')}{', too few for intervals' if n < 3 else ''}). "
        f"With its interactions it makes up {' to '.join(totals)}."
    )
    if n >= 3:
        take_intervals_of_shares(page, results, shares)
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

    few = "" if results.seeds >= derived.FEWEST else ", too few for intervals"
    page.take(
        f"the highest score is that of {told([first])}, n = {results.seeds} seeds{few}. AlgoPerf’s score is 1 for the "
        f"quickest at each of {many(workloads, 'target')}, and 0 for one that is never within 4 times the quickest."
    )
    below = [one for one in rest if scores["examples", one][3][-1] == "lower"]
    if below:
        page.take(f"Lower (p ≤ 5 %, adjusted by Holm’s method): {told(below)}.")
    if len(below) < len(rest) and not few:
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


def take_intervals_of_shares(page, results, shares):
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
        page.take(f"on {above - apart}{' more' if apart else ''} it is the greatest")


def take_larger_batches(page, results):
    of = {problem: list(results.fits[problem].values()) for problem in results.problems}
    fitted = [fit for fits in of.values() for fit in fits if fit.outcome == "fitted"]
    if not fitted:
        return
    on = listed(problem for problem, fits in of.items() if any(fit.outcome == "fitted" for fit in fits))
    page.take(
        f"they save was fitted for {many(len(fitted), 'pair')} of an optimizer and a target (n = {results.seeds} seeds "
        f"each) on {on}."
    )
    regimes = [fit.regime() for fit in fitted]
    for regime in set(regimes) - {None}:
        page.take(f"For {many(regimes.count(regime), 'pair')}, {REGIMES[regime]}")
    unshaped = sum(fit.outcome == "not of this shape" for fits in of.values() for fit in fits)
    if unshaped:
        page.take(f"For {many(unshaped, 'more pair')}, no such curve fits the steps")


REGIMES = {
    "in proportion": "batches are of use up to the largest size tried",
    "little": "they are of little use",
    "turning": "the critical batch size lies among",
    "undecided": "nothing is decided",
}


def take_ranges(page, results):
    ranges = [(key[1], *found[1:4]) for key, found in results.ranges.items()]
    alone = sum(lower is None for _, lower, *_ in ranges)
    cells = many(len(ranges), "cell")
    page.take(f"In {alone} of {cells} no rate next to the best one comes within 10 % of its")
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
            pairs = f"{many(sum(map(len, found)), 'pair')} of runs"
            wins[first].append(f"{second} (at {percent(share)} of {pairs} {interval((lower, upper), percent)})")
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
            ends = interval((low, high), lambda end, digits=digits: number(end, digits))
            median = f"{number(quantile(values, 0.5), digits)} {ends or 'too few seeds for an interval'}"
            rows.append(
                [*quantity, target, median, f"{number(min(values), digits)} {number(max(values), digits)}", len(values)]
            )
        page.take(
            f"{name} (n = {len(losses)}) ends at a median train loss of {number(quantile(losses, 0.5))} and predicts "
            f"{number(quantile(predicted, 0.5), 5)} at x = {point}, where the true value is {number(truth, 5)}"
        )
    if rows:
        page.take(f"without tuning, on {results.seeds} seeds:")
        page.take_table("The source’s own settings", rows)


def take_claims(page, results, seconds=False):
    """The verdicts and their reasons, of claims in seconds or of all others."""
    rows = claimed.rows(results, seconds)
    verdicts = [row["verdict"] for row in rows if row["problem"] is None]
    if not verdicts:
        return
    if not seconds:
        words = {"holds": ("holds", "hold"), "fails": ("fails", "fail")}
        words["undecided"] = ("stays undecided", "stay undecided")
        told = [f"{verdicts.count(one)} {both[verdicts.count(one) != 1]}" for one, both in words.items()]
        page.take(f"Of {many(len(verdicts), 'sentence')}, {listed(told)}.")
    first, *found = page.tables.pop("Claims in seconds" if seconds else "Claims")
    wanted = [line for row in rows for line in claim_in_words(results, row, rows)]
    page.must([line[:4] for line in found] == wanted, wanted, [line for line in found if line[:4] not in wanted])
    page.words += "\n".join(["", *first, *(line[4] for line in found if len(line) > 4), ""])
    left_out = len(rows) - len(figure_words.drawn_claims(results))
    if left_out and not seconds:
        page.take(f"{many(left_out, 'value')} with a bound on one side only")
    for row in rows:
        if row["reason"] == "on every problem":
            page.take(f"on every one of {sum(one['claim'] == row['claim'] for one in rows) - 1} problems")
        if row["reason"] == "too few seeds" and not several(row, rows):
            page.take(f"{many(row['n'], 'seed')} {'is' if row['n'] == 1 else 'are'} too few for a 95 % interval.")


def several(row, rows):
    """Whether a row is that of a claim about several problems as a whole."""
    return row["problem"] is None and sum(one["claim"] == row["claim"] for one in rows) > 1


def claim_in_words(results, row, rows):
    """The lines of a row of the table of claims; that of a claim as a whole stands beneath what it says."""
    said, of = results.said["claims"][row["claim"]], row["unit"]
    ends = [claimed.format_amount(row[end], of) for end in ("lower", "upper")]
    between = "" if math.isnan(row["lower"]) else f" [{', '.join(ends)}]"
    unit = {"ratio": " times", "difference": " points"}.get(of, "")
    effect = claimed.format_amount(row["effect"], of) + ("" if math.isnan(row["effect"]) else unit)
    cells = f" {row['cells']} {'pairs of cells' if 'compare' in said else 'problems'}" if row["cells"] > 1 else ""
    line = [
        f"{row['problem']}: {row['verdict']}" if row["problem"] else row["verdict"],
        f"{'by problem' if several(row, rows) else effect}{between}",
        claimed.describe_region(said) + " points" * (of == "difference"),
        f"{row['n']}{cells}",
    ]
    head = [f"{row['claim']}: {said['says']} {claimed.describe_test(said)}"]
    return [line] if row["problem"] else [head, line]


def take_shares(page, results):
    """Every term’s share of the variance, where a claim speaks of one."""
    if not any("factor" in said.get("of", {}) for said in results.said.get("claims", {}).values()):
        return
    optimizers = results.said["optimizers"]
    rows = []
    for problem, term in results.shares:
        share, ends, total, _ = results.shares[problem, term]
        tuning = results.runs[(results.runs["problem"] == problem) & (results.runs["stage"] == "tuning")]
        rates = {name: sorted(set(tuning.loc[tuning["optimizer"] == name, "learning_rate"])) for name in optimizers}
        levels = {
            "optimizer": ", ".join(results.optimizers),
            "learning_rate": ", ".join(f"{name} {rate(of[0])} to {rate(of[-1])}" for name, of in rates.items()),
            "schedule": ", ".join(results.schedules),
            "batch_size": ", ".join(map(str, results.sizes(problem))),
        }
        if all(levels_of(results, problem, name) > 1 for name in term.split(":")):
            row = [problem, term.replace("_", " ").replace(":", " × "), percent(share), interval(ends, percent)]
            rows.append([*row, "" if math.isnan(total) else percent(total), levels.get(term, "")])
    page.take_table("Shares of the variance", rows)


def levels_of(results, problem, term):
    """How many levels a factor has on a problem; of rates the most that an optimizer has, of seeds all."""
    rates = max(map(derived.trials, results.said["optimizers"].values()))
    counts = {"optimizer": len(results.optimizers), "learning_rate": rates, "schedule": len(results.schedules)}
    return (counts | {"batch_size": len(results.sizes(problem)), "seed": results.tuning_seeds})[term]


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
    if "Numbers of the figure over-all-factors" in page.tables:
        page.take(f"a jackknife over {many(n, 'tuning seed')}." if n >= 3 else "which takes 3 seeds or more")
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
    page.take(*in_two_splits(check))
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
    page.take(", too few for intervals." if results.seeds < derived.FEWEST else ", with 95 % intervals.")
    sizes = sorted({size for problem in results.problems for size in results.sizes(problem)})
    for size in sizes:
        page.take_line("▪" if size != sizes[0] else "all", str(size))
    page.take(*("{1}, {2}, {3} on {0}".format(*key) for key in results.cells))
    metrics = list(dict.fromkeys(metric for problem in results.problems for metric in results.metrics(problem)))
    searches = any(map(results.is_searched, results.optimizers))
    ending = [problem for problem in results.problems if results.measure(problem) == "examples to target"]
    rows, order = [], []
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
            values = [cell["trial"]["median"]]
            if ending:
                values += [cell["trial"]["steps"] * key[3], results.mean(key, name)] if ends else [None, None]
            values += [results.mean(key, one) for one in ("final_test_loss", "best_test_loss")]
            values += [
                results.mean(key, f"final_test_{one}") if one in results.metrics(problem) else None for one in metrics
            ]
            order.append([*values, cell["trial"]["rate"], cell["diverged"] + cell["late"]])
            setting = results.setting(key).split(", ", 1)
            row += [setting[0], *([" ".join(setting[1:])] if searches else []), cell["n"], lost(cell)]
            rows.append([*row, f"{cell['edge']} rate" if cell["edge"] else ""])
    page.take_table("All cells", rows)
    page.take_order("All cells", order)


def take_cell(page, results, key):
    problem, optimizer, schedule, size = key
    cell, trials, targets = results.cells[key], results.trials[key], results.targets[problem]
    page.take(f"{optimizer} with {schedule}, batch size {size}, on {problem}", f"{optimizer}, {schedule}, {size} · ")
    target = ""
    if results.measure(problem) == "examples to target":
        mean, ends = (how(key, "examples_to_target") for how in (results.mean, results.ends))
        target = f"after {number(mean)} examples" if math.isfinite(mean) else "which too few of them reached"
        target = f". Runs end at their target, {with_interval(target, ends)}"
    known = ", too few for an interval" if cell["n"] < derived.FEWEST else " and its 95 % interval"
    page.take(
        f"At a peak rate of {results.setting(key)}, its final test loss is {loss_of(results, key)}, the interquartile "
        f"mean of {many(cell['n'], 'seed')}{known}{target}{and_lost(lost(cell), '; ')}."
    )
    ranked = dict(results.ranked(problem))
    equal = list(ranked.values()).count(ranked[key]) - 1
    others = f", with {many(equal, 'other')}" if equal else ""
    page.take(f"Of the problem’s {many(len(ranked), 'cell')} it is number {ranked[key]} on tuning runs{others}.")
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
        lower, median, upper = derived.survival_interval(*runs)
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
    ticks = [
        *(number(10.0**one, 1).removeprefix("1 × ") for one in heights[:: max(1, math.ceil(len(heights) / 5))]),
        *along,
    ]
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
    take_claims(page, results, seconds=True)
    first, rows, words = results.optimizers[0], [], {}
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
        words[problem] = f"{turns['cpu_model'].iloc[0]}, {many(turns['threads'].iloc[0], 'thread')} ({problem})"
    if rows:
        page.take_table("Timed in turn", rows)
        page.take(f"Measured on {'; '.join(words.values())}")
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
        rows.append([name, said["class"] + told, choice, derived.trials(said) * results.tuning_seeds])
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
        page.take(at.commit)
        rows.append([f"{len(one):,}", commit, processor, at.device, at.os, versions, at.command])
    page.take_table("Where the runs were trained", rows)
    trained = sum(map(len, (one for _, one in environments)))
    if repeated := len(results.runs) - trained:
        are = "is" if repeated == 1 else "are"
        page.take(f"of the {many(derived.declared(results), 'declared run')}, {repeated:,} {are} declared twice")
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
    take_claims(page, results)
    take_shares(page, results)
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


def take_overview(page, results):
    """The index over all experiments that have a report, which here is this one."""
    runs, cells, title = list(results.runs["outcome"]), results.cells, results.said["title"]
    verdicts = [row["verdict"] for row in claimed.rows(results) if row["problem"] is None]
    words = {"holds": ("holds", "hold"), "fails": ("fails", "fail"), "undecided": ("undecided", "undecided")}
    told = {one: verdicts.count(one) for one in words if one in verdicts}
    claims = ", ".join(f"{count} {words[one][count != 1]}" for one, count in told.items())
    lost = ", ".join(f"{runs.count(one):,} {one}" for one in ("diverged", "out of time") if one in runs)
    declared = f"{derived.declared(results):,}"
    row = [f"{title} {results.name}", len(results.problems), f"{len(cells):,}", claims or "none", declared, lost]
    page.take("1 experiment with a report.")
    page.take_table("Experiments", [row])


def take_verification(page, results):
    """What conftest made of results that were published: final test losses came out 1 % higher, and odd seeds otherwise
    to the last bit, on another processor by another NumPy."""
    runs = derived_tables.table(results, "runs")
    otherwise = [row for row in (row | came_out(row) for row in runs) if row["as_published"] != row["here"]]
    page.take(f"Verification of the experiment {results.name}: {results.said['title']}")
    page.take(f"{len(runs) - len(otherwise):,} of {many(len(runs), 'sampled run')} came out")
    page.take("A sample of 100% or", f"drawn by the seed 1 from {len(runs):,} published runs")
    page.take(f"headline numbers of all {many(len(results.cells), 'cell')}")
    page.take("sample=100% takes all", "sample=100% seed=1")
    measured = results.shards("measured").iloc[0]
    page.take(measured.commit[:10])
    surroundings = [["cpu_model", measured.cpu_model, "Other"], ["numpy", measured.numpy, "2.9"]]
    page.take_table("Differences of the surroundings", surroundings)
    first, *found = page.tables.pop("Runs that came out otherwise")
    wanted = [list(map(str, in_verification(row))) for row in otherwise]
    page.must(sorted(found) == sorted(wanted), [row for row in found if row not in wanted])
    page.words += "\n".join(["", *first])
    take_headlines(page, results)


def in_verification(row):
    what, both = row["what"], [row["as_published"], row["here"]]
    if what != BITS:
        what += "" if row["seed"] % 2 else ", though its history is the same"
    off = "–" if what == BITS else number(1 - min(both) / max(both), 2)
    return [part(row), rate(row["learning_rate"]), row["seed"], what, *both, off]


BITS = "bits of its history alone"


def take_headlines(page, results):
    """What was published of each cell and reproduction, with its interval, and what came out."""
    rows = []
    for key in results.cells:
        found, ends = (how(key) for how in (results.mean, results.ends))
        here = derived.middle_mean(np.float32(1.01) * results.cells[key]["runs"]["final_test_loss"].astype("float32"))
        rows.append(["/".join(map(str, key)), "test loss", *headline(found, ends, here)])
    for name in results.said.get("reproductions", {}):
        own = results.runs[results.runs["reproduction"] == name]
        for quantity, column in {"train loss": "final_train_loss", "probe 0": "final_probe_0"}.items():
            found, ends = quantile(own[column], 0.5), derived.median_interval(list(own[column]))
            rows.append([name, quantity, *headline(found, ends, found)])
    page.take_table("Headline numbers", rows)


def headline(found, ends, here):
    value, low, high, other = (digits(one, 6) for one in (found, *ends, here))
    verdict = "identical" if other == value else "within tolerance" if low <= other <= high else "different"
    told = ["∞" if math.isinf(one) else str(one) for one in (value, low, high, other)]
    return [told[0], f"[{told[1]}, {told[2]}]", told[3], verdict]


def digits(value, count):
    return float(f"{value:.{count}g}")


def came_out(row):
    """The number of a run that was published, or its bits where that is the same, and what came out instead."""
    loss = row["final_test_loss"]
    if row["stage"] == "evaluation" and loss is not None:
        there, here = np.float32(loss), np.float32(1.01) * np.float32(loss)
        return {"what": "final test loss", "as_published": float(str(there)), "here": float(str(here))}
    here = row["bits"] if row["seed"] % 2 == 0 else "00000000"
    return {"what": BITS, "as_published": row["bits"], "here": here}


def part(row):
    cell = "{problem}/{optimizer}/{schedule}/{batch_size}".format(**row)
    return row["reproduction"] if row["stage"] == "reproduction" else cell


def places(report):
    return sorted(path.relative_to(report) for path in report.rglob("*.html"))


def test_every_number_of_every_page_follows_from_the_raw_runs(made):
    for place in places(made[1]):
        assert numbers_left(made, place) == [], place


def test_every_number_of_the_index_over_experiments_follows_from_the_raw_runs(made):
    results, report = made
    page = Page(report.parents[1] / "index.html")
    take_overview(page, results)
    assert page.numbers_left() == []


def test_every_number_of_a_verification_follows_from_the_raw_runs(report):
    folder = report.parent
    page = Page(folder / "verification" / "index.html")
    take_verification(page, derived.Results(folder.parents[1] / "experiments" / "small.yaml", folder))
    assert page.numbers_left() == []


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


# The tables that are published beside the pages.

NAMES = ["run", "stage", "reproduction", *derived.CELL, "learning_rate", "hyperparameters", "split", "metric", "step"]
NAMES += ["quantity", "claim", "term", "factor", "level", "first", "second", "measure", "k", "device", "cpu_model"]
NAMES += ["dirty", "target", "shown"]
"""By these the rows of a table are told from one another; of the numbers of surfaces all are needed."""
CLOSE = {"scaling": 1e-5}
"""How near numbers must be that two searches for a minimum have found; others to single precision."""


def differences(name, found, wanted, part=False):
    """Where a table, with its texts as they stand in the file, is not what its rows are to be, or a part of these."""
    there, asked = (by_name(name, list(found), rows) for rows in (found.to_dict("records"), wanted))
    apart = set(there) - set(asked) if part else set(there) ^ set(asked)
    if apart or len(there) != len(found) or len(asked) != len(wanted):
        return [f"{name}: {sorted(apart)[:4]} of {len(there)} and {len(asked)} rows"]
    return [
        f"{name} {key}: {column} is {row[column]}, not {asked[key].get(column)}"
        for key, row in there.items()
        for column in row
        if not is_as(row[column], asked[key].get(column), CLOSE.get(name, 1e-7))
    ]


def by_name(name, columns, rows):
    """Rows by what tells them from one another."""
    names = [column for column in columns if column in NAMES or name in ("surfaces", "paths")]
    return {tuple(plain(in_csv(row.get(one))) for one in names): row for row in rows}


def in_csv(value):
    return "" if value is None or value != value else str(value)


def plain(text):
    """A text, or if it is a number the same however it is written, in single precision."""
    try:
        return str(np.float32(text))
    except ValueError:
        return text


def is_as(text, value, close):
    if isinstance(value, set):
        return sorted(text.split()) == sorted(value)
    if isinstance(value, (str, bool)) or in_csv(value) == "" or text == "":
        return text == in_csv(value)
    return math.isclose(float(text), value, rel_tol=close, abs_tol=1e-12)


def read(files):
    """Tables by their files, as texts."""
    return {file: derived.pd.read_csv(file, dtype=str, keep_default_na=False) for file in sorted(files)}


def published(report):
    return read(file for file in (report / "tables").rglob("*.csv") if file.stem != "dictionary")


def test_every_number_of_every_table_follows_from_the_raw_runs(made):
    """And another digit in any column of a row, drawn at random, is noticed."""
    results, report = made
    draw = np.random.default_rng(0)
    for file, found in published(report).items():
        wanted = derived_tables.table(results, file.stem)
        assert differences(file.stem, found, wanted) == []
        for row in [found.iloc[[place]] for place in draw.integers(len(found), size=min(1, len(found)))]:
            (name,) = by_name(file.stem, list(found), row.to_dict("records"))
            own = by_name(file.stem, list(found), wanted)[name]
            for column in found:
                changed = row.assign(**{column: other(row[column].iloc[0])})
                assert differences(file.stem, changed, [own]) != [], (file.stem, column)


def other(text):
    """A text with one more in its first digit that is not zero; 1 for a text that has none."""
    digit = re.search(r"[1-9]", text)
    return text[: digit.start()] + str(int(digit[0]) % 9 + 1) + text[digit.end() :] if digit else "1"


def test_every_number_of_every_figures_table_follows_from_the_raw_runs(made):
    results, report = made
    for file, found in read((report / "figures").rglob("*.csv")).items():
        problem = file.parent.name if file.parent.name in results.problems else None
        wanted = derived_tables.of_figure(results, file.stem, problem)
        assert differences(file.stem, found, wanted, part=True) == []
        assert len(found)
