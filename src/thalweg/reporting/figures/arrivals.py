"""How soon runs come to a target: the share that is there against steps, a panel a target, a line an optimizer."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from thalweg.experiment.schema import Experiment
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import data, findings, legends, mpl, panels, pd, scales, style
from thalweg.reporting.figures import Figure

MIN_WIDTH = 1.6
"""Inches of a panel, with room for its target."""

OUT_OF_TIME: dict[str, Any] = {"linestyle": "none", "marker": "|", "markersize": 8}


def draw(tables: Path, experiment: Experiment, problem: str) -> data.Drawing:
    """Draw the best cell of each optimizer, as in `profiles`. Runs that never arrive keep their line below one."""
    arrivals = data.read_table(tables, "arrivals", problem)
    reported = data.read_table(tables, "targets", problem)[
        [*data.TRAINED_CELL, "target", "n", "reached", "median", "lower", "upper"]
    ]
    table = arrivals[["target", *data.TRAINED_CELL]].drop_duplicates().merge(reported, how="left")
    targets = list(dict.fromkeys(table["target"]))
    styles = palette.line_styles(experiment.optimizers)
    parts = panels.chunks(styles)
    limits = scales.positive_limits(arrivals["step"].to_numpy())
    of_panels = [
        [arrivals[(arrivals["target"] == target) & arrivals["optimizer"].isin(names)] for target in targets]
        for names in parts
    ]
    width = panels.letters_that_fit(
        0.8 * style.width() / panels.panels_abreast(len(targets) or 1, MIN_WIDTH), style.small_font()
    )
    notes = [[textwrap.wrap(missed_in_words(panel), width) for panel in row] for row in of_panels]
    deepest = max((len(note) for row in notes for note in row), default=0)
    figure, axes = panels.make_grid(
        len(parts), len(targets) or 1, 1.75 + 0.018 * style.small_font() * deepest, MIN_WIDTH
    )
    for row, in_row, row_notes in zip(axes, of_panels, notes, strict=True):
        for axis, panel in zip(row, in_row, strict=False):
            for optimizer, curve in panel.groupby("optimizer", sort=False):
                draw_arrivals(axis, curve, styles[optimizer], limits[0])
        if targets:
            panels.title_with_notes(row, [data.target_in_words(target) for target in targets], row_notes)
    axes[0, 0].set(ylim=(-0.04, 1.04))
    scales.set_log_scale(axes[0, 0], "x", limits)
    panels.label_outer_axes(axes, "step", "share of runs there")
    best, seeds = data.best_cells(tables, problem), len(experiment.seeds.evaluation)
    handles = [legends.line_handle(styles[str(cell.optimizer)], label(cell, seeds)) for cell in best.itertuples()]
    if arrivals["out_of_time"].any():
        handles.append(legends.mark_handle(**OUT_OF_TIME, color=palette.MUTED, label="out of time"))
    if handles:
        legends.place_legend(figure, handles)
    facts = {
        "optimizers": int(table["optimizer"].nunique()),
        **data.count_seeds(best, len(styles) * seeds),
        "out_of_time": int(arrivals["out_of_time"].sum()),
        "targets": [
            {
                "target": data.target_in_words(target),
                "n": int(rows["n"].sum()),
                "reached": int(rows["reached"].sum()),
                "first": findings.records(
                    rows.loc[rows["median"] == rows["median"].min(), [*data.TRAINED_CELL, "median"]]
                ),
                "never": rows.loc[rows["median"].isna(), "optimizer"].tolist(),
            }
            for target, rows in table.groupby("target", sort=False)
        ],
    }
    return data.Drawing(figure, arrivals, table, facts)


def label(cell: Any, seeds: int) -> str:
    """Name a cell's optimizer and batch size, and how many runs it has, if not those of all seeds."""
    return ", ".join(filter(None, [cell.optimizer, f"batch {cell.batch_size}", panels.runs_present(cell.n, seeds)]))


def draw_arrivals(axis: mpl.axes.Axes, curve: pd.DataFrame, line: palette.LineStyle, first: float) -> None:
    """Draw a step upwards where runs arrive, and a stroke where one runs out of time. The line begins at `first`."""
    steps = curve["step"].clip(lower=first)
    look = {"color": line.colour, "linestyle": line.linestyle, "marker": line.marker, "markevery": [-1]}
    axis.step([first, *steps], [0, *curve["arrived"]], where="post", **look, clip_on=False)
    out_of_time = (curve["out_of_time"] > 0).to_numpy()
    axis.plot(steps[out_of_time], curve["arrived"][out_of_time], **OUT_OF_TIME, color=line.colour)


def missed_in_words(panel: pd.DataFrame) -> str:
    """Write how many runs of each optimizer did not reach the target; nothing where all did."""
    runs = panel.groupby("optimizer", sort=False).agg({"n": "first", "reached": "first", "out_of_time": "sum"})
    counts = [
        f"{row.Index} {row.n - row.reached} of {row.n}" + f" ({row.out_of_time} out of time)" * bool(row.out_of_time)
        for row in runs.itertuples()
        if row.reached < row.n
    ]
    whole = ", ".join(count.replace(" ", "\N{NO-BREAK SPACE}") for count in counts)
    return f"not reached: {whole}" if counts else ""


FIGURES = (Figure("arrivals", draw, order=70, section="Time to a target"),)
