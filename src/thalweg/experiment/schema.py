"""What may stand in an experiment file.

Each key is one field here. The field says what the key means, its default, and whether it changes the bits of a run.
Identities of runs, certificates, fingerprints of jobs, the tables of docs/experiment-file.md and its JSON Schema follow
from that.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from thalweg.experiment import search_space
from thalweg.experiment.claims import Claim
from thalweg.experiment.keys import ChangesBits, key, metadata_of
from thalweg.experiment.values import (
    Argument,
    ClassName,
    Count,
    Duration,
    EvaluationSeeds,
    LearningRate,
    LearningRates,
    Length,
    Name,
    RequestedQuantity,
    RunTarget,
    Space,
    Switch,
    TuningSeeds,
    as_list,
    check_float32,
    check_unique,
    parse_length,
)
from thalweg.horizon import Horizon
from thalweg.quantities import names_on_request


def _or_written_as(kind: str) -> Callable[[dict[str, Any]], None]:
    """Make what lets a section's JSON schema take a value of another JSON type in place of its keys."""

    def extend(schema: dict[str, Any]) -> None:
        keys = dict(schema)
        schema.clear()
        schema["anyOf"] = [keys, {"type": kind}]

    return extend


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProblemGrid(_Section):
    """How a problem of `problems/` is run: its part of the grid, its horizon, and what trains it."""

    batch_sizes: Annotated[tuple[Count, ...], Field(min_length=1), AfterValidator(check_unique)] = key(
        "the batch sizes of the grid", changes_bits="derived"
    )
    epochs: Count = key("the horizon", changes_bits="yes")
    drop_remainder: Switch = key("leave out the partial batch at the end of each epoch", False, changes_bits="yes")
    data_order: Literal["reshuffled", "fixed"] = key(
        "`reshuffled` every epoch, or `fixed`: every epoch in the seed's first order", "reshuffled", changes_bits="yes"
    )
    shared_examples: Switch = key(
        "the splits may have examples in common (see [docs/problem-file.md](problem-file.md))", False, changes_bits="no"
    )
    evaluation_points: Annotated[int, Field(strict=True, ge=2, le=10_000)] = key(
        "how many points, spread in the logarithm of the step, a history has at most", 40, changes_bits="derived"
    )
    record: Annotated[tuple[RequestedQuantity, ...], AfterValidator(check_unique)] = key(
        f"what is recorded beside the losses and metrics: {', '.join(f'`{name}`' for name in names_on_request())}",
        (),
        changes_bits="only what is recorded",
    )
    target: RunTarget = key(
        "what a run is to reach: a metric on a split, `<=` or `>=` a number",
        None,
        changes_bits="only with end_at_target",
    )
    end_at_target: Switch = key(
        "end a run at the first evaluation point at which it is there", False, changes_bits="derived"
    )
    time_limit: Duration = key("of a run: `90 seconds`, `10 minutes` or `2 hours`", None, changes_bits="no")
    device: Literal["auto", "cpu", "gpu"] = key(
        "`cpu`, `gpu`, or `auto`: a GPU where there is one", "cpu", changes_bits="derived"
    )
    jobs_per_gpu: Count = key("how many jobs may share a GPU", 1, changes_bits="no")
    lanes: Count = key("how many runs are trained side by side, stacked in one program", 1, changes_bits="yes")
    threads: Count = key("of a job", 1, changes_bits="yes")
    precision: Literal["float32", "mixed_bfloat16"] = key(
        "`float32` or `mixed_bfloat16`", "float32", changes_bits="yes"
    )
    xla: Switch = key(
        "compile by XLA: quicker for small dense networks, slower for convolutions on a CPU", True, changes_bits="yes"
    )
    timing: Switch = key(
        "time the steps of all optimizers in turn, for what the report says of seconds",
        False,
        changes_bits="no",
        own_fingerprint=True,
    )

    @model_validator(mode="after")
    def _check_end(self) -> "ProblemGrid":
        if self.end_at_target and self.target is None:
            raise ValueError("end_at_target: there is no target; write one, as in target: validation_loss <= 0.01")
        return self

    def horizon(self, examples: int, batch_size: int) -> Horizon:
        """Return how long runs with that batch size are, of a training split of so many `examples`."""
        return Horizon(examples, batch_size, self.epochs, self.drop_remainder)


class _ConfiguredClass(BaseModel):
    """A class by name. Every other key beside it is an argument of that class."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Argument]

    @property
    def arguments(self) -> dict[str, Argument]:
        return dict(self.__pydantic_extra__)


class RandomSearch(BaseModel):
    """What an optimizer's hyperparameters are drawn from, together: a trial is one draw of them all."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Space]
    other_keys: ClassVar[str] = "an argument of the class, and where it is drawn from"

    trials: Annotated[int, Field(strict=True, gt=0, le=10_000)] = key("how many draws", changes_bits="derived")
    learning_rate: Space = key("where the peak learning rate is drawn from; always searched", changes_bits="derived")

    @model_validator(mode="before")
    @classmethod
    def _check_mapping(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"write trials, learning_rate and what else is drawn, each with its range, not {value!r}")
        return value

    @model_validator(mode="after")
    def _check_rates(self) -> "RandomSearch":
        if self.learning_rate.lowest <= 0:
            raise ValueError(f"learning_rate: should be greater than 0, not {self.learning_rate}")
        for rate in (self.learning_rate.lowest, self.learning_rate.highest):
            check_float32(rate)
        return self

    @property
    def beside_the_rate(self) -> dict[str, search_space.Space]:
        """The spaces of the hyperparameters other than the learning rate, by name."""
        return {name: self.__pydantic_extra__[name] for name in sorted(self.__pydantic_extra__)}


