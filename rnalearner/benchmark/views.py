"""What a linear arm sees of a task and of one draw.

Shapes: n training samples, m test samples, a and b all samples of the training and the test side,
g genes. Expression is log2(CPM + 1).
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from rnalearner.benchmark.clock import of_clock
from rnalearner.benchmark.draws import Draw
from rnalearner.benchmark.pca_arm import PcaMaps
from rnalearner.benchmark.tasks import LoadedTask
from rnalearner.errors import RecipeError
from rnalearner.linear.expression import centred

if TYPE_CHECKING:  # it imports torch, which no unguided arm needs
    from rnalearner.guide.gene_guide import GeneGuide
    from rnalearner.linear.guided import GuidedLinear


@dataclass(frozen=True, eq=False)
class TaskView:
    """Both sides of a task, as they are or each centred by its own unlabelled mean; made once a task."""

    loaded: LoadedTask
    guide: "GeneGuide | None" = None
    pca: PcaMaps | None = None
    plain: "TaskView | None" = None
    """The view that is centred here; without one, this is that view."""

    @property
    def centred(self) -> bool:
        return self.plain is not None

    @cached_property
    def x(self) -> tuple[np.ndarray, np.ndarray]:
        """Expression a x g and b x g."""
        if self.plain is not None:
            return self._centred(self.plain.x)
        return self.loaded.train.x_ng, self.loaded.test.x_ng

    @cached_property
    def ranks(self) -> tuple[np.ndarray, np.ndarray]:
        """Ranks within each sample, a x g and b x g."""
        if self.plain is not None:
            return self._centred(self.plain.ranks)
        return self.loaded.train.ranks_ng, self.loaded.test.ranks_ng

    @cached_property
    def clock_g(self) -> np.ndarray:
        return of_clock(self.loaded.genes)

    @cached_property
    def spread_g(self) -> np.ndarray:
        """Spread of each gene over the whole training side."""
        return self.loaded.train.x_ng.std(0)

    def _centred(self, sides: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        train_ag = centred(sides[0], sides[0])
        return train_ag, centred(sides[1], sides[1]) if self.loaded.task.is_pair else train_ag


def both_views(
    loaded: LoadedTask, guide: "GeneGuide | None" = None, pca: PcaMaps | None = None
) -> tuple[TaskView, TaskView]:
    """As it is, and centred."""
    plain = TaskView(loaded, guide, pca)
    return plain, TaskView(loaded, guide, pca, plain)


@dataclass(frozen=True, eq=False)
class SeenDraw:
    """One draw: labelled training samples, test samples without labels, and what stands around them."""

    view: TaskView
    draw: Draw
    y_n: np.ndarray
    """Labels of the training samples, 0 or 1; the truth, unless labels are permuted."""
    seed: int = 0
    fitted: "dict[str, GuidedLinear]" = field(default_factory=dict)
    """Models that centre by themselves: both views of a draw ask the same ones."""

    def centred_by(self, view: TaskView) -> "SeenDraw":
        """The same draw in the other view."""
        return replace(self, view=view)

    def relabelled(self, y_n: np.ndarray) -> "SeenDraw":
        """The same draw with other labels; what was made of it without them is shared."""
        other = replace(self, y_n=y_n, fitted={})
        own = {"y_n", "fitted"}
        other.__dict__.update({name: made for name, made in self.__dict__.items() if name not in own})
        return other

    @cached_property
    def x_train_ng(self) -> np.ndarray:
        """Training samples, centred if the view is."""
        return self.view.x[0][self.draw.train_rows]

    @cached_property
    def x_test_mg(self) -> np.ndarray:
        return self.view.x[1][self.draw.test_rows]

    @cached_property
    def ranks_train_ng(self) -> np.ndarray:
        return self.view.ranks[0][self.draw.train_rows]

    @cached_property
    def ranks_test_mg(self) -> np.ndarray:
        return self.view.ranks[1][self.draw.test_rows]

    @property
    def components_train_nk(self) -> np.ndarray:
        """Training samples on the other studies' principal components."""
        return self._pca.sides(self.centred)[0][self.draw.train_rows]

    @property
    def components_test_mk(self) -> np.ndarray:
        return self._pca.sides(self.centred)[1][self.draw.test_rows]

    @property
    def _pca(self) -> PcaMaps:
        if self.view.pca is None:
            raise RecipeError("arm pca10", "there are no components of other studies", "leave the arm out")
        return self.view.pca

    @property
    def centred(self) -> bool:
        return self.view.centred

    @property
    def genes(self) -> tuple[str, ...]:
        return self.view.loaded.genes

    @property
    def guide(self) -> "GeneGuide | None":
        return self.view.guide

    @property
    def raw_train_ng(self) -> np.ndarray:
        """Training samples, never centred: for an arm that centres by itself."""
        return self.view.loaded.train.x_ng[self.draw.train_rows]

    @property
    def raw_test_mg(self) -> np.ndarray:
        return self.view.loaded.test.x_ng[self.draw.test_rows]

    @property
    def train_cohort_ag(self) -> np.ndarray:
        """All samples of the training side, never centred, without labels."""
        return self.view.loaded.train.x_ng

    @property
    def test_cohort_bg(self) -> np.ndarray:
        """All samples of the test side, never centred, without labels."""
        return self.view.loaded.test.x_ng
