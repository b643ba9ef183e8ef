"""How runs go: the loss against steps, a panel for each schedule and batch size, a line for each optimizer."""

import math
from pathlib import Path

from thalweg.analysis.histories import LOST
from thalweg.grid.experiment import Experiment
from thalweg.reporting import style
from thalweg.reporting.figures import panels


def draw(tables: Path, experiment: Experiment, problem: str, split: str = "train") -> panels.Drawing:
    """Median over evaluation seeds with a band from the first to the third quartile."""
    curves = panels.read(tables, "curves", problem)
    curves = curves[(curves["split"] == split) & (curves["metric"] == "loss")]
    schedules = panels.present(list(experiment.schedules), curves["schedule"])
    batch_sizes = panels.present(sorted(experiment.problems[problem].batch_sizes), curves["batch_size"])
    styles = style.lines(experiment.optimizers)
    limits = panels.positive_limits(curves[["median", "lower"]].to_numpy())
    figure, axes = panels.grid(len(batch_sizes), len(schedules), 1.75)
    for (batch_size, schedule), panel in curves.groupby(["batch_size", "schedule"]):
        axis = axes[batch_sizes.index(batch_size), schedules.index(schedule)]
        for optimizer, line in panel.groupby("optimizer", sort=False):
            upper = line["upper"].clip(limits[0], limits[1])
            colour = styles[optimizer].colour
            axis.fill_between(line["step"], line["lower"].clip(*limits), upper, color=colour, alpha=0.16, linewidth=0)
        medians = panel.assign(median=panels.drawable(panel["median"], limits))
        markers = {name: line.marker for name, line in styles.items()}
        panels.lines(axis, medians, "step", "median", styles, markers=markers, markevery=[-1], markeredgewidth=0)
        panels.name_lost(axis, panel.drop_duplicates("optimizer", keep="last"))
    axes[0, 0].set_xscale("symlog", linthresh=1, linscale=0.5)
    decades = range(math.ceil(math.log10(max(10, curves["step"].max()))))
    axes[0, 0].set_xticks([0, *(10**decade for decade in decades)])
    axes[0, 0].set_xlim(0)
    panels.logarithmic(axes[0, 0], "y", limits)
    panels.name_columns(axes, schedules)
    for row, batch_size in zip(axes, batch_sizes, strict=True):
        row[0].set_ylabel(f"{split} loss")
        panels.name_row(row[-1], f"batch size {batch_size}")
    for axis in axes[-1]:
        axis.set_xlabel("step")
    panels.legend(figure, styles, "middle half of seeds")
    final = curves.drop_duplicates(["optimizer", "schedule", "batch_size"], keep="last")
    names = ["optimizer", "schedule", "batch_size"]
    facts = {
        "split": split,
        "optimizers": len(styles),
        "schedules": schedules,
        "batch_sizes": [int(size) for size in batch_sizes],
        "seeds": int(final["n"].max()) if len(final) else 0,
        "runs": int(final["n"].sum()),
        **panels.all_lost(final),
        **panels.extremes(final, "median", names),
    }
    table = final[["batch_size", "schedule", "optimizer", "n", *LOST, "median", "lower", "upper"]]
    return panels.Drawing(figure, curves, table.sort_values("batch_size", kind="stable"), facts)
