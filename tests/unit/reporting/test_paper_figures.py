"""Figures as a paper prints them: exactly as wide as its column, in letters that can be read, none of them cut off."""

import itertools
import os
import re
import shutil
import subprocess
import zlib

import pytest
import synthetic
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from thalweg.analysis.tables import __main__ as tables
from thalweg.experiment.errors import ExperimentError
from thalweg.experiment.loading import load
from thalweg.reporting import sizes, style
from thalweg.reporting.figures import BY_NAME, figures_of
from thalweg.reporting.paper.figure import main

NARROWEST = min(sizes.read_styles().items(), key=lambda named: named[1].width)[0]
PUBLISHED = {"neurips": 5.5, "icml": 3.25, "jmlr": 6.0, "ieee_one": 252 / 72.27, "ieee_two": 516 / 72.27}
"""Inches of the column that each style file sets; those of IEEEtran are in TeX's points."""

PROGRAMS = ("pdfinfo", "pdffonts")


def printed(made, name):
    """Every figure of an experiment in a style, by its name and problem."""
    experiment = load(made[0])
    with style.applied(sizes.read_styles()[name]):
        return {
            (figure, problem): BY_NAME[figure].draw(made[1] / "tables", experiment, problem).figure
            for problem in (None, *experiment.problems)
            for figure in figures_of(experiment, problem)
        }


@pytest.fixture(scope="module")
def narrow(small, wide):
    """Every figure of two experiments in the narrowest style, laid out."""
    with style.applied(sizes.read_styles()[NARROWEST]):
        figures = [*printed(small, NARROWEST).items(), *printed(wide, NARROWEST).items()]
        for _, figure in figures:
            FigureCanvasAgg(figure).draw()
    return figures


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """The command line of a figure of a paper, of twelve optimizers with long names on two problems."""
    optimizers = "".join(
        f"  optimizer_with_a_long_name_{k}: {{class: SGD, learning_rates: [0.003]}}\n" for k in range(12)
    )
    schedules = "".join(f"  schedule_with_a_long_name_{k}: {{}}\n" for k in range(4))
    problems = "problems:\n  linear: {batch_sizes: [6], epochs: 4}\n  sine: {batch_sizes: [32], epochs: 4}\n"
    text = f"title: A crowd\n{problems}optimizers:\n{optimizers}schedules:\n{schedules}"
    text += "seeds: {tuning: 1, evaluation: 6}\n"
    text += "paper:\n  style: STYLE\n  figures: [/improvements, ranks, linear/heat_map]\n"
    folder = tmp_path_factory.mktemp("crowd")
    file, results = synthetic.write_experiment(folder, "crowd", text.replace("STYLE", NARROWEST))
    file.with_name("wider.yaml").write_text(text.replace("STYLE", "ieee_two"))
    tables.write(tables.build(load(file), results), results / "tables")
    places = ["--tables", str(results / "tables"), "--output", str(folder)]
    return lambda place, of: ["figure", place, *places, "--experiment", str(file.with_name(f"{of}.yaml"))]


@pytest.mark.parametrize("place", ["improvements", "ranks", "linear/heat_map"])
def test_a_figure_whose_words_would_overlap_is_not_drawn(crowd, monkeypatch, place):
    monkeypatch.setattr("sys.argv", crowd(place, "crowd"))
    with pytest.raises(
        SystemExit, match=f"{place} does not fit the style {NARROWEST} .*; give it a wider one of its own"
    ):
        main()
    monkeypatch.setattr("sys.argv", crowd(place, "wider"))
    main()


def words(figure: Figure) -> list[tuple[str, Bbox]]:
    """All that is written in a figure, and where it lies."""
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    ticks = {label: axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in hidden(axis)}
    return [(text.get_text(), text.get_window_extent()) for text in found if text not in ticks]


def hidden(axis):
    """The labels of ticks that matplotlib keeps but does not draw, beyond the ends of an axis."""
    drawn = {id(tick) for tick in axis._update_ticks()}
    ticks = [*axis.majorTicks, *axis.minorTicks]
    return [label for tick in ticks if id(tick) not in drawn for label in (tick.label1, tick.label2)]


