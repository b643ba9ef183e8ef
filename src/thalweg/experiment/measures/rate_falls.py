"""How often the learning rate falls from one epoch to the next."""

from typing import TYPE_CHECKING, Any

from thalweg.experiment.measures.base import BoundedMeasure, Bounds, RunData

if TYPE_CHECKING:
    from numpy.typing import NDArray


class RateFalls(BoundedMeasure):
    """The share of epochs that begin at a lower learning rate than the one before, of the run with the longest history.

    Rates are recorded at evaluation points only, so that the share is known to lie between two bounds. They are sure
    if the rate goes one way between two neighbouring points.
    """

    grammar = "share of epochs with a lower learning rate"
    meaning = (
        "of a reproduction: at how many changes of epoch the rate falls. Rates are recorded at evaluation points, "
        "which gives two bounds"
    )
    forms = examples = ("share of epochs with a lower learning rate",)
    place = 12
    bounds_note = "Rates are recorded at evaluation points, which tell two bounds."

    def bounds(self, data: RunData) -> Bounds | None:
        runs, histories = data.runs, data.histories
        rates = histories[histories["run"].isin(runs["run"]) & histories["learning_rate"].notna()]
        if rates.empty:
            return None
        longest = rates.groupby("run").size().idxmax()
        run = runs[runs["run"] == longest].iloc[0]
        points = rates[rates["run"] == longest].drop_duplicates("step").sort_values("step")
        # The rate recorded after so many steps is the one that the last of them applied.
        steps, applied = points["step"].to_numpy() - 1, points["learning_rate"].to_numpy(dtype=float)
        steps_per_epoch = int(run["steps_per_epoch"])
        return Bounds(str(longest), *bound_falls(steps, applied, steps_per_epoch, int(run["steps"] // steps_per_epoch)))


def bound_falls(steps: "NDArray[Any]", rates: "NDArray[Any]", steps_per_epoch: int, epochs: int) -> tuple[float, float]:
    """Bounds of the share of the `epochs` - 1 changes of epoch at which the rate falls, from rates at some steps.

    No change of epoch within a stretch of equal rates is a fall. Between two points with a lower rate at the second
    there is one fall at least.

    Args:
        steps: Shape (points,), ascending. They count from 0, as epochs do: epoch e begins at step
            e × `steps_per_epoch`.
        rates: Shape (points,), the learning rate that each of those steps applied.
        steps_per_epoch: The number of steps of an epoch.
        epochs: The number of epochs.
    """
    changes = max(1, epochs - 1)
    stays, fallen, covered, start = 0, 0, 0, 0
    for place in range(1, len(steps) + 1):
        if place < len(steps) and rates[place] == rates[start]:
            continue
        stays += max(0, int(steps[place - 1]) // steps_per_epoch - -(-int(steps[start]) // steps_per_epoch))
        if place < len(steps) and rates[place] < rates[place - 1]:
            before, after = int(steps[place - 1]) // steps_per_epoch, -(-int(steps[place]) // steps_per_epoch)
            if before >= covered and after < epochs:
                fallen, covered = fallen + 1, after
        start = place
    return fallen / changes, 1 - stays / changes
