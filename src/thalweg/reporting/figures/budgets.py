"""What tuning is worth: the test loss of the best of k trials against k, a panel a batch size, a line an optimizer."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import NullLocator

from thalweg.experiment.schema import Experiment
from thalweg.reporting import style
from thalweg.reporting.figures import panels

KEYS = ["optimizer", "batch_size", "trials"]
ONE_TRIAL = {"median": "one trial", "lower": "first quartile", "upper": "third quartile", "lost": "share infinite"}
ALL_TRIALS = {"median": "all trials"}
"""What columns are called in the short table, where k is one and where it is all trials."""


def draw(tables: Path, experiment: Experiment, problem: str) -> panels.Drawing:
    """Median and quartiles over all sets of k trials, of all schedules together; beneath it the share that is lost."""
    budgets = panels.read(tables, "budgets", problem)
    if len(experiment.schedules) > 1:
        budgets = budgets[budgets["schedule"].isna()]
    batch_sizes = panels.present(sorted(experiment.problems[problem].batch_sizes), budgets["batch_size"])
    styles = style.lines(experiment.optimizers)
    parts = panels.sixes(styles)
    limits = panels.positive_limits(budgets[["median", "lower"]].to_numpy())
    figure, axes = panels.grid(len(parts), len(batch_sizes), 2.5, stacked=(3.2, 1), sharey=False)
    for part, names in enumerate(parts):
        for column, batch_size in enumerate(batch_sizes):
            loss, share = axes[2 * part, column], axes[2 * part + 1, column]
            panel = budgets[(budgets["batch_size"] == batch_size) & budgets["optimizer"].isin(names)]
            shown = panels.within(panel, limits)
            loss.add_collection(panels.bands(shown, "k", styles, 0.12), autolim=False)
            for optimizer, infinite in panel[np.isinf(panel["median"])].groupby("optimizer", sort=False):
                top = np.full(len(infinite), limits[1])
                loss.plot(infinite["k"], top, "x", color=styles[optimizer].colour, markersize=3.5, clip_on=False)
            panels.marked_lines(loss, shown, "k", "median", styles)
            panels.marked_lines(share, panel, "k", "lost", styles)
    for axis in axes[::2].flat:
        panels.logarithmic(axis, "y", limits)
    for axis in axes[1::2].flat:
        axis.set(ylim=(-0.08, 1.08), yticks=(0, 1), yticklabels=("0", "1"))
    for axis in axes.flat:
        axis.tick_params(labelleft=panels.is_first(axis))
    for axis in filter(panels.is_first, axes[::2].flat):
        axis.set_ylabel("test loss")
    for axis in filter(panels.is_first, axes[1::2].flat):
        axis.set_ylabel("infinite", fontsize=style.small())
    most = int(budgets["k"].max()) if len(budgets) else 1
    ticks = [k for decade in range(len(str(most))) for k in (10**decade, 2 * 10**decade, 5 * 10**decade) if k <= most]
    axes[0, 0].set_xscale("log")
    axes[0, 0].set_xlim(0.93, 1.08 * most)
    axes[0, 0].set_xticks(ticks, [str(k) for k in ticks])
    axes[0, 0].xaxis.set_minor_locator(NullLocator())
    panels.name_axes(axes, "trials, k")
    panels.name_columns(axes[::2], [f"batch size {size}" for size in batch_sizes])
    panels.legend(figure, styles, "middle half of sets")
    one, whole = (
        budgets[budgets["k"] == k][[*KEYS, *columns]].rename(columns=columns)
        for k, columns in ((1, ONE_TRIAL), (budgets["trials"], ALL_TRIALS))
    )
    table = one.merge(whole)
    facts = {
        "optimizers": len(styles),
        "batch_sizes": [int(size) for size in batch_sizes],
        "schedules": list(experiment.schedules),
        "trials": most,
        "infinite": int(np.isinf(table["one trial"]).sum()),
        "pools": len(table),
        "unresolved": panels.on_the_edge(budgets["median"]),
        **panels.tuned(tables, experiment, problem),
        **panels.extremes(whole, "all trials", KEYS),
    }
    return panels.Drawing(figure, budgets, table, facts)
