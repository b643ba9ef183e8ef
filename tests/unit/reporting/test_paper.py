"""A paper's texts: numbers found again from the raw runs, ties in bold, and nothing that breaks LaTeX."""

import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import claimed
import derived
import pytest
import synthetic

from thalweg.analysis.tables import __main__ as tables
from thalweg.experiment.errors import ExperimentError
from thalweg.experiment.loading import load
from thalweg.reporting import paper
from thalweg.reporting.paper import tex
from thalweg.reporting.paper.text import texts

HOSTILE_CLAIM = """\
  hostile:
    says: 'ends <b>lower</b> & by 5 % \\input{/etc/passwd} $x_1^2$ #1 ~ “é”'
    compare: {optimizer: adam, with: sgd}
    measure: final test loss
    expect: lower
"""

PAPER = """
paper:
  style: icml
  figures: [/improvements, {figure: linear/convergence, style: ieee_two}, linear/paths, sine/heat_map, sine/batch_sizes]
  tables: [optimizers, schedules, claims]
"""
AT_TARGET = "  sine: {batch_sizes: [8, 32], epochs: 20, target: validation_loss <= 1e-2, end_at_target: true}\n"
"""A problem whose runs end at a target. `doomed` does not reach it."""

HOSTILE = "title: 'a \\end{document} \\input{x} 50 % & $ # _ ^ ~ {} \\\\ «ü» ≤ 3 × 10⁻⁷ 😀 -- `` ?`'"


def make(folder: Path, **variables: str) -> Path:
    """Everything of a paper of the small experiment and AT_TARGET, by a process of its own; returns the paper."""
    # So many seeds that a comparison can be decided.
    text = synthetic.SMALL.replace("evaluation: 7", "evaluation: 12").replace("optimizers:", f"{AT_TARGET}optimizers:")
    file, results = synthetic.write_experiment(folder, "small", text)
    file.write_text(
        re.sub(r"title: .*", lambda _: HOSTILE, text) + claimed.CLAIMS + HOSTILE_CLAIM + PAPER, encoding="utf-8"
    )
    experiment = load(file)
    tables.write(tables.build(experiment, results), results / "tables")
    output = results / "paper"
    places = f"--experiment {file} --tables {results / 'tables'} --output {output}"
    commands = [f"figure {one.place} {places}/figures" for one in paper.chosen_figures(experiment)]
    command = [sys.executable, "-c", ONE_BY_ONE, *commands, f"text {places}"]
    subprocess.run(command, check=True, env={**os.environ, **variables})
    return output


ONE_BY_ONE = """
import runpy, sys
for command in sys.argv[1:]:
    sys.argv = command.split()
    runpy.run_module(f"thalweg.reporting.paper.{sys.argv[0]}", run_name="__main__")
"""
"""To load the libraries takes most of a command's time."""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("one"), TZ="Asia/Kathmandu", PYTHONHASHSEED="1")


@pytest.fixture(scope="module")
def numbers(made) -> dict[str, str]:
    text = (made / "numbers.tex").read_text(encoding="utf-8")
    return dict(re.findall(r"^\\newcommand\{\\(\w+)\}\{(.*)\}$", text, re.MULTILINE))


@pytest.fixture(scope="module")
def found(made) -> derived.Results:
    return derived.Results(file_of(made), made.parent)


def file_of(made: Path) -> Path:
    return made.parents[2] / "experiments/small.yaml"


def test_a_paper_that_is_made_again_elsewhere_is_the_same_bytes(made, tmp_path):
    again = make(tmp_path, TZ="America/St_Johns", PYTHONHASHSEED="2", LC_ALL="C", MPLBACKEND="svg")
    files = sorted(file.relative_to(made) for file in made.rglob("*") if file.is_file() and file.stem != "article")
    assert {file.suffix for file in files} >= {".pdf", ".png", ".tex", ".csv", ".json"}
    assert [file for file in files if (made / file).read_bytes() != (again / file).read_bytes()] == []


