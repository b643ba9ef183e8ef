"""The two trainable weights of a model that has no more, so that paths can be drawn on its loss surface."""

from typing import Any

from thalweg.quantities import Column, Quantity, Snapshot, Tools

WEIGHTS = 2


def compute(tools: Tools, snapshot: Snapshot) -> Any:
    """Return the weights that training would leave if it ended here, in the order of the model's variables."""
    return tools.weight_vector(snapshot.final)


def find_mistake(problem: str, parameters: int) -> str | None:
    """Return what is wrong if a problem has another number of trainable parameters."""
    if parameters == WEIGHTS:
        return None
    return f"weights are recorded of a model with two; {problem} has {parameters} to train"


QUANTITY = Quantity(
    name="weights",
    columns=tuple(
        Column(f"weight_{k}", "", f"trainable weight {k}, in the order of the model's variables")
        for k in range(WEIGHTS)
    ),
    compute=compute,
    find_mistake=find_mistake,
)
