"""The paper through the front door: what is drawn, what is drawn again, and mistakes that are told before training."""

import re

PAPER = "paper: {style: icml, figures: [convergence, schedules], tables: [schedules]}\n"


def started(printed: str) -> set[str]:
    """The rules of which jobs would run."""
    return set(re.findall(r"^(\w+) +\d+$", printed, re.MULTILINE)) - {"total"}


def test_a_paper_is_drawn_and_one_figure_again_when_its_style_changes(finished):
    before, stored = finished.tiny.read_text(), finished.stored()
    finished.tiny.write_text(before + PAPER)
    finished.run("paper")
    folder = finished.results / "tiny/paper"
    drawn = {file: file.stat().st_mtime_ns for file in folder.rglob("*.p[dn][fg]")}
    assert {str(file.relative_to(folder)) for file in drawn} == {
        f"figures/linear/{name}.{form}" for name in ("convergence", "schedules") for form in ("pdf", "png")
    }
    assert (folder / "article.tex").is_file() and (folder / "tables/linear/schedules.tex").is_file()
    assert finished.stored() == stored
    assert "Nothing to be done" in finished.run("paper")
    own = PAPER.replace("schedules]", "{figure: linear/schedules, style: ieee_two}]", 1)
    finished.tiny.write_text(before + own)
    assert started(finished.run("paper", "--dry-run")) == {"paper_linear_schedules", "paper"}
    finished.run("paper")
    changed = {file.stem for file, at in drawn.items() if file.stat().st_mtime_ns != at}
    assert changed == {"schedules"}
    styles = finished.root / "reports/paper/styles.yaml"
    styles.write_text(styles.read_text().replace("width: 3.25,", "width: 3.3,"))
    assert started(finished.run("paper", "--dry-run")) == {"paper_linear_convergence", "paper"}


def test_mistakes_of_the_section_are_told_before_anything_trains(workspace):
    before = workspace.tiny.read_text()
    workspace.tiny.write_text(before + PAPER.replace("convergence", "convergance"))
    told = workspace.run(fails=True)
    assert "paper.figures.0: 'convergance' is no figure (did you mean convergence?)" in told
    assert "Traceback" not in told and not workspace.stored()
    two = "  sgd_1: {class: SGD, learning_rates: [0.1]}\n  sgd_one: {class: SGD, learning_rates: [0.1]}\nschedules:"
    workspace.tiny.write_text(before.replace("schedules:", two))
    told = workspace.run("paper", fails=True)
    assert "would both be called" in told and "Traceback" not in told and not workspace.stored()