def test_styles_are_as_wide_as_the_columns_that_are_published():
    assert {name: one.width for name, one in sizes.read_styles().items()} == pytest.approx(PUBLISHED, abs=0.5 / 72)


def test_a_style_is_four_numbers_of_sense(tmp_path):
    file = tmp_path / "styles.yaml"
    for text, told in {
        "a: {width: 3, height: 5, font: 8, small: 5}": "a.small: Input should be greater than or equal to 6",
        "a: {width: 3, font: 8, small: 6}": "a.height: Field required",
        "a: {wide: 3}": "a.wide: Extra inputs are not permitted",
        "a: {": "line 1: is not valid YAML",
    }.items():
        file.write_text(text)
        with pytest.raises(ExperimentError, match=re.escape(told)):
            sizes.read_styles(file)


def test_no_word_of_the_narrowest_figures_is_cut_off(narrow):
    cut = []
    for name, figure in narrow:
        page = figure.bbox
        for text, box in words(figure):
            if box.x0 < page.x0 - 1 or box.x1 > page.x1 + 1 or box.y0 < page.y0 - 1 or box.y1 > page.y1 + 1:
                cut.append((*name, text))
    assert cut == []


def test_no_two_words_of_the_narrowest_figures_overlap(narrow):
    over = []
    for name, figure in narrow:
        for (one, box), (other, its) in itertools.combinations(words(figure), 2):
            shared = Bbox.intersection(box, its)
            if shared and shared.width > 2 and shared.height > 2:
                over.append((*name, one, other))
    assert over == []


@pytest.fixture(scope="module")
def files(small, narrow, tmp_path_factory):
    """The PDF of every figure in the narrowest style, and of one of each other style, with its style."""
    folder = tmp_path_factory.mktemp("printed")
    found = {}
    for k, (_, figure) in enumerate(narrow):
        with style.applied(sizes.read_styles()[NARROWEST]):
            style.save_for_print(figure, folder / f"{k}.pdf")
        found[folder / f"{k}.pdf"] = NARROWEST
    experiment = load(small[0])
    for name in sizes.read_styles():
        with style.applied(sizes.read_styles()[name]):
            figure = BY_NAME["convergence"].draw(small[1] / "tables", experiment, "linear").figure
            style.save_for_print(figure, folder / f"{name}.pdf")
        found[folder / f"{name}.pdf"] = name
    return found


@pytest.fixture(scope="module")
def poppler():
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        stop = pytest.fail if os.environ.get("CI") else pytest.skip
        stop(f"no PDF is looked at; install poppler-utils, which has {', '.join(missing)}")


def told(program, file):
    return subprocess.run([program, file], capture_output=True, text=True, check=True).stdout


def test_a_pdf_is_exactly_as_wide_as_its_column(files, poppler):
    for file, name in files.items():
        width, height = map(float, re.search(r"Page size: +([\d.]+) x ([\d.]+)", told("pdfinfo", file)).groups())
        assert width == pytest.approx(72 * PUBLISHED[name], abs=0.5)
        assert height <= 72 * sizes.read_styles()[name].height + 0.5


def test_fonts_are_embedded_and_none_is_type_3(files, poppler):
    for file in files:
        fonts = told("pdffonts", file).splitlines()[2:]
        assert fonts
        for line in fonts:
            assert "Type 3" not in line
            assert re.search(r"\s(yes|no)\s+(yes|no)\s+(yes|no)\s+\d+\s+\d+$", line)[1] == "yes", line


def test_no_letter_of_a_pdf_is_smaller_than_six_points(files):
    for file in files:
        streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", file.read_bytes(), re.DOTALL)
        texts = [unpacked(stream) for stream in streams]
        points = [float(size) for text in texts for size in re.findall(rb"/F\S+ ([\d.]+) Tf", text)]
        assert points, file
        assert min(points) >= sizes.MIN_FONT


def unpacked(stream: bytes) -> bytes:
    """What a stream holds. Its last byte may be missing: a newline, which then looks like that before `endstream`."""
    return zlib.decompressobj().decompress(stream) if stream[:1] == b"x" else b""
