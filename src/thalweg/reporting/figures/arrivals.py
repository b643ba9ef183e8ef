"""How soon runs come to a target: the share that is there against steps, a panel a target, a line an optimizer."""

import textwrap
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from thalweg.analysis.choose import TRIAL
from thalweg.experiment.schema import Experiment
from thalweg.reporting import style
from thalweg.reporting.figures import panels
from thalweg.reporting.html import findings

CELL = ["optimizer", "schedule", "batch_size", *TRIAL]
LEAST = 1.6
"""Inches of a panel, with room for its target."""

STOPPED: dict[str, Any] = {"linestyle": "none", "marker": "|", "markersize": 8}


def draw(tables: Path, experiment: Experiment, problem: str) -> panels.Drawing:
    """The best cell of each optimizer, as in `profiles`. Runs that never arrive keep their line below one."""
    arrivals = panels.read(tables, "arrivals", problem)
    reported = panels.read(tables, "targets", problem)[[*CELL, "target", "n", "reached", "median", "lower", "upper"]]
    table = arrivals[["target", *CELL]].drop_duplicates().merge(reported, how="left")
    targets = list(dict.fromkeys(table["target"]))
    styles = style.lines(experiment.optimizers)
    parts = panels.sixes(styles)
    limits = panels.positive_limits(arrivals["step"].to_numpy())
    of_panels = [
        [arrivals[(arrivals["target"] == target) & arrivals["optimizer"].isin(names)] for target in targets]
        for names in parts
    ]
    width = panels.letters(0.8 * style.width() / panels.abreast(len(targets) or 1, LEAST), style.small())
    notes = [[textwrap.wrap(missing(panel), width) for panel in row] for row in of_panels]
    deepest = max((len(note) for row in notes for note in row), default=0)
    figure, axes = panels.grid(len(parts), len(targets) or 1, 1.75 + 0.018 * style.small() * deepest, LEAST)
    for row, in_row, said in zip(axes, of_panels, notes, strict=True):
        for axis, panel in zip(row, in_row, strict=False):
            for optimizer, curve in panel.groupby("optimizer", sort=False):
                climb(axis, curve, styles[optimizer], limits[0])
        if targets:
            panels.head(row, [panels.spoken(target) for target in targets], said)
    axes[0, 0].set(ylim=(-0.04, 1.04))
    panels.logarithmic(axes[0, 0], "x", limits)
    panels.name_axes(axes, "step", "share of runs there")
    best, seeds = panels.best_cells(tables, problem), len(experiment.seeds.evaluation)
    handles = [panels.key(styles[str(cell.optimizer)], label(cell, seeds)) for cell in best.itertuples()]
    if arrivals["out_of_time"].any():
        handles.append(Line2D([], [], **STOPPED, color=style.MUTED, label="out of time"))
    if handles:
        panels.place_legend(figure, handles)
    facts = {
        "optimizers": int(table["optimizer"].nunique()),
        **panels.evaluated(best, len(styles) * seeds),
        "out_of_time": int(arrivals["out_of_time"].sum()),
        "targets": [
            {
                "target": panels.spoken(target),
                "n": int(rows["n"].sum()),
                "reached": int(rows["reached"].sum()),
                "first": findings.records(rows.loc[rows["median"] == rows["median"].min(), [*CELL, "median"]]),
                "never": rows.loc[rows["median"].isna(), "optimizer"].tolist(),
            }
            for target, rows in table.groupby("target", sort=False)
        ],
    }
    return panels.Drawing(figure, arrivals, table, facts)


def label(cell: Any, seeds: int) -> str:
    """The cell's optimizer and batch size, and how many of its runs are there, if not those of all seeds."""
    return ", ".join(filter(None, [cell.optimizer, f"batch {cell.batch_size}", panels.run(cell.n, seeds)]))


def climb(axis: Axes, curve: pd.DataFrame, line: style.Line, first: float) -> None:
    """A step upwards where runs arrive, and a stroke where one is lost from sight. Nobody is there before `first`."""
    steps = curve["step"].clip(lower=first)
    look = {"color": line.colour, "linestyle": line.linestyle, "marker": line.marker, "markevery": [-1]}
    axis.step([first, *steps], [0, *curve["arrived"]], where="post", **look, clip_on=False)
    stopped = (curve["out_of_time"] > 0).to_numpy()
    axis.plot(steps[stopped], curve["arrived"][stopped], **STOPPED, color=line.colour)


def missing(panel: pd.DataFrame) -> str:
    """How many runs of which optimizer did not reach the target; nothing where all did."""
    runs = panel.groupby("optimizer", sort=False).agg({"n": "first", "reached": "first", "out_of_time": "sum"})
    told = [
        f"{row.Index} {row.n - row.reached} of {row.n}" + f" ({row.out_of_time} out of time)" * bool(row.out_of_time)
        for row in runs.itertuples()
        if row.reached < row.n
    ]
    whole = ", ".join(one.replace(" ", "\N{NO-BREAK SPACE}") for one in told)
    return f"not reached: {whole}" if told else ""
