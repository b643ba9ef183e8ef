"""What runs record beside their losses and metrics: one module of this folder for each quantity, which nothing lists.

A module defines `QUANTITY`: the name, the columns with their units and meanings, and how they are computed. The
descriptions need no TensorFlow, so the experiment file and the tables read them here; a quantity imports TensorFlow
only while it is computed.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from thalweg.horizon import Horizon


class Column(NamedTuple):
    """A column of a run's history; `unit` is empty for a ratio or a quantity of the problem's own scale."""

    name: str
    unit: str
    meaning: str


class Snapshot(NamedTuple):
    """A run at an evaluation point. Every value is a tensor or a list of tensors.

    Attributes:
        state: All that training changes, after the latest step; `state.trainable` are the weights as they are trained.
        final: The state that training would leave if it ended here. It differs where an optimizer averages weights.
        previous_weights: `state.trainable` before the latest step, or the initial one before the first step.
        gradients: The gradient of the latest step's batch before clipping, a tensor for each of `state.trainable`.
        examples: The training split. None while it is streamed.
        first_epoch: The rows of the first epoch's whole batches, int32, (batches × batch size,). None while streamed.
    """

    state: Any
    final: Any
    previous_weights: Any
    gradients: Any
    examples: Any = None
    first_epoch: Any = None


class Tools(NamedTuple):
    """What the engine computes for quantities.

    Attributes:
        horizon: How long the run is.
        norm: The Euclidean norm of a list of tensors, a float32 scalar.
        gradient: Maps a state and a batch to the gradient of the loss, a tensor for each of `state.trainable`.
        weight_vector: Maps a state to all its trainable weights, float32, in the order of the model's variables.
    """

    horizon: Horizon
    norm: Callable[[Any], Any]
    gradient: Callable[[Any, Any], Any]
    weight_vector: Callable[[Any], Any]


def _always_possible(problem: str, parameters: int) -> str | None:
    return None


@dataclass(frozen=True)
class Quantity:
    """Something that is recorded at each evaluation point.

    Attributes:
        name: What an experiment lists in `record`.
        columns: The columns of the history, in order.
        compute: Maps the tools and a snapshot to the columns' values, float32, (columns,).
        always: Whether every run records it, so that no experiment needs to ask.
        of_latest_step: Whether it describes the latest step, and so is null before the first.
        needs_data_in_memory: Whether it needs the whole training split, and so is refused where that is a Source.
        find_mistake: Maps a problem's name and its number of trainable parameters to what forbids the quantity there.
    """

    name: str
    columns: tuple[Column, ...]
    compute: Callable[[Tools, Snapshot], Any]
    always: bool = False
    of_latest_step: bool = False
    needs_data_in_memory: bool = False
    find_mistake: Callable[[str, int], str | None] = _always_possible

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]


@cache
def all_quantities() -> tuple[Quantity, ...]:
    """Return every quantity, in the order of their columns: first those that are always recorded, then by name."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return tuple(sorted((module.QUANTITY for module in modules), key=lambda one: (not one.always, one.name)))


def names_on_request() -> tuple[str, ...]:
    """Return the names that an experiment may list in `record`."""
    return tuple(quantity.name for quantity in all_quantities() if not quantity.always)


def recorded_quantities(record: Any = ()) -> list[Quantity]:
    """Return the quantities of a run whose experiment lists these names in `record`."""
    return [quantity for quantity in all_quantities() if quantity.always or quantity.name in record]
