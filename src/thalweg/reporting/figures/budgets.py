"""What tuning is worth: the test loss of the best of k trials against k, a panel a batch size, a line an optimizer."""

from __future__ import annotations

from pathlib import Path

from thalweg.experiment.schema import Experiment
from thalweg.grid import trials
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import data, legends, lines, np, panels, scales, style
from thalweg.reporting.figures import Figure

KEYS = ["optimizer", "batch_size", "trials"]
ONE_TRIAL_COLUMNS = {
    "median": "one trial",
    "lower": "first quartile",
    "upper": "third quartile",
    "lost": "share infinite",
}
ALL_TRIALS_COLUMNS = {"median": "all trials"}
"""What columns are called in the short table, where k is one and where it is all trials."""


def draw(tables: Path, experiment: Experiment, problem: str) -> data.Drawing:
    """Draw median and quartiles over all sets of k trials of all schedules, and beneath them the share that is lost."""
    budgets = data.read_table(tables, "budgets", problem)
    if len(experiment.schedules) > 1:
        budgets = budgets[budgets["schedule"].isna()]
    batch_sizes = data.levels_present(sorted(experiment.problems[problem].batch_sizes), budgets["batch_size"])
    styles = palette.line_styles(experiment.optimizers)
    chunks = panels.chunks(styles)
    limits = scales.positive_limits(budgets[["median", "lower"]].to_numpy())
    figure, axes = panels.make_grid(len(chunks), len(batch_sizes), 2.5, stacked=(3.2, 1), sharey=False)
    for number, names in enumerate(chunks):
        for column, batch_size in enumerate(batch_sizes):
            loss, share = axes[2 * number, column], axes[2 * number + 1, column]
            panel = budgets[(budgets["batch_size"] == batch_size) & budgets["optimizer"].isin(names)]
            shown = scales.clip_spreads(panel, limits)
            loss.add_collection(lines.make_bands(shown, "k", styles, 0.12), autolim=False)
            for optimizer, infinite in panel[np.isinf(panel["median"])].groupby("optimizer", sort=False):
                top = np.full(len(infinite), limits[1])
                loss.plot(infinite["k"], top, "x", color=styles[optimizer].colour, markersize=3.5, clip_on=False)
            lines.draw_marked_lines(loss, shown, "k", "median", styles)
            lines.draw_marked_lines(share, panel, "k", "lost", styles)
    for axis in axes[::2].flat:
        scales.set_log_scale(axis, "y", limits)
    for axis in axes[1::2].flat:
        axis.set(ylim=(-0.08, 1.08), yticks=(0, 1), yticklabels=("0", "1"))
    for axis in axes.flat:
        axis.tick_params(labelleft=panels.begins_line(axis))
    for axis in filter(panels.begins_line, axes[::2].flat):
        axis.set_ylabel("test loss")
    for axis in filter(panels.begins_line, axes[1::2].flat):
        axis.set_ylabel("infinite", fontsize=style.small_font())
    max_trials = int(budgets["k"].max()) if len(budgets) else 1
    ticks = [
        k
        for decade in range(len(str(max_trials)))
        for k in (10**decade, 2 * 10**decade, 5 * 10**decade)
        if k <= max_trials
    ]
    axes[0, 0].set_xscale("log")
    axes[0, 0].set_xlim(0.93, 1.08 * max_trials)
    axes[0, 0].set_xticks(ticks, [str(k) for k in ticks])
    scales.hide_minor_ticks(axes[0, 0], "x")
    panels.label_outer_axes(axes, "trials, k")
    panels.title_columns(axes[::2], [f"batch size {size}" for size in batch_sizes])
    legends.draw_legend(figure, styles, "middle half of sets")
    one_trial, all_trials = (
        budgets[budgets["k"] == k][[*KEYS, *columns]].rename(columns=columns)
        for k, columns in ((1, ONE_TRIAL_COLUMNS), (budgets["trials"], ALL_TRIALS_COLUMNS))
    )
    table = one_trial.merge(all_trials)
    facts = {
        "optimizers": len(styles),
        "batch_sizes": [int(size) for size in batch_sizes],
        "schedules": list(experiment.schedules),
        "trials": max_trials,
        "infinite": int(np.isinf(table["one trial"]).sum()),
        "pools": len(table),
        "unresolved": scales.any_unresolved(budgets["median"]),
        **data.count_missing_tuning(tables, experiment, problem),
        **data.lowest_and_highest(all_trials, "all trials", KEYS),
    }
    return data.Drawing(figure, budgets, table, facts)


def has_several_trials(experiment: Experiment, problem: str | None) -> bool:
    """Tell whether some optimizer has trials to choose from."""
    return any(len(experiment.schedules) * len(trials(optimizer)) > 1 for optimizer in experiment.optimizers.values())


FIGURES = (Figure("budgets", draw, order=90, section="Tuning budgets", applies=has_several_trials),)
