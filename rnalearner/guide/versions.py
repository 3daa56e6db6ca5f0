"""Versions of a guide: each a fold over its members, naming its parent and how far it agrees with it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from rnalearner.config import ScoutingConfig
from rnalearner.errors import CheckpointError
from rnalearner.guide.ledger import Ledger, Row
from rnalearner.guide.movement import Movement
from rnalearner.guide.scaling import Guide, scaled
from rnalearner.layout import RunLayout
from rnalearner.publish import write_json

IN_A_ROW = 3
"""Versions that must agree with their parents before a guide has converged."""
RANKED = 200_000
"""Parameters that are ranked, evenly chosen: more change the third decimal of no agreement."""


@dataclass(frozen=True)
class Version:
    """One version of a guide."""

    number: int
    sha256: str
    """Of its values."""
    parent: str
    """sha256 of the version before; "" for the first."""
    members: tuple[int, ...]
    """Scouts of this run, in their order."""
    agreement: float | None
    """Rank correlation with the version before, over parameters; None for the first."""


class GuideVersions:
    """Publishes the versions of one run; holds one sum at a time, however many scouts there are."""

    def __init__(
        self, layout: RunLayout, ledger: Ledger, config: ScoutingConfig, meta: Mapping[str, Any]
    ) -> None:
        """Raises CheckpointError where `config.onto` names a movement that these scouts cannot join."""
        self.layout, self.ledger, self.config, self.meta = layout, ledger, config, dict(meta)
        self._start = Movement(ledger.base.sha256, config.weighing)
        if config.onto is not None:
            self._start = Movement.load(config.onto)
            if self._start.base_checkpoint != ledger.base.sha256:
                what = f"is of base checkpoint {self._start.base_checkpoint[:12]}"
                raise CheckpointError(config.onto, what, "name the movement of a run from the same one")
            if self._start.weighing != config.weighing:
                what = f"weighs its scouts by {self._start.weighing}, not {config.weighing}"
                raise CheckpointError(config.onto, what, "set scouting.weighing to its choice")
        self._movement = self._start.copy()

    def publish(self, number: int, scout_ids: Sequence[int]) -> Version:
        """Version `number`, of these scouts' last committed deltas; asked again, it is the same.

        Raises CheckpointError where a scout has committed none, or its bytes are damaged.
        """
        members = tuple(sorted(scout_ids))
        done = read_version(self.layout, number)
        if done is not None and done.members == members:
            return done
        before = read_version(self.layout, number - 1)
        earlier = None if before is None else self._values(before.members)
        values = self._values(members)
        agreed = None if earlier is None else agreement(earlier, values)
        parent = "" if before is None else before.sha256
        told = {"guide_version": number, "parent": parent, "scouts": list(members), "agreement": agreed}
        told |= {"n_scouts": len(self._movement.members)}  # with those that were there before
        self._movement.save(self.layout.movement, self.meta)
        digest = Guide(values, self.meta | told).save(self.layout.guide)
        version = Version(number, digest, parent, members, agreed)
        write_json(self.layout.guide_version(number), asdict(version))
        return version

    def _values(self, members: tuple[int, ...]) -> dict[str, Tensor]:
        self._fold(members)
        return scaled(self._movement.measured(self.config.measure), self.config.scaling)

    def _fold(self, members: tuple[int, ...]) -> None:
        """Join those that are new; from the start where others, or other deltas, would stand before them."""
        rows = [self._last(scout_id) for scout_id in members]
        joined = [member.sha256 for member in self._movement.members[len(self._start.members) :]]
        if joined != [row.sha256 for row in rows[: len(joined)]]:
            self._movement, joined = self._start.copy(), []
        for row in rows[len(joined) :]:
            self._movement.add(self.ledger.delta(row), row.sha256)

    def _last(self, scout_id: int) -> Row:
        if (row := self.ledger.last(scout_id)) is None:
            what, remedy = "has committed no delta", "see why it failed, and scout again"
            raise CheckpointError(f"scout {scout_id}", what, remedy)
        return row


def read_version(layout: RunLayout, number: int) -> Version | None:
    """A version's manifest; None where there is none."""
    path = layout.guide_version(number)
    try:
        told = json.loads(path.read_text())
        return Version(**told | {"members": tuple(told["members"])})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        what = f"is no version of a guide ({type(error).__name__}: {error})"
        raise CheckpointError(path, what, "scout again") from None


def read_versions(layout: RunLayout) -> list[Version]:
    """All that were published, in their order."""
    found, number = [], 1
    while (version := read_version(layout, number)) is not None:
        found.append(version)
        number += 1
    return found


def agreement(values: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> float:
    """Spearman's rank correlation over the parameters of two guides; 0 where one of them ranks nothing."""
    flat, other = (torch.cat([v[name].flatten() for name in sorted(v)]) for v in (values, others))
    step = -(-len(flat) // RANKED)
    if flat[::step].unique().numel() < 2 or other[::step].unique().numel() < 2:
        return 0.0
    return round(float(spearmanr(flat[::step].numpy(), other[::step].numpy()).statistic), 6)


def converged(agreements: Sequence[float | None], least: float) -> bool:
    """Whether the newest versions, IN_A_ROW of them, agree with their parents to `least`."""
    newest = agreements[-IN_A_ROW:]
    enough = len(newest) == IN_A_ROW and least < 1
    return enough and bool(np.all([value is not None and value >= least for value in newest]))
