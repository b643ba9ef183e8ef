"""How a key of the experiment file is described: what it means, its default, and whether it changes a run's bits."""

from typing import Any, Literal

from pydantic import BaseModel, Field

ChangesBits = Literal["yes", "derived", "only with end_at_target", "only what is recorded", "no"]
"""Whether a key changes the bits of a run.

`yes`: its value belongs to a run's identity. `derived`: not the value itself but what follows from it does, such as the
run's own batch size. `only what is recorded`: it changes no bit of the training, but the columns of the history.
"""


def key(
    meaning: str,
    default: Any = ...,
    *,
    changes_bits: ChangesBits,
    default_in_words: str = "",
    own_fingerprint: bool = False,
    alias: str | None = None,
) -> Any:
    """Describe a key of the experiment file; the result is the field of the model.

    Args:
        meaning: what the key means, in Markdown, as the reference page shows it.
        default: its value where the file leaves it out; without one the key is required.
        changes_bits: whether it changes the bits of a run.
        default_in_words: what the reference page shows as the default, where the value would not say it.
        own_fingerprint: whether a job of its own reads it, so that no other job of the problem starts again with it.
        alias: the key as it stands in the file, where Python has no such name.
    """
    metadata: dict[str, Any] = {
        "changes_bits": changes_bits,
        "default_in_words": default_in_words,
        "own_fingerprint": own_fingerprint,
    }
    return Field(default, description=meaning, alias=alias, json_schema_extra=metadata)


def metadata_of(section: type[BaseModel], name: str) -> dict[str, Any]:
    """Return what `key` noted of a field: `changes_bits`, `default_in_words` and `own_fingerprint`."""
    metadata = section.model_fields[name].json_schema_extra
    if not isinstance(metadata, dict):
        raise TypeError(f"{section.__name__}.{name} is not described by key()")
    return dict(metadata)