class Optimizer(_ConfiguredClass):
    """A class of keras.optimizers, or `module:Class` beside the experiment file, with its fixed hyperparameters.

    Its learning rates are those of a grid, or are drawn in a search, with other hyperparameters or without.
    """

    other_keys: ClassVar[str] = "an argument of the class, fixed"

    class_name: ClassName = key(
        "a class of `keras.optimizers`, or `module:Class`, a module beside the experiment file or an installed one",
        changes_bits="yes",
        alias="class",
    )
    learning_rates: LearningRates = key(
        "the peak learning rates of the grid: a list, or a range `low .. high`, whose rates are 1 and 3 times a power "
        "of ten from end to end",
        (),
        changes_bits="derived",
    )
    search: RandomSearch | None = key(
        "in place of `learning_rates`: what is drawn, and how often", None, changes_bits="derived"
    )

    @model_validator(mode="after")
    def _check_no_fixed_rate(self) -> "Optimizer":
        if "learning_rate" in self.arguments:
            raise ValueError("learning_rate: is an axis of the grid; write learning_rates, as in 1e-3 .. 1")
        return self

    @model_validator(mode="after")
    def _check_rates_or_search(self) -> "Optimizer":
        if not self.learning_rates and not self.search:
            raise ValueError("learning_rates is missing; write them, as in 1e-3 .. 1, or a search")
        if self.learning_rates and self.search:
            raise ValueError("search: stands beside learning_rates; keep one of them")
        return self

    @model_validator(mode="after")
    def _check_searched_or_fixed(self) -> "Optimizer":
        for name in self.searched:
            if name in self.arguments:
                raise ValueError(f"search.{name}: is also given as fixed ({self.arguments[name]!r}); keep one of them")
        return self

    @property
    def searched(self) -> tuple[str, ...]:
        """The names of the hyperparameters, other than the learning rate, that are searched."""
        return tuple(self.search.beside_the_rate) if self.search else ()

    def fixed_at(self, hyperparameters: Mapping[str, float]) -> "Optimizer":
        """Return the optimizer with the searched hyperparameters among its arguments, as if they were fixed."""
        arguments = {**self.arguments, **hyperparameters}
        return Optimizer.model_validate({"class": self.class_name, "learning_rates": [1.0], **arguments})


