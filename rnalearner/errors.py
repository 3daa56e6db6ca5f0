"""Every error a user can meet.

    RnalearnerError            exit code 1
    ├── InputError             exit code 3: something the user gave is not usable
    │   ├── CountsError        a table of counts
    │   │   └── UnusableStudyError  ... of a study that a corpus can do without
    │   ├── GeneError          gene ids, a gene table, a panel, a gene set that differs
    │   ├── LabelError         a sheet of labels, a task's groups
    │   ├── RecipeError        a recipe or an option
    │   └── CheckpointError    stored weights, guides, shards: damaged or of another gene set
    ├── LeakError              exit code 3: the test side was seen before the test
    ├── FetchError             exit code 1: an archive did not give a file, or the disk did not take it
    ├── ClusterError           exit code 1: Ray did not do what was asked
    │   └── OpenClusterError   its Jobs API runs anybody's code
    ├── AccessError            exit code 4: the gateway does not know the key, or the key may not
    └── GatewayError           exit code 5: the gateway did not do what was asked, or is not there

Each is one sentence in three parts: where, what, what to do. They cross process borders, so they
must survive pickling: the three parts are the exception's only arguments.
"""


class RnalearnerError(Exception):
    """Base of all: `where` names file, row or gene; `what` the fault; `remedy` the next step."""

    exit_code = 1

    def __init__(self, where: object, what: str, remedy: str) -> None:
        super().__init__(str(where), what, remedy)
        self.where, self.what, self.remedy = str(where), what, remedy

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}."


class InputError(RnalearnerError):
    """Something the user gave is not usable."""

    exit_code = 3


class CountsError(InputError):
    """A table of counts cannot be read, or does not hold counts."""


class UnusableStudyError(CountsError):
    """A study that cannot be used as it is; a corpus leaves it out by name and goes on."""


class GeneError(InputError):
    """Gene ids that cannot be resolved, or two gene sets that differ."""


class LabelError(InputError):
    """A sheet of labels, or the groups of a task."""


class RecipeError(InputError):
    """A recipe or an option that does not make sense."""


class CheckpointError(InputError):
    """Stored weights, a guide or a shard: damaged, or of another gene set or scale."""


class LeakError(RnalearnerError):
    """A sample or subject of the test side was seen before the test."""

    exit_code = 3


class FetchError(RnalearnerError):
    """A public archive did not give a file, or the disk did not take it."""


class ClusterError(RnalearnerError):
    """Ray did not do what was asked."""


class OpenClusterError(ClusterError):
    """The cluster's Jobs API answers without a token: it runs anybody's code, and nothing of ours."""


class AccessError(RnalearnerError):
    """The gateway does not know the key, or the key may not do this."""

    exit_code = 4


class GatewayError(RnalearnerError):
    """The gateway did not do what was asked, or does not answer."""

    exit_code = 5
