"""What may be asked of the cluster, and how it stands."""

from typing import Annotated, Any, Literal

from pydantic import Field

from service.schemas.base import LINE, Create, Fault, JobId, Public, Sha256, Time

JobKind = Literal["linear", "finetune", "tune", "predict", "explore", "pretrain", "scout"]
JobStatus = Literal["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]
TERMINAL = frozenset({"STOPPED", "SUCCEEDED", "FAILED"})
NEEDS_TRAIN = frozenset({"pretrain", "scout"})
"""Kinds that take a key with the scope `train`."""
Arm = Literal["none", "vectors", "pretrained", "guided"]
ModelId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$", examples=["osd"])]
Label = Annotated[str, Field(max_length=120, pattern=LINE)]
Column = Annotated[str, Field(min_length=1, max_length=200)]


class FinetuneSettings(Create):
    """Fields of `finetune` in a recipe; what is left out has the recipe's default."""

    epochs: int | None = Field(None, ge=1, le=2000)
    learning_rate: float | None = Field(None, gt=0, le=1)
    seeds: int | None = Field(None, ge=1, le=20)
    head: Literal["gene_pool", "conv"] | None = None
    trained_blocks: int | None = Field(None, ge=0, le=100)
    guide_form: Literal["update", "gradient"] | None = None
    guide_temperature: float | None = Field(None, gt=0, le=100)
    cohort_centring: bool | None = None


class LinearSettings(Create):
    """Fields of `linear` in a recipe; what is left out has the recipe's default."""

    guide: bool | None = None
    """Whether to learn behind the model's gene guide; without a model there is none."""
    guide_power: float | None = Field(None, ge=0, le=10)
    method: Literal["bagged_l1", "l1", "ridge", "moderated_t"] | None = None
    cohort_centring: bool | None = None


class _Labelled(Create):
    """Labelled samples, and what to start from."""

    train: Sha256
    """Dataset with a sheet of labels."""
    column: Column | None = None
    """Column of the groups; without it, the one that the dataset's report names."""
    groups: list[Column] | None = Field(None, min_length=2, max_length=20)
    """Values of the column to tell apart; without them, all that two or more samples have."""
    test: Sha256 | None = None
    """Another labelled dataset, scored once at the end."""
    allow_leak: bool = False
    """Go on where test animals were seen in training; the report says so."""


class LinearParams(_Labelled):
    """Learn the guided linear model from a few labelled samples: the default answer, in a second."""

    model: ModelId | None = None
    """Published model whose gene guide is used; without it the model is learned unguided."""
    settings: LinearSettings = LinearSettings()


class _Learning(_Labelled):
    """What an encoder learns from."""

    validation: Sha256 | None = None
    """Another labelled dataset, watched during training."""
    model: ModelId | None = None
    """Published model to start from; without it the encoder is random."""
    arms: list[Arm] | None = Field(None, min_length=1, max_length=4)
    """Without them: the most that the model has learned (guided, pretrained or none)."""
    settings: FinetuneSettings = FinetuneSettings()


class FinetuneParams(_Learning):
    """Fine-tune encoders on a few labelled samples, with the guided linear model and its rivals beside."""

    tuned_by: JobId | None = None
    """A tuning job whose best settings are taken; `settings` win over them."""


class TuneParams(_Learning):
    """Search the settings of fine-tuning; the test dataset is not opened."""

    num_samples: int = Field(16, ge=1, le=1000)
    objective: Literal["folds", "validation"] = "folds"
    folds: int = Field(3, ge=2, le=20)
    max_epochs: int = Field(100, ge=1, le=2000)
    """No trial trains longer; the job's time grows with it."""


class PredictParams(Create):
    """Ask the classifiers of a finished linear or fine-tuning job about new samples."""

    classifier: JobId
    """A linear or a finetune job."""
    dataset: Sha256
    method: Literal["auto", "linear", "encoder"] = "auto"
    """Who makes the call. auto: the one that the yardstick found to be better for so few samples, of
    those that the job has; as it stands, the linear one. The others stand beside it."""
    arm: Arm | None = None
    """Arm of the encoder that makes its call; naming one asks for the encoder."""
    formats: list[Literal["h5ad", "parquet", "csv"]] = Field(["h5ad", "parquet", "csv"], min_length=1)
    min_confidence: float = Field(0.6, ge=0, le=1)
    min_coverage: float = Field(0.5, ge=0, le=1)


class ExploreParams(Create):
    """PCA, sample clusters and pictures of datasets, side by side."""

    datasets: list[Sha256] = Field(min_length=1, max_length=50)
    k: int | None = Field(None, ge=2, le=100)
    """Sample clusters; without it, a number that fits the samples."""


class PretrainParams(Create):
    """Phase I on a corpus that the operator offers; the result is a model of its own."""

    recipe: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$", examples=["demo"])]
    """Name of a recipe that the operator offers."""
    max_steps: int | None = Field(None, ge=1, le=10_000_000)
    licence: str = Field("unknown", max_length=200)


class ScoutParams(Create):
    """Phase II from the base checkpoint of a pretraining job; the result is a model with a guide."""

    pretraining: JobId
    n_scouts: int | None = Field(None, ge=1, le=10_000)
    licence: str = Field("unknown", max_length=200)


class _Job(Create):
    label: Label = ""
    """A word of your own, to find it again."""


class LinearJob(_Job):
    kind: Literal["linear"]
    params: LinearParams


class FinetuneJob(_Job):
    kind: Literal["finetune"]
    params: FinetuneParams


class TuneJob(_Job):
    kind: Literal["tune"]
    params: TuneParams


class PredictJob(_Job):
    kind: Literal["predict"]
    params: PredictParams


class ExploreJob(_Job):
    kind: Literal["explore"]
    params: ExploreParams


class PretrainJob(_Job):
    kind: Literal["pretrain"]
    params: PretrainParams


class ScoutJob(_Job):
    kind: Literal["scout"]
    params: ScoutParams


JobCreate = Annotated[
    LinearJob | FinetuneJob | TuneJob | PredictJob | ExploreJob | PretrainJob | ScoutJob,
    Field(discriminator="kind"),
]


class Progress(Public):
    """How far a running job is."""

    label: str
    """What it is doing."""
    done: int
    total: int
    note: str = ""
    share: float | None = None
    """Of the whole job, 0 to 1, where that can be said."""
    remaining_s: float | None = None
    """An estimate."""


class JobLinks(Public):
    self: str
    events: str
    logs: str
    results: str
    metrics: str


class JobPublic(Public):
    """One job; its status is one of Ray's five words."""

    id: JobId
    kind: JobKind
    label: str
    params: dict[str, Any]
    status: JobStatus
    cause: Literal["user", "system"] | None
    """Of a failure: whose it is to mend."""
    error: Fault | None
    attempt: int
    cancel: bool
    """It was asked to stop."""
    queue_position: int | None
    """Jobs before it in the queue, while it waits here."""
    progress: Progress | None
    created: Time
    started: Time | None
    ended: Time | None
    links: JobLinks


class JobPage(Public):
    items: list[JobPublic]
    next: str | None


class ResultFile(Public):
    path: str
    bytes: int
    sha256: Sha256
    link: str


class JobResults(Public):
    """What a finished job made."""

    figures: dict[str, Any]
    """Key figures of every phase."""
    files: list[ResultFile]


class Event(Public):
    """One line of a job's history, as SSE carries it in `data`."""

    seq: int
    at: Time
    kind: str
    data: dict[str, Any]


class EventPage(Public):
    """Events in their order, for those who would rather ask now and then."""

    items: list[Event]
    after: int
    """What to ask for next: events after this number."""
    ended: bool
    """The job is over, and these are its last events."""


class MetricPoint(Public):
    """One moment of a curve."""

    at: Time
    label: str
    done: int
    figures: dict[str, float]


class JobMetrics(Public):
    """Losses and accuracies as they came, over all attempts."""

    points: list[MetricPoint]