def as_tex(text: str) -> str:
    """A number as the report writes it, in LaTeX."""
    if text in ("–", ""):
        return "--"
    text = re.sub(r" × 10(\S+)", lambda match: rf" \times 10^{{{match[1].translate(NORMAL)}}}", text)
    for one, other in (("−", "-"), ("∞", r"\infty"), (",", "{,}")):
        text = text.replace(one, other)
    return rf"\ensuremath{{{text}}}"


NORMAL = {ord(raised): plain for raised, plain in zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True)}
METRICS = {
    "final test loss": {"Loss": "final_test_loss", "Accuracy": "final_test_accuracy"},
    "examples to target": {"Examples": "examples_to_target"},
}


def test_the_numbers_of_optimizers_are_those_of_the_raw_runs(numbers, found):
    wanted = {}
    for problem, optimizer in itertools.product(found.problems, found.optimizers):
        key = found.best(problem=problem, optimizer=optimizer)
        (row,) = [row for row in found.comparisons[problem, "optimizer"] if row[0] == optimizer]
        prefix = "Thw" + optimizer.title() + problem.title().replace("_", "")
        for name, column in METRICS[found.measure(problem)].items():
            if name != "Accuracy" or "accuracy" in found.metrics(problem):
                values = found.mean(key, column), *found.ends(key, column)
                wanted |= {f"{prefix}{name}{end}": as_tex(derived.number(one)) for end, one in with_ends(values)}
        values = derived.quantile(row[2], 0.5), *derived.median_interval(row[2])
        wanted |= {f"{prefix}Ratio{end}": as_tex(derived.number(one)) for end, one in with_ends(values)}
        wanted |= {
            f"{prefix}AdjustedP": as_tex(derived.number(row[3])),
            f"{prefix}Rate": as_tex(derived.rate(found.cells[key]["trial"]["rate"])),
            f"{prefix}Schedule": key[2],
            f"{prefix}BatchSize": str(key[3]),
            f"{prefix}Seeds": str(found.cells[key]["n"]),
            f"{prefix}Diverged": str(found.cells[key]["diverged"]),
            f"{prefix}OutOfTime": str(found.cells[key]["late"]),
        }
    assert {name: numbers[name] for name in wanted} == wanted
    of_optimizers = r"Thw(Sgd|Adam|Doomed)(Linear|DigitsCnn|Sine)"
    assert {name for name in numbers if re.match(of_optimizers, name)} == set(wanted)


def with_ends(values):
    return zip(("", "Lower", "Upper"), values, strict=True)


def test_the_other_numbers_are_those_of_the_raw_runs(numbers, found):
    runs = found.runs
    by_stage = runs.groupby("stage").size()
    assert numbers["ThwTuningRuns"] == f"{by_stage['tuning']:,}"
    assert numbers["ThwEvaluationRuns"] == f"{by_stage['evaluation']:,}"
    assert numbers["ThwDiverged"] == str((runs["outcome"] == "diverged").sum())
    for problem in found.problems:
        key = found.best(problem=problem)
        name = "Thw" + problem.title().replace("_", "")
        assert (numbers[f"{name}BestOptimizer"], numbers[f"{name}BestSchedule"]) == key[1:3]
        assert numbers[f"{name}BestBatchSize"] == str(key[3])
        (called, column), *_ = METRICS[found.measure(problem)].items()
        assert numbers[f"{name}Measure"] == found.measure(problem)
        assert numbers[f"{name}BestRate"] == as_tex(derived.rate(found.cells[key]["trial"]["rate"]))
        assert numbers[f"{name}BestSeeds"] == str(found.seeds)
        for end, value in with_ends((found.mean(key, column), *found.ends(key, column))):
            assert numbers[f"{name}Best{called}{end}"] == as_tex(derived.number(value))
        by_verdict = levels(found, problem)
        assert numbers[f"{name}Others"] == str(len(found.optimizers) - 1)
        assert numbers[f"{name}Worse"] == str(len(by_verdict["higher"]))
        assert numbers[f"{name}Better"] == derived.listed(by_verdict["lower"])
        assert numbers[f"{name}Alike"] == derived.listed(by_verdict["not distinguishable"])


