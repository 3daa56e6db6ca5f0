"""Principal components, sample clusters, and pictures of both."""

from jobs.phase import Figures, Progress
from jobs.workers import workers
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout


def explore(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Write components, sample clusters, what speaks for each K, and the figures.

    Nothing here sees a task's samples, except where there are no others to see: then the pictures are
    of these, and a `clustering.k` beyond them becomes the largest that fits. No scout follows, because
    pretraining refuses such a run. Memory does not grow with the samples; components, scores and centres
    are kept as they come, and an interrupted run goes on from them. Raises CheckpointError where
    `clustering.onto` is of other genes or another scale, RecipeError for a K that it does not have.
    """
    from jobs.exploration import Exploration

    with workers(config.ray) as each:
        return Exploration.of(config, layout, progress, each).run()
