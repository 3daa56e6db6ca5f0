"""Names of arms as they are asked for -> arms by what they start from."""

from collections.abc import Sequence
from dataclasses import dataclass

from rnalearner.benchmark import encoder_arms
from rnalearner.benchmark.linear_arms import GUIDED_ARMS, LINEAR_ARMS
from rnalearner.errors import RecipeError


@dataclass(frozen=True)
class ChosenArms:
    """Each in the order of its own module."""

    linear: tuple[str, ...]
    """They learn from the draw, and perhaps from the other studies' expression; no run is needed."""
    guided: tuple[str, ...]
    """Linear, behind the gene guide of a run."""
    encoder: tuple[str, ...]

    @property
    def of_a_run(self) -> tuple[str, ...]:
        return (*self.guided, *self.encoder)

    @property
    def kinds(self) -> dict[str, tuple[str, ...]]:
        return {"guided": self.guided, "encoder": self.encoder, "linear": self.linear}

    @property
    def phases(self) -> tuple[str, ...]:
        """What a run must have completed."""
        needed = [phase for arm in self.encoder for phase in encoder_arms.needs(arm)]
        return tuple(dict.fromkeys([*(["genes"] if self.guided else []), *needed]))


def chosen_arms(names: Sequence[str]) -> ChosenArms:
    """`linear` and `encoder` stand for all of a kind; raises RecipeError for an unknown name."""
    wanted: set[str] = set()
    for name in names:
        group = {"linear": LINEAR_ARMS, "encoder": encoder_arms.ENCODER_ARMS}.get(name, (name,))
        if not set(group) <= {*LINEAR_ARMS, *encoder_arms.ENCODER_ARMS}:
            choice = ", ".join(("linear", "encoder", *LINEAR_ARMS, *encoder_arms.ENCODER_ARMS))
            raise RecipeError("--arms", f"there is no arm {name!r}", f"choose among {choice}")
        wanted |= set(group)
    return ChosenArms(
        linear=tuple(arm for arm in LINEAR_ARMS if arm in wanted - GUIDED_ARMS),
        guided=tuple(arm for arm in LINEAR_ARMS if arm in wanted & GUIDED_ARMS),
        encoder=tuple(arm for arm in encoder_arms.ENCODER_ARMS if arm in wanted),
    )