def levels(found, problem):
    """The optimizers of each verdict."""
    verdicts = {row[0]: row[4] for row in found.comparisons[problem, "optimizer"]}
    known = ("higher", "lower", "not distinguishable")
    return {one: [name for name, verdict in verdicts.items() if verdict == one] for one in known}


def test_the_numbers_of_claims_are_those_of_the_raw_runs(numbers, made, found):
    lines = (made / "tables/claims.tex").read_text(encoding="utf-8").replace(r"\,", " ").splitlines()
    rows = claimed.rows(found)
    wholes = [row for row in rows if row["problem"] is None]
    for row in wholes:
        wanted = dict(zip(("Effect", "EffectLower", "EffectUpper"), in_tex(row), strict=True))
        wanted |= {"Verdict": row["verdict"], "Seeds": f"{row['n']:,}"}
        called = f"ThwClaim{row['claim'].title().replace('_', '')}"
        assert {one: numbers[f"{called}{one}"] for one in wanted} == wanted
    units = {"ratio": " times", "difference": " points", "share": r" \%", "value": ""}
    for row in rows:
        effect, low, high = in_tex(row)
        told = effect if math.isnan(row["effect"]) else f"{effect}{units[row['unit']]}"
        ends = "" if math.isnan(row["lower"]) else f"[{low}, {high}]"
        several = row["problem"] is None and sum(one["claim"] == row["claim"] for one in rows) > 1
        name = "all" if several else (row["problem"] or "").replace("_", r"\_\allowbreak{}")
        line = "".join(f"{{{one}}}" for one in (name, row["verdict"], told, ends, row["n"]))
        assert rf"\thwclaimed{line}" in lines
    verdicts = [row["verdict"] for row in wholes]
    assert len(set(verdicts)) > 1
    for name, verdict in {"Holds": "holds", "Fails": "fails", "Undecided": "undecided"}.items():
        assert numbers[f"Thw{name}"] == str(verdicts.count(verdict))
    assert numbers["ThwClaims"] == str(len(verdicts))


def in_tex(row):
    """The effect of a claim and the ends of its interval, in the unit that they are told in."""
    times = 100 if row["unit"] in ("share", "difference") else 1
    digits = 5 if row["unit"] == "value" else 3
    return [as_tex(derived.number(times * row[name], digits)) for name in ("effect", "lower", "upper")]


def test_the_numbers_of_reproductions_are_those_of_the_raw_runs(numbers, found):
    runs = found.runs[found.runs["reproduction"] == "snippet_1"]
    assert len(runs) == found.seeds
    wanted = {"Seeds": str(found.seeds), "Point": "10", "Truth": as_tex("19.000")}
    for name, column, digits in (("Loss", "final_train_loss", 3), ("Prediction", "final_probe_0", 5)):
        values = derived.quantile(runs[column], 0.5), *derived.median_interval(list(runs[column]))
        wanted |= {f"{name}{end}": as_tex(derived.number(value, digits)) for end, value in with_ends(values)}
    assert {name: numbers[f"ThwSnippetOne{name}"] for name in wanted} == wanted


def test_the_text_of_the_results_prints_every_number_by_its_command(made, numbers, found):
    text = (made / "results.tex").read_text(encoding="utf-8")
    used = re.findall(r"\\(Thw\w+)\{\}", text)
    assert used and set(used) <= set(numbers)
    bare = re.sub(r"\\(Thw\w+\{\}|ref\{[^}]*\})", "", text)
    for named in [*found.said["reproductions"], *(tex.worded(one["says"]) for one in found.said["claims"].values())]:
        bare = bare.replace(named.replace("_", r"\_\allowbreak{}") if "\\" not in named else named, "")
    assert not re.search(r"\d", bare), bare
    read = re.sub(r"\\(Thw\w+)\{\}", lambda match: numbers[match[1]], text).replace(r"\allowbreak{}", "")
    for problem in found.problems:
        key, by_verdict = found.best(problem=problem), levels(found, problem)
        column = found.column(problem)
        value, low, high = (as_tex(derived.number(one)) for one in (found.mean(key, column), *found.ends(key, column)))
        said = f"the {found.measure(problem)} over {found.seeds} evaluation seeds is {value}, with an interval from "
        assert f"{said}{low} to {high}." in read
        count, others = len(by_verdict["higher"]), len(found.optimizers) - 1
        are = f"{count} {'is' if count == 1 else 'are'}" if count else "is"
        assert f"f {others} other optimizers{',' if count else ''} {are} decided to be worse." in read
        alike = by_verdict["not distinguishable"]
        if alike:
            are = "is" if len(alike) == 1 else "are"
            assert f"Not distinguishable from it {are} {derived.listed(alike)}." in read


def test_a_table_of_runs_that_end_at_a_target_tells_the_examples_to_it(made, found):
    text = (made / "tables/sine/optimizers.tex").read_text(encoding="utf-8")
    assert "optimizer & examples & ratio" in text and "loss" not in text
    for optimizer in found.optimizers:
        mean = as_tex(derived.number(found.mean(found.best(problem="sine", optimizer=optimizer), "examples_to_target")))
        assert re.search(rf"\{{{optimizer}\}} & [^&]*\{{{re.escape(mean)}\}} &", text)
    for name, said in {"heat_map": "of every cell", "batch_sizes": "at each batch size"}.items():
        caption = (made / f"figures/sine/{name}.tex").read_text(encoding="utf-8")
        assert rf"\textbf{{Examples to target {said} on sine.}}" in caption and "test loss" not in caption


def test_what_is_not_told_from_the_best_is_bold_and_nothing_else(made, found):
    for problem in found.problems:
        text = (made / "tables" / problem / "optimizers.tex").read_text(encoding="utf-8")
        bold = set(re.findall(r"^\\thwbest\{(\w+)\}", text, re.MULTILINE))
        verdicts = {row[0]: row[4] for row in found.comparisons[problem, "optimizer"]}
        worse = {"higher", *(["reference"] if "lower" in verdicts.values() else [])}
        assert bold == {name for name, verdict in verdicts.items() if verdict not in worse}
        assert 0 < len(bold) < len(found.optimizers), "or this would show nothing"


def test_each_figure_links_to_its_data_its_rule_and_its_digest(made):
    sums = dict(reversed(line.split("  ")) for line in (made / "SHA256SUMS").read_text().splitlines())
    checked = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=made, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout
    for file in (made / "figures").rglob("*.tex"):
        place = str(file.relative_to(made).with_suffix(""))
        rule = "paper_" + place.removeprefix("figures/").replace("/", "_")
        assert rf"\thwmade{{{place}}}{{{rule}}}{{small}}{{{sums[f'{place}.pdf']}}}" in file.read_text(encoding="utf-8")


def test_a_figure_has_the_last_style_that_is_named_for_it(made):
    widths = {file.stem: json.loads(file.read_text())["width"] for file in (made / "figures/linear").glob("*.json")}
    assert widths == {"convergence": round(7.139 * 96), "paths": 312}


def test_no_character_is_a_command():
    for code in (*range(1, 256), 0x2264, 0x4E2D, 0x1F600, 0x202E):
        written = tex.escaped(f"a{chr(code) * 2}b")
        bare = re.sub(r"\\(ensuremath\{[^}]*\}\}?|text\w+\{\}|[#$%&_{}])|\{\}", "", written)
        assert not set(bare) & set("\\#$%&_^~{}"), written


def test_commands_have_letters_alone():
    assert paper.command("adam", "sine", "Loss") == "ThwAdamSineLoss"
    assert paper.command("adam_2", "s10") == "ThwAdamTwoSOneZero"


def mistakes(small, text, old="", new=""):
    file = small[0].with_name("mistaken.yaml")
    file.write_text(synthetic.SMALL.replace(old, new) + text, encoding="utf-8")
    with pytest.raises(ExperimentError) as told:
        paper.check(load(file))
    return str(told.value)


