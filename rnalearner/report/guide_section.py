"""What the page says of a guide: where it comes from, how it converged, what moved and on which genes."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from rnalearner.config import RunConfig
from rnalearner.counts.gene_table import read_gene_table
from rnalearner.guide.artefact import provenance
from rnalearner.guide.scaling import Guide
from rnalearner.report import guide_figures as draw
from rnalearner.report.inputs import RunTables
from rnalearner.report.pictures import picture

TOP_GENES = 10


def guide_section(
    guide: Guide | None, tables: RunTables, least: float, symbols: Mapping[str, str]
) -> dict[str, Any]:
    """The section's parts; one that the run has no table for is None, as all but `figure` are of older runs.

    `least` is the agreement at which scouting may stop, `symbols` those of genes that are known.
    """
    members, versions, tensors = tables.guide_members, tables.guide_versions, tables.guide_tensors
    alone = None if members is None else by_chance(members)
    told = versions is not None and versions["agreement"].notna().any()
    n_tensors = 0 if tensors is None else len(tensors)
    most = draw.MOST_TENSORS
    of_them = f" (the {most} of {n_tensors} that hold most of the movement)" if n_tensors > most else ""
    return {
        "figure": picture(
            draw.guide_figure,
            guide.values,
            name="guide",
            title="The guide by tensor",
            caption="The guide, tensor by tensor: every update of a parameter is multiplied by its guide.",
        )
        if guide and guide.values
        else None,
        "told": provenance(guide.meta, members["run"].tolist()) if guide and members is not None else None,
        "versions": picture(
            draw.versions_figure,
            versions,
            least,
            name="versions",
            title="How the guide converged",
            caption="Every scout that joins makes a new version of the guide. How far it ranks the "
            "parameters as the version before did (Spearman; 1 is the same order): where the curve lies "
            "high, a further scout would change little.",
        )
        if told
        else None,
        "movement": None
        if tensors is None or tensors.empty
        else picture(
            draw.movement_figure,
            tensors,
            alone,
            name="movement",
            title="What the scouts moved",
            caption=f"What moved, how far and how alike, tensor by tensor{of_them}. A long bar with a dot "
            "far to the right is a change that the scouts have in common; one whose dot stays at the dashed "
            "line is one that each made for itself.",
        ),
        "by_chance": alone,
        "layers": None if tables.guide_layers is None else tables.guide_layers.to_dict("records"),
        "genes": None if tables.guide_genes is None else top_genes(tables.guide_genes, symbols),
    }


def by_chance(members: pd.DataFrame) -> float | None:
    """The agreement that scouts have of which each goes its own way: 1 / s of s alike, more where some weigh
    more. None where there is one scout, or none weighs anything."""
    weight_s = members["weight"].to_numpy(float)
    if (weight_s > 0).sum() < 2:
        return None
    return float((weight_s**2).sum() / weight_s.sum() ** 2)


def top_genes(genes: pd.DataFrame, symbols: Mapping[str, str]) -> list[dict[Any, Any]]:
    """The genes on which heads moved furthest: gene, symbol ("" where unknown), moved, times_median."""
    first = genes.head(TOP_GENES)
    return first.assign(symbol=[symbols.get(gene, "") for gene in first["gene"]]).to_dict("records")


def gene_symbols(tables: RunTables, config: RunConfig) -> dict[str, str]:
    """Symbols of the top genes: from the linear models' table, and from the recipe's table of genes where
    that still lies in its place. Raises GeneError where that is something else."""
    if tables.guide_genes is None:
        return {}
    wanted, known = set(tables.guide_genes["gene"].head(TOP_GENES)), tables.guided_genes
    found = {} if known is None else dict(zip(known["gene"], known["symbol"], strict=True))
    found = {gene: symbol for gene, symbol in found.items() if gene in wanted and symbol}
    path = None if config.data.genes is None else config.data.root / config.data.genes
    if len(found) == len(wanted) or path is None or not path.is_file():
        return found
    table = read_gene_table(path).symbol_of
    return {gene: table[gene] for gene in wanted if gene in table} | found
