"""Where the counts come from, and the tasks asked of them."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from rnalearner.config.section import Section


class SimulationConfig(Section):
    """A compendium with a known answer, written in recount3's own file layout."""

    n_genes: int = Field(300, ge=50)
    """Genes in the simulated annotation."""
    n_modules: int = Field(5, ge=2)
    """Co-regulated groups of genes; half of the genes belong to one."""
    n_tissues: int = Field(4, ge=2)
    """Tissues, each with its own mean profile."""
    n_studies: int = Field(40, ge=6)
    """Corpus studies: one tissue each, with a batch effect of its own."""
    samples_per_study: int = Field(20, ge=4)
    """Samples in each corpus study."""
    single_cell_share: float = Field(0.1, ge=0, lt=1)
    """Share of the corpus studies whose samples are single cells."""
    task_samples: int = Field(12, ge=4)
    """Samples in a task's training and validation studies, half a class."""
    test_samples: int = Field(48, ge=4)
    """Samples in a task's test study: twelve could not tell the arms apart."""
    effect: float = Field(2.5, gt=0)
    """How far the treated samples of a true task shift a module's activity, in its within-study sd."""
    depth: float = Field(2e6, gt=0)
    """Mean library size of a bulk sample, in reads."""
    seed: int = 0


class TableConfig(Section):
    """One count table of the user's own."""

    study: str
    """Name of the study the table becomes."""
    path: Path
    """CSV, TSV (gzipped or not), Parquet, h5ad, a folder of one-sample files, or of a folder a sample
    (`SAMPLE/quant.sf`); relative to `data.root`."""
    sheet: Path | None = None
    """CSV of labels whose first column, or column `sample`, names the samples."""


def transcripts_beside(genes: Path) -> Path:
    """`genes.csv` -> `genes.transcripts.csv`: the gene of each transcript."""
    return genes.with_name(f"{genes.name.removesuffix('.csv')}.transcripts.csv")


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str | Path) else value


class DataConfig(Section):
    """What `ingest` reads."""

    source: Literal["simulated", "recount3", "compendium", "tables"] = "simulated"
    """Where the corpus comes from: `tables` means only the tables listed under `tables`."""
    root: Path = Path(".")
    """Folder that the other paths start from."""
    corpus: Annotated[tuple[Path, ...], BeforeValidator(_one_or_more), Field(min_length=1)] = (
        Path("compendium"),
    )
    """The compendium's folder, or folders that are read as one; or the local mirror of recount3."""
    projects: tuple[str, ...] = ()
    """Studies of the corpus to read; empty reads all."""
    exclude: tuple[str, ...] = ()
    """Studies of the corpus to leave out."""
    scaling: Literal["mapped_length", "auc"] = "mapped_length"
    """recount3's coverage to counts: by each run's average mapped length, or to a library of 4e7 bases."""
    organism: Literal["mouse", "human"] = "mouse"
    """Of recount3: its files and their gene annotation (GENCODE M23 or v26)."""
    address: str | None = None
    """Where recount3 is downloaded from, into `corpus`: a URL, or `recount3`, `aws` or `idies`. Without it
    only what lies there is read."""
    osdr: tuple[str, ...] = ()
    """NASA OSDR accessions (OSD-105) whose count files lie in `osdr_folder`."""
    osdr_address: str | None = None
    """Where OSDR's files and metadata are downloaded from, into `osdr_folder`. Without it nothing is."""
    osdr_factor: str | None = None
    """The factor whose values label OSDR's samples; without it the one that varies, or all that do."""
    downloads_at_once: int = Field(8, ge=1, le=64)
    """Files that are downloaded side by side."""
    requests_per_s: float | None = Field(20.0, gt=0)
    """Requests a second to a public archive, by all downloads together."""
    bytes_per_s: float | None = Field(None, gt=0)
    """Bytes a second from it; without it, as many as there are."""
    osdr_folder: Path = Path("osd")
    """Folder of the OSDR count files."""
    tables: tuple[TableConfig, ...] = ()
    """The user's own tables."""
    sheet: Path | None = None
    """Sheet of labels for the OSDR sets."""
    genes: Path | None = None
    """Table that turns gene symbols into Ensembl ids: columns `ensembl`, `symbol`; or a GTF. Transcripts
    are those of the GTF, or of `NAME.transcripts.csv` beside `NAME.csv` (`rnalearner annotation`)."""
    panel: Path | None = None
    """Genes to keep: a column `ensembl`, or one id a line. Without it the corpus decides."""
    panel_prevalence: float = Field(0.9, ge=0, le=1)
    """Without a panel: share of the corpus samples in which a gene must be measured."""
    panel_min_cpm: float = Field(1.0, ge=0)
    """Without a panel: mean CPM over the corpus that a gene must exceed."""
    panel_vectors: Path | None = None
    """Without a panel: only genes that have a vector here, read as `gene2vec.path` would be, with its
    `names` and `orthologs`."""
    wide: bool = True
    """Keep beside the panel every gene that two studies of the corpus measure and one of the run
    expresses: what gene-level scouts read. It takes one more pass over the files."""
    allow_leak: bool = False
    """Go on, and say so in the report, where test animals were seen in training."""
    simulation: SimulationConfig = SimulationConfig()

    def own_files(self) -> list[Path]:
        """The user's own files and folders, which may be mended between two runs; not the corpus."""
        tables = [path for table in self.tables for path in (table.path, table.sheet)]
        given = (self.sheet, self.genes, self.panel, self.panel_vectors, *tables)
        files = [self.root / path for path in given if path is not None]
        if self.genes is not None:
            files.append(self.root / transcripts_beside(self.genes))
        inside = [path for table in self.tables for path in (self.root / table.path).glob("*")]
        return [*files, *(path for path in inside if path.is_dir())]  # a folder a sample


class TaskConfig(Section):
    """One few-shot question: learn it in `train`, watch `validation`, be judged on `test`."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    train: str
    """Study of the training samples."""
    validation: str | None = None
    """Study watched during training; without it nothing is watched."""
    test: str | None = None
    """Study that is only scored; without it nothing is, and the report says so."""
    column: str = "label"
    """Column of the sheet that holds the groups."""
    positive: tuple[str, ...] = ("FLT",)
    """Values of the positive group."""
    negative: tuple[str, ...] = ("GC",)
    """Values of the negative group."""
    groups: tuple[str, ...] = ()
    """Values of two or more groups, each a class of its own: instead of `positive` and `negative`."""
    truth: Literal["signal", "shuffled", "unknown"] = "unknown"
    """What is known of the answer: `shuffled` labels carry no signal."""

    @model_validator(mode="after")
    def _two_groups(self) -> "TaskConfig":
        both = sorted(set(self.positive) & set(self.negative))
        if both:
            raise ValueError(f"{both[0]!r} is in both groups of task {self.name}")
        if len(self.groups) == 1 or len(set(self.groups)) < len(self.groups):
            raise ValueError(f"the groups of task {self.name} must be two or more, each named once")
        return self

    @property
    def classes(self) -> tuple[tuple[str, ...], ...]:
        """The column's values of every class, in the order of the class numbers: negative is 0."""
        return tuple((value,) for value in self.groups) or (self.negative, self.positive)

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for every class; several values of one are joined."""
        return tuple("|".join(values) for values in self.classes)

    @property
    def studies(self) -> tuple[str, ...]:
        """Of training, validation and test, where given: what the corpus must not hold."""
        return tuple(study for study in (self.train, self.validation, self.test) if study is not None)
