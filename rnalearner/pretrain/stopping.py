"""When to stop: after `patience` evaluations without a lower validation loss."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class EarlyStopping:
    """The best evaluation so far and how many have passed since; a value, changed by `after`."""

    patience: int
    best_step: int = 0
    best_loss: float | None = None
    waited: int = 0

    def after(self, step: int, loss: float) -> "EarlyStopping":
        """The state after one more evaluation; a loss that is not a number is no improvement."""
        if loss == loss and (self.best_loss is None or loss < self.best_loss):
            return replace(self, best_step=step, best_loss=loss, waited=0)
        return replace(self, waited=self.waited + 1)

    @property
    def improved(self) -> bool:
        """The newest evaluation is the best."""
        return self.best_loss is not None and self.waited == 0

    @property
    def stop(self) -> bool:
        return self.waited >= self.patience
