"""A paper's texts: numbers found again from the raw runs, ties in bold, and nothing that breaks LaTeX."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import derived
import pytest
import synthetic

from thalweg.analysis import tables
from thalweg.grid.experiment import ExperimentError, load
from thalweg.reporting import paper
from thalweg.reporting.paper import tex

PAPER = """
paper:
  style: icml
  figures: [convergence, /improvements, {figure: linear/convergence, style: ieee_two}, linear/paths]
  tables: [optimizers, schedules, claims]
claims:
  hostile:
    says: 'ends <b>lower</b> & by 5 % \\input{/etc/passwd} $x_1^2$ #1 ~ “é”'
    compare: {optimizer: adam, with: sgd}
    measure: final test loss
    expect: lower
"""
HOSTILE = "title: 'a \\end{document} \\input{x} 50 % & $ # _ ^ ~ {} \\\\ «ü» ≤ 3 × 10⁻⁷ 😀 -- `` ?`'"


def make(folder: Path, **variables: str) -> Path:
    """Everything of a paper of the small experiment, each part by a process of its own; returns the paper."""
    # So many seeds that a comparison can be decided.
    text = synthetic.SMALL.replace("evaluation: 7", "evaluation: 12")
    file, results = synthetic.write_experiment(folder, "small", text)
    file.write_text(re.sub(r"title: .*", lambda _: HOSTILE, text) + PAPER, encoding="utf-8")
    experiment = load(file)
    tables.write(tables.build(experiment, results), results / "tables")
    output = results / "paper"
    places = ["--experiment", file, "--tables", results / "tables"]
    figures = [
        ["figure", one.place, *places, "--output", output / "figures"] for one in paper.chosen_figures(experiment)
    ]
    for module, *arguments in [*figures, ["text", *places, "--output", output]]:
        command = [sys.executable, "-m", f"thalweg.reporting.paper.{module}", *arguments]
        subprocess.run(command, check=True, env={**os.environ, **variables})
    return output


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("one"), TZ="Asia/Kathmandu", PYTHONHASHSEED="1")


@pytest.fixture(scope="module")
def numbers(made) -> dict[str, str]:
    text = (made / "numbers.tex").read_text(encoding="utf-8")
    return dict(re.findall(r"^\\newcommand\{\\(\w+)\}\{(.*)\}$", text, re.MULTILINE))


@pytest.fixture(scope="module")
def found(made) -> derived.Results:
    return derived.Results(made.parents[1].parent / "experiments/small.yaml", made.parent)


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
METRICS = {"Loss": "final_test_loss", "Accuracy": "final_test_accuracy"}


def test_the_numbers_of_optimizers_are_those_of_the_raw_runs(numbers, found):
    wanted = {}
    for problem, optimizer in itertools.product(found.problems, found.optimizers):
        key = found.best(problem=problem, optimizer=optimizer)
        (row,) = [row for row in found.comparisons[problem, "optimizer"] if row[0] == optimizer]
        prefix = "Thw" + optimizer.title() + problem.title().replace("_", "")
        for name, column in METRICS.items():
            if column == "final_test_loss" or "accuracy" in found.metrics(problem):
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
    of_optimizers = r"Thw(Sgd|Adam|Doomed)(Linear|DigitsCnn)"
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
        assert numbers[f"{name}BestLoss"] == as_tex(derived.number(found.mean(key)))
    assert {numbers[name] for name in ("ThwHolds", "ThwFails", "ThwUndecided")} == {"0", "1"}


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
    assert paper.macro("adam", "sine", "Loss") == "ThwAdamSineLoss"
    assert paper.macro("adam_2", "s10") == "ThwAdamTwoSOneZero"


def mistakes(tmp_path, text, old="", new=""):
    file, _ = synthetic.write_experiment(tmp_path, "small", synthetic.SMALL)
    file.write_text(file.read_text(encoding="utf-8").replace(old, new) + text, encoding="utf-8")
    with pytest.raises(ExperimentError) as told:
        paper.check(load(file))
    return str(told.value)


def test_every_mistake_of_the_section_is_told_at_once(tmp_path):
    section = "paper: {style: icmll, figures: [convergance, sin/convergence, ranks], tables: [optimisers]}\n"
    told = mistakes(tmp_path, section)
    for text in (
        "'icmll' is no style (did you mean icml?); styles.yaml has neurips, icml, jmlr, ieee_one, ieee_two",
        "'convergance' is no figure (did you mean convergence?)",
        "'sin' is not among the problems",
        "'optimisers' is no table (did you mean optimizers?)",
    ):
        assert text in told
    told = mistakes(tmp_path / "other", "paper: {figures: [linear/scaling, digits_cnn/paths]}\n")
    assert "'digits_cnn/paths' would have nothing to show in this experiment" in told and "scaling" not in told


def test_an_unknown_key_is_told_with_the_nearest(tmp_path):
    assert "unknown key (did you mean style?)" in mistakes(tmp_path, "paper: {stile: icml}\n")
    assert "unknown key (did you mean figure?)" in mistakes(tmp_path / "b", "paper: {figures: [{figur: paths}]}\n")


def test_two_numbers_of_one_name_are_told_before_anything_trains(tmp_path):
    two = "  sgd_2: {class: SGD, learning_rates: [0.1]}\n  sgd_two: {class: SGD, learning_rates: [0.1]}\nschedules:"
    told = mistakes(tmp_path, "paper: {}\n", "schedules:", two)
    assert r"sgd_2 linear Loss and sgd_two linear Loss would both be called \ThwSgdTwoLinearLoss" in told


def test_what_the_experiment_has_not_is_left_out_where_the_file_does_not_say(small):
    chosen = paper.chosen_figures(load(small[0]))
    there = {"improvements", "ranks", "profile", "factors", "convergence_test", "optimizers", "heat_map"}
    assert {one.name for one in chosen} == there
    assert {one for one in chosen if one.name == "improvements"} == {paper.Shown("improvements", None)}


def test_the_skeleton_compiles_without_a_box_too_full_and_to_the_same_bytes(made, tmp_path):
    if not shutil.which("pdflatex"):
        stop = pytest.fail if os.environ.get("CI") else pytest.skip
        stop("no paper is compiled; install texlive-latex-recommended and lmodern")
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


def compiled(folder: Path) -> str:
    for _ in range(2):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "article"]
        done = subprocess.run(command, cwd=folder, capture_output=True, env={**os.environ, **EPOCH})
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
    return (folder / "article.log").read_text(encoding="utf-8", errors="replace")


EPOCH = {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}
