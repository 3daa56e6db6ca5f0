"""What a source of studies is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import anndata


class Source(Protocol):
    """Studies by name. `corpus`: they may train the model. `task`: they are only asked about."""

    @property
    def role(self) -> str: ...

    def studies(self) -> list[str]: ...

    def n_samples(self, study: str) -> int:
        """About how many samples it has, for planning; 0 where only reading would tell."""
        ...

    def files(self, study: str) -> list[Path]:
        """What is read for it: where one of them changes, the study has to be read again."""
        ...

    def read(self, study: str) -> anndata.AnnData:
        """Samples of one study. layers["counts"], and obs: study, modality ("bulk" or "single-cell"),
        subject, tissue (may be ""), total, n_expressed, and whatever else is known of them.

        Raises UnusableStudyError where it can only be left out.
        """
        ...

    def blocks(self, study: str) -> Iterator[anndata.AnnData]:
        """The same, a bounded number of samples at a time, all with the same genes."""
        ...


class WholeStudies:
    """For a source whose studies fit in memory."""

    def read(self, study: str) -> anndata.AnnData:
        raise NotImplementedError

    def n_samples(self, study: str) -> int:
        return 0

    def blocks(self, study: str) -> Iterator[anndata.AnnData]:
        yield self.read(study)
