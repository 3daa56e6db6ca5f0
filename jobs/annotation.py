"""`rnalearner annotation`: a table of genes from a GTF. Heavy imports inside."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

_MIB = 2**20
_SAID = {
    "n_without_symbol": "{} genes have no symbol",
    "n_shared_symbols": "{} symbols name several genes, which only their ids can tell apart",
    "n_copies_on_y": "{} genes stand on X and Y, and are one",
    "n_repeated": "{} genes stand on several lines",
    "n_not_ensembl": "{} ids are not Ensembl's, and are left out",
}


def annotation(
    gtf: Annotated[Path, typer.Argument(help="GTF of GENCODE, Ensembl or recount3, gzipped or not.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="CSV to write; NAME.transcripts.csv goes beside it.")
    ] = Path("genes.csv"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Genes of an annotation, for `data.genes`: ensembl, symbol, biotype, chromosome; and transcripts."""
    from jobs.progress import shown_progress
    from rnalearner.counts.annotation import read_annotation

    with shown_progress() as progress:
        found = read_annotation(
            gtf, lambda done, total: progress("annotation", -(-done // _MIB), -(-total // _MIB), "MiB read")
        )
    written = found.save(out)
    if as_json:
        told: dict[str, Any] = {"files": [str(path) for path in written], **found.report}
        typer.echo(json.dumps(told, allow_nan=False))
        return
    typer.echo(f"{found.report['n_genes']} genes: {written[0]}")
    if len(written) > 1:
        typer.echo(f"{found.report['n_transcripts']} transcripts: {written[1]}")
    else:
        typer.echo("It names no transcript: tables of transcripts need an annotation that does.")
    for name, sentence in _SAID.items():
        if found.report[name]:
            shown = ", ".join(found.report[name.removeprefix("n_")][:3])
            typer.echo(f"{sentence.format(found.report[name])} (first: {shown}).")