def test_every_mistake_of_the_section_is_told_at_once(small):
    section = "paper: {style: icmll, figures: [convergance, sin/convergence, ranks], tables: [optimisers]}\n"
    told = mistakes(small, section)
    for text in (
        "'icmll' is no style (did you mean icml?); styles.yaml has neurips, icml, jmlr, ieee_one, ieee_two",
        "'convergance' is no figure (did you mean convergence?)",
        "'sin' is not among the problems",
        "'optimisers' is no table (did you mean optimizers?)",
    ):
        assert text in told
    told = mistakes(small, "paper: {figures: [linear/scaling, digits_cnn/paths]}\n")
    assert "'digits_cnn/paths' would have nothing to show in this experiment" in told and "scaling" not in told


def test_an_unknown_key_is_told_with_the_nearest(small):
    assert "unknown key (did you mean style?)" in mistakes(small, "paper: {stile: icml}\n")
    assert "unknown key (did you mean figure?)" in mistakes(small, "paper: {figures: [{figur: paths}]}\n")


def test_two_numbers_of_one_name_are_told_before_anything_trains(small):
    two = "  sgd_2: {class: SGD, learning_rates: [0.1]}\n  sgd_two: {class: SGD, learning_rates: [0.1]}\nschedules:"
    told = mistakes(small, "paper: {}\n", "schedules:", two)
    assert r"sgd_2 linear Loss and sgd_two linear Loss would both be called \ThwSgdTwoLinearLoss" in told


def test_what_the_experiment_has_not_is_left_out_where_the_file_does_not_say(small):
    chosen = paper.chosen_figures(load(small[0]))
    there = {"improvements", "ranks", "profile", "factors", "convergence_test", "optimizers", "heat_map"}
    assert {one.name for one in chosen} == there
    assert {one for one in chosen if one.name == "improvements"} == {paper.Shown("improvements", None)}


PROGRAMS = {"pdflatex": "texlive-latex-recommended", "kpsewhich": "texlive-binaries", "pdftotext": "poppler-utils"}
"""What these tests call, each with what is to be installed for it."""


@pytest.fixture(scope="module")
def latex():
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if not missing and subprocess.run(["kpsewhich", "lmodern.sty"], capture_output=True).returncode != 0:
        missing.append("lmodern")
    if missing:
        stop = pytest.fail if os.environ.get("CI") else pytest.skip
        stop(f"no paper is compiled; install {', '.join(missing)}")


def test_the_skeleton_compiles_without_a_box_too_full_and_to_the_same_bytes(made, latex, tmp_path):
    written = []
    for name in ("a", "b"):
        folder = tmp_path / name / "paper"
        shutil.copytree(made, folder)
        log = compiled(folder)
        assert "Overfull" not in log
        assert "undefined" not in log.lower().replace("undefined control", "undefined")
        written.append((folder / "article.pdf").read_bytes())
    assert written[0] == written[1]
    text = subprocess.run(["pdftotext", "-layout", folder / "article.pdf", "-"], capture_output=True, text=True).stdout
    assert r"\end{document} \input{x} 50 % & $ # _ ^ ~ {}" in " ".join(text.split())


@pytest.mark.parametrize("style", ["neurips", "ieee_two"])
def test_the_skeleton_compiles_in_other_styles_too(made, latex, tmp_path, style):
    """Of figures those of the style before; in `neurips` and `ieee_two` a page has one column, in `icml` it has two."""
    folder = shutil.copytree(made, tmp_path / "paper")
    experiment = load(file_of(made))
    section = experiment.paper.model_copy(update={"style": style})
    written = texts(experiment.model_copy(update={"paper": section}), made.parent / "tables", folder)
    for place, text in written.items():
        (folder / place).write_text(text, encoding="utf-8")
    assert "Overfull" not in compiled(folder)


def compiled(folder: Path) -> str:
    for _ in range(2):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "article"]
        done = subprocess.run(command, cwd=folder, capture_output=True, env={**os.environ, **EPOCH})
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
    return (folder / "article.log").read_text(encoding="utf-8", errors="replace")


EPOCH = {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}
