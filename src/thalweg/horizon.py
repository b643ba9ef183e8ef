"""The horizon: how long a run is, in steps, epochs and examples."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Horizon:
    """How long a run is.

    `examples` is the size of the training split. Where it is no multiple of the batch size, the last batch of an epoch
    is partial, or is left out with `drop_remainder`.
    """

    examples: int
    batch_size: int
    epochs: int
    drop_remainder: bool = False

    @property
    def remainder(self) -> int:
        """The size of the partial batch that ends an epoch; 0 where there is none."""
        return 0 if self.drop_remainder else self.examples % self.batch_size

    @property
    def steps_per_epoch(self) -> int:
        return self.examples // self.batch_size + (self.remainder > 0)

    @property
    def examples_per_epoch(self) -> int:
        return self.examples // self.batch_size * self.batch_size + self.remainder

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch
