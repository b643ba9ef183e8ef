"""How hard each optimizer is to tune: the final validation loss against the learning rate, and what was lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thalweg.experiment.schema import Experiment
from thalweg.grid import trials
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import choose, data, legends, lines, np, panels, scales, style
from thalweg.reporting.figures import Figure

CELL = ["optimizer", "schedule", "batch_size"]
LOST_SHARE = ["n", "lost_share", "lost_share_lower", "lost_share_upper"]


def draw(tables: Path, experiment: Experiment, problem: str) -> data.Drawing:
    """Draw the median over tuning seeds, its quartiles as strokes, and beneath them the share of lost runs.

    The rates of a grid are joined by a line. The trials of a search are points, because they differ in more than the
    rate.

    The axis ends at ten times the loss of the initial weights, so that what is worse than not training leaves it.
    """
    rates = data.read_table(tables, "rates", problem)
    cells = data.read_table(tables, "cells", problem)[[*CELL, *choose.TRIAL]].assign(chosen=True)
    rates = rates.merge(cells, how="left")
    rates["chosen"] = rates["chosen"].notna()
    gridded = {name: optimizer for name, optimizer in experiment.optimizers.items() if not optimizer.search}
    curves = data.read_table(tables, "curves", problem)
    start = curves[(curves["split"] == "validation") & (curves["metric"] == "loss") & (curves["step"] == 0)]
    schedules = data.levels_present(list(experiment.schedules), rates["schedule"])
    batch_sizes = data.levels_present(sorted(experiment.problems[problem].batch_sizes), rates["batch_size"])
    styles = palette.line_styles(experiment.optimizers)
    limits = scales.positive_limits(rates[["median", "lower"]].to_numpy())
    if len(start):
        limits = limits[0], min(limits[1], 10 * float(start["median"].median()))
    rows = [size for size in batch_sizes for _ in panels.chunks(styles)]
    figure, axes = panels.make_grid(len(rows), len(schedules), 2.2, stacked=(3.2, 1), sharey=False)
    all_rates = [trial.learning_rate for optimizer in experiment.optimizers.values() for trial in trials(optimizer)]
    # First of all, or every stroke would have the limits of all panels found anew.
    axes[0, 0].set_xscale("log")
    scales.hide_minor_ticks(axes[0, 0], "x")
    axes[0, 0].xaxis.set_major_formatter(scales.format_power)
    axes[0, 0].update_datalim([(min(all_rates), 1), (max(all_rates), 1)], updatey=False)
    axes[0, 0].autoscale_view(scaley=False)
    for axis in axes.flat:
        axis.set_autoscalex_on(False)
    for axis in axes[::2].flat:
        scales.set_log_scale(axis, "y", limits)
    shown = scales.clip_spreads(rates, (limits[0], 10 * limits[1]))
    chunk = panels.chunk_numbers(rates["optimizer"], styles)
    for (batch_size, schedule, number), panel in shown.groupby(["batch_size", "schedule", chunk]):
        place = 2 * (rows.index(batch_size) + number), schedules.index(schedule)
        loss, share = axes[place], axes[place[0] + 1, place[1]]
        joined = panel["optimizer"].isin(gridded)
        loss.vlines(
            panel["learning_rate"],
            panel["lower"],
            panel["upper"],
            color=[styles[optimizer].colour for optimizer in panel["optimizer"]],
            linewidth=joined.map({True: 1.6, False: 0.8}),
            alpha=0.35,
        )
        for optimizer, line in panel[~joined].groupby("optimizer", sort=False):
            for axis, name in ((loss, "median"), (share, "lost_share")):
                axis.plot(line["learning_rate"], line[name], **_point(styles[optimizer]))
        for best in panel[panel["chosen"] & (panel["median"] <= limits[1])].itertuples():
            mark = {"marker": styles[best.optimizer].marker, "color": styles[best.optimizer].colour, "markersize": 6}
            loss.plot(best.learning_rate, best.median, linestyle="none", clip_on=False, **mark)
        for optimizer, line in panel[joined].groupby("optimizer", sort=False):
            for axis, name in ((loss, "median"), (share, "lost_share")):
                lines.draw_lines(axis, line, "learning_rate", name, styles)
                isolated = line[lines.is_isolated(line[name])]
                if len(isolated):
                    axis.plot(isolated["learning_rate"], isolated[name], **_point(styles[optimizer]))
        share.set(ylim=(-0.08, 1.08), yticks=(0, 1), yticklabels=("0", "1"))
    for axis in axes.flat:
        axis.tick_params(labelleft=panels.begins_line(axis))
    panels.title_columns(axes[::2], schedules)
    lost = "diverged,\nout of time" if rates["out_of_time"].any() else "diverged"
    for row, batch_size in enumerate(rows):
        panels.label_row(axes[2 * row], f"batch size {batch_size}")
    panels.label_outer_axes(axes, "peak learning rate")
    for axis in filter(panels.begins_line, axes[::2].flat):
        axis.set_ylabel("validation loss")
    for axis in filter(panels.begins_line, axes[1::2].flat):
        axis.set_ylabel(lost, fontsize=style.small_font())
    legends.draw_legend(figure, styles, points=styles.keys() - gridded)
    best = rates[rates["chosen"]]
    facts = {
        "schedules": schedules,
        "batch_sizes": [int(size) for size in batch_sizes],
        "gridded": len(gridded),
        "searched": len(styles) - len(gridded),
        "runs": int(rates["n"].sum()),
        "unresolved": scales.any_unresolved(rates["median"]),
        "infinite": bool(np.isinf(rates["median"]).any()),
        **data.count_missing_tuning(tables, experiment, problem),
        **data.count_lost(rates),
        "shares": [
            {"lost": round(row.lost_share * row.n), **row._asdict()}
            for row in rates[LOST_SHARE].drop_duplicates().sort_values(LOST_SHARE).itertuples(index=False)
        ],
        "lowest_rate": min(all_rates),
        "highest_rate": max(all_rates),
        "best": [
            {"optimizer": name, "low": float(chosen.min()), "high": float(chosen.max())}
            for name, chosen in best.groupby("optimizer", sort=False)["learning_rate"]
        ],
    }
    at_all_rates = rates.groupby(CELL, sort=False)[["n", "diverged"]].sum().reset_index()
    at_all_rates = at_all_rates.rename(columns={"n": "runs at all rates", "diverged": "diverged at all rates"})
    table = best[["batch_size", *CELL[1::-1], *choose.TRIAL, "n", "median", "lower", "upper"]].merge(at_all_rates)
    return data.Drawing(figure, rates, table.sort_values("batch_size", kind="stable"), facts)


def _point(line: palette.LineStyle) -> dict[str, Any]:
    """Return the look of a rate that no line leads to: small and pale, so that the chosen one stands out."""
    look = {"color": line.colour, "marker": line.marker, "linestyle": "none"}
    return {**look, "markersize": 3, "markeredgewidth": 0, "alpha": 0.6}


FIGURES = (Figure("learning_rates", draw, order=80, section="Learning rates"),)
