import itertools
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from thalweg.reporting import palette, style

PAGES = {"light": "#ffffff", "dark": "#14181d"}


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_wcags():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("colour", palette.COLOURS)
def test_lines_stand_out_from_either_page(colour):
    assert contrast(colour, PAGES["light"]) >= 3
    assert contrast(palette.DARK[colour], PAGES["dark"]) >= 3


@pytest.mark.parametrize("ink", [palette.INK, palette.MUTED])
def test_text_is_readable_on_either_page(ink):
    assert contrast(ink, PAGES["light"]) >= 4.5
    assert contrast(palette.DARK[ink], PAGES["dark"]) >= 4.5


def test_no_two_of_twelve_optimizers_look_alike_and_six_differ_in_every_way():
    lines = list(palette.line_styles(f"optimizer_{k}" for k in range(12)).values())
    assert len(set(lines)) == 12
    for one, other in itertools.combinations(lines[:6], 2):
        assert one.colour != other.colour
        assert one.dash != other.dash
        assert one.marker != other.marker


def test_settings_end_with_the_context():
    before = dict(matplotlib.rcParams)
    with style.applied():
        assert matplotlib.rcParams["font.family"] == ["DejaVu Sans"]
    assert dict(matplotlib.rcParams) == before


def test_settings_do_not_depend_on_what_was_set_before():
    with matplotlib.rc_context({"lines.linestyle": ":", "font.size": 30}), style.applied():
        assert matplotlib.rcParams["lines.linestyle"] == "-"
        assert matplotlib.rcParams["font.size"] == 8


def test_panels_in_the_midst_look_as_if_matplotlib_drew_their_gridlines_without_marks():
    """On a linear, a logarithmic and a symmetric logarithmic axis, with ticks beyond the ends of each."""
    with style.applied():
        figures = [Figure((6, 5)), Figure((6, 5))]
        for figure in figures:
            axes = figure.subplots(3, 2, sharex="col", sharey="row")
            axes[0, 1].set(xscale="symlog", xlim=(0, 150))
            axes[1, 0].set(yscale="log", ylim=(2e-4, 30))
            style.lay_out(figure) if figure is figures[0] else figure.set_layout_engine("none")
        for ours, theirs in zip(*(figure.axes for figure in figures), strict=True):
            theirs.set_position(ours.get_position())
            for axis, side in ((theirs.xaxis, "bottom"), (theirs.yaxis, "left")):
                axis.set_tick_params(length=3.5 if axis.get_tick_params()[f"label{side}"] else 0)
        drawn = [FigureCanvasAgg(figure) for figure in figures]
        for canvas in drawn:
            canvas.draw()
    assert figures[0].axes[1].xaxis.get_ticklines()[0].get_visible() is False
    assert np.array_equal(*(np.asarray(canvas.buffer_rgba()) for canvas in drawn))


def test_a_saved_figure_turns_dark_and_is_the_same_bytes_again(tmp_path):
    written = []
    for name in ("a.svg", "b.svg"):
        with style.applied():
            figure = Figure(figsize=(2, 2))
            figure.subplots().plot([1, 2], color=palette.COLOURS[0])
            style.save(figure, tmp_path / name)
        written.append([(tmp_path / name).with_suffix(end).read_bytes() for end in (".svg", ".pdf")])
    assert written[0] == written[1]
    text = written[0][0].decode()
    ElementTree.fromstring(text)
    for light, dark in palette.DARK.items():
        assert f'[style*="stroke: {light}"]{{stroke:{dark}!important}}' in text
    assert "prefers-color-scheme:dark" in text
    assert f"stroke: {palette.COLOURS[0]}" in text.partition("</style>")[2]
