"""Everything that a recipe reads, as sources of studies."""

from pathlib import Path
from typing import Literal

from rnalearner.config.data import DataConfig
from rnalearner.counts.gene_table import read_gene_table
from rnalearner.counts.genes import first_repeated
from rnalearner.counts.source import Source
from rnalearner.errors import RecipeError


def open_sources(data: DataConfig, simulated: Path) -> list[Source]:
    """The corpus, then OSDR sets, then the user's tables (which are the corpus if there is no other).

    A simulated compendium is written to `simulated`. Raises RecipeError
    where two sources have a study of the same name, and the sources' own errors.
    """
    sources: list[Source] = []
    if data.source == "simulated":
        from rnalearner.counts.recount3 import Recount3Source
        from rnalearner.counts.simulate import simulate

        simulate(simulated, data.simulation)  # anew: one that is there may be of another recipe
        sources.append(Recount3Source(simulated, data.projects, data.exclude))
    elif data.source == "recount3":
        from rnalearner.counts.recount3 import Recount3Source

        if len(data.corpus) > 1:
            what = f"names {len(data.corpus)} mirrors of recount3"
            raise RecipeError("data.corpus", what, "name one, and put the projects there")
        mirror = data.root / data.corpus[0]
        sources.append(Recount3Source(mirror, data.projects, data.exclude, data.scaling, data.organism))
    elif data.source == "compendium":
        from rnalearner.counts.compendium import CompendiumSource

        folders = [data.root / folder for folder in data.corpus]
        sources.append(CompendiumSource(folders, data.projects, data.exclude))
    elif not data.tables and not data.osdr:
        raise RecipeError("data.source", "is `tables`, and no table is listed", "list some in `data.tables`")
    if data.osdr:
        from rnalearner.counts.osdr import OsdrSource

        sheet = data.root / data.sheet if data.sheet is not None else None
        alone: Literal["corpus", "task"] = "task" if sources or data.tables else "corpus"
        sources.append(OsdrSource(data.osdr, data.root / data.osdr_folder, sheet, alone))
    if data.tables:
        from rnalearner.counts.tables import TablesSource

        genes = read_gene_table(data.root / data.genes) if data.genes is not None else None
        role: Literal["corpus", "task"] = "corpus" if data.source == "tables" else "task"
        sources.append(TablesSource(data.tables, data.root, genes, role))
    repeated = first_repeated(study for source in sources for study in source.studies())
    if repeated is not None:
        raise RecipeError("data", f"two sources have a study {repeated}", "exclude or rename one of them")
    return sources