class Schedule(_ConfiguredClass):
    """A class of keras.optimizers.schedules or of ours, or `module:Class`; without a class the rate stays at its peak.

    `warmup` is how long the rate first rises from 0. The schedule begins at its end.
    """

    model_config = ConfigDict(extra="allow", frozen=True, json_schema_extra=_or_written_as("null"))
    other_keys: ClassVar[str] = "an argument of the class"

    class_name: ClassName | None = key(
        "a schedule of the tables below, or `module:Class`; without it the rate stays at its peak",
        None,
        changes_bits="yes",
        alias="class",
    )
    warmup: Length = key(
        "how long the rate first rises, in a straight line from 0 to the schedule's first rate. The schedule begins "
        "when the warmup ends, with its own step 0",
        None,
        changes_bits="yes",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_nothing_as_constant(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _check_constant_has_no_arguments(self) -> "Schedule":
        if self.class_name is None and self.arguments:
            raise ValueError(f"class: is missing, so {', '.join(self.arguments)} has nothing to belong to")
        return self

    @model_validator(mode="after")
    def _check_texts_are_lengths(self) -> "Schedule":
        for name, value in self.arguments.items():
            for text in filter(lambda item: isinstance(item, str), as_list(value)):
                if not self._is_of_user and not name.endswith(("steps", "boundaries")):
                    raise ValueError(f"{name}: must be a number, not {text!r}; only steps and boundaries are lengths")
                if self.is_length(text):
                    parse_length(text, name)
        return self

    @property
    def _is_of_user(self) -> bool:
        return ":" in (self.class_name or "")

    def is_length(self, value: Any) -> bool:
        """Tell whether the value of an argument, or an item of its list, is a length.

        A class of the user's own may take other texts too. They begin with no digit.
        """
        return isinstance(value, str) and (not self._is_of_user or value.lstrip()[:1].isdigit())


class Seeds(_Section):
    """Seeds as a count or a list. Tuning seeds choose the learning rate; evaluation seeds are reported."""

    tuning: TuningSeeds = key("how many runs choose each cell's learning rate, or their seeds", changes_bits="derived")
    evaluation: EvaluationSeeds = key("how many runs are reported of each cell, or their seeds", changes_bits="derived")

    @model_validator(mode="after")
    def _check_disjoint(self) -> "Seeds":
        both = sorted(set(self.tuning) & set(self.evaluation))
        if both:
            raise ValueError(f"{', '.join(map(str, both))} is both a tuning and an evaluation seed; keep them apart")
        return self


class Reproduction(_Section):
    """A source's own setting, trained exactly as it stands there, over the evaluation seeds, without tuning."""

    says: str = key("what the source says of it", "", changes_bits="no")
    problem: str = key("an entry of `problems`", changes_bits="derived")
    optimizer: str = key("an entry of `optimizers`", changes_bits="derived")
    schedule: str = key("an entry of `schedules`", changes_bits="derived")
    learning_rate: LearningRate = key("the peak learning rate, of the grid or not", changes_bits="derived")
    batch_size: Count = key("the batch size, of the grid or not", changes_bits="derived")


class PaperFigure(_Section):
    """A figure of a paper, `convergence` wherever there is one or `sine/convergence`, in a style of its own or none."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_or_written_as("string"))

    figure: str = key("the name of a figure, as in `sine/convergence_test`", changes_bits="no")
    style: str | None = key(
        "the style of this figure", None, changes_bits="no", default_in_words="the style of the paper"
    )

    @model_validator(mode="before")
    @classmethod
    def _read_name_alone(cls, value: Any) -> Any:
        return {"figure": value} if isinstance(value, str) else value


class Paper(_Section):
    """What a paper shows, in which style; None for what is shown where the file does not say."""

    style: str = key("a style of `reports/paper/styles.yaml`", "neurips", changes_bits="no")
    figures: tuple[PaperFigure, ...] | None = key(
        "what is drawn, in this order",
        None,
        changes_bits="no",
        default_in_words="the figures over all problems; of each problem the test loss along runs, the optimizers and "
        "the heat map",
    )
    tables: Annotated[tuple[str, ...], AfterValidator(check_unique)] | None = key(
        "what is set in LaTeX, in this order", None, changes_bits="no", default_in_words="all there are"
    )
    pgf: Switch = key("write figures as PGF too, where there is xelatex", False, changes_bits="no")


class Experiment(_Section):
    """One experiment file. `name` and `directory` come from its path; the problems lie in `directory`/problems."""

    name: Name
    directory: Path
    title: Annotated[str, Field(min_length=1)] = key("the heading of the report", changes_bits="no")
    description: str = key("what stands below it", "", changes_bits="no")
    problems: Annotated[dict[Name, ProblemGrid], Field(min_length=1)] = key(
        "what is trained on, each with its batch sizes and its horizon", changes_bits="derived"
    )
    optimizers: Annotated[dict[Name, Optimizer], Field(min_length=1)] = key(
        "what is compared, each with its learning rates or its search", changes_bits="derived"
    )
    schedules: Annotated[dict[Name, Schedule], Field(min_length=1)] = key(
        "how the learning rate moves over the horizon", changes_bits="derived"
    )
    seeds: Seeds = key("how many runs choose, and how many are reported", changes_bits="derived")
    reproductions: dict[Name, Reproduction] = key(
        "a source's own settings, trained as they stand", {}, changes_bits="derived"
    )
    claims: dict[Name, Claim] = key(
        "sentences about the results, each with what it compares or measures, to be tested", {}, changes_bits="no"
    )
    paper: Paper = key("which figures and tables a paper shows, and in which style", Paper(), changes_bits="no")

    @property
    def file(self) -> Path:
        return self.directory / f"{self.name}.yaml"

    def problem_file(self, problem: str) -> Path:
        return self.directory / "problems" / f"{problem}.py"


FIELDS_FROM_PATH = frozenset({"name", "directory"})
"""The fields of an experiment that no key sets: they come from the path of its file."""


def _fields_where(section: type[BaseModel], *kinds: ChangesBits) -> set[str]:
    return {name for name in section.model_fields if metadata_of(section, name)["changes_bits"] in kinds}


def values_in_identity(grid: ProblemGrid) -> dict[str, Any]:
    """Return the values of a problem's entry that belong to the identity of its runs, as JSON.

    What a run derives from other keys is not among them: its batch size, evaluation steps and device class.
    """
    kinds: list[ChangesBits] = ["yes", "only with end_at_target"] if grid.end_at_target else ["yes"]
    return grid.model_dump(mode="json", include=_fields_where(ProblemGrid, *kinds))


def values_shaping_results(section: _Section) -> dict[str, Any]:
    """Return the values of a section that decide which runs there are and what their histories hold, as JSON."""
    excluded = _fields_where(type(section), "no")
    if not getattr(section, "end_at_target", False):
        excluded |= _fields_where(type(section), "only with end_at_target")
    return section.model_dump(mode="json", exclude=excluded)


def own_fingerprints() -> set[str]:
    """Return the keys of a problem's entry that a job of their own reads, and no other job of the problem."""
    return {name for name in ProblemGrid.model_fields if metadata_of(ProblemGrid, name)["own_fingerprint"]}
