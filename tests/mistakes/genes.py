"""Names of genes, and rows and columns that are none."""

from collections.abc import Iterator

from tests.mistakes.toy import COUNTS_GN, GENES, N_GENES, SAMPLES, SHEET, SYMBOLS, Mistake, mistake, table


def genes() -> Iterator[Mistake]:
    yield mistake(
        "transposed",
        table(COUNTS_GN.T, SAMPLES, GENES, corner="sample"),
        SHEET,
        "Samples are in rows",
        "read that way round",
        "",
    )
    yield mistake(
        "symbols without a table of genes",
        table(genes=SYMBOLS),
        SHEET,
        r"rows: Gene1a, Gene2a",
        "not named by Ensembl gene ids",
        "by Ensembl ids, or by symbols that the gateway's gene table has",
    )
    yield mistake(
        "symbols",
        table(genes=SYMBOLS),
        SHEET,
        "Genes are named by symbols",
        "120 of 120 have one Ensembl id",
        "",
        with_genes=True,
    )
    yield mistake(
        "versions",
        table(genes=[f"{gene}.{number % 9}" for number, gene in enumerate(GENES)]),
        SHEET,
        "Ensembl ids",
        "Versions .* are left off",
        "",
    )
    for species, start in (("human", "ENSG"), ("rat", "ENSRNOG")):
        yield mistake(
            f"{species} ids",
            table(genes=[gene.replace("ENSMUSG", start) for gene in GENES]),
            SHEET,
            rf"{start}0+1",
            f"holds {species} Ensembl ids .* the gateway's gene table holds mouse",
            "upload samples of the species that the gateway is for",
            with_genes=True,
        )
    yield mistake(
        "human symbols",
        table(genes=list(map(str.upper, SYMBOLS))),
        SHEET,
        "gene symbols",
        r"120 of 120 known ones are known in another case only \(GENE1A, GENE2A",
        "check the species: symbols of human genes are upper case",
        with_genes=True,
    )
    for kind, pattern, says in (
        ("Affymetrix microarray", "1415{:03d}_at", "RNA-seq counts: intensities of microarray probes"),
        ("Illumina microarray", "ILMN_{:07d}", "RNA-seq counts: intensities of microarray probes"),
        ("Entrez", "{:05d}", "name the genes by Ensembl ids; biomaRt"),
        ("RefSeq", "NM_{:06d}", "sum them to genes"),
    ):
        yield mistake(
            f"{kind} ids",
            table(genes=[pattern.format(number) for number in range(N_GENES)]),
            SHEET,
            rf"rows: {pattern.format(0)}",
            f"names its genes by .*{kind}",
            says,
            with_genes=kind != "RefSeq",
        )
    for name, turned in {
        "1-Mar": ["1-Mar", "2-Sep", "1-Dec"],
        "Mar-01": ["Mar-01", "Sep-02", "Dec-01"],
        "2021-03-01": ["2021-03-01", "2021-09-02", "2021-12-01"],
        "43891": ["43891", "44076", "44166"],
    }.items():
        yield mistake(
            f"dates as {name}",
            table(genes=[*turned, *SYMBOLS[3:]]),
            SHEET,
            "gene names",
            rf"3 of them are dates \({name}, .*a spreadsheet changed them",
            "names from the original file",
            with_genes=True,
        )
    yield mistake(
        "two genes of one date",
        table(genes=["1-Mar", "1-Mar", *SYMBOLS[2:]]),
        SHEET,
        "gene 1-Mar",
        "occurs twice: a spreadsheet has turned names of genes into dates",
        "names from the original file",
        with_genes=True,
    )
    yield mistake(
        "half of the genes unknown",
        table(genes=[*SYMBOLS[:80], *(f"LOC{number}" for number in range(40))]),
        SHEET,
        "gene names.*",
        "only 67% of them are known; LOC0, LOC1, LOC2, ... are not",
        "whether the annotation is a current one",
        with_genes=True,
    )
    yield mistake(
        "featureCounts' own columns",
        table(
            [["chr1", 5, 900, "+", 895, *row] for row in COUNTS_GN],
            samples=["Chr", "Start", "End", "Strand", "Length", *SAMPLES],
            delimiter="\t",
            corner="Geneid",
        ),
        SHEET,
        r"first: Chr, Start, End",
        "Columns that are no samples are left out",
        "",
    )
    yield mistake(
        "a column of lengths",
        table([[*row, 2000 + i] for i, row in enumerate(COUNTS_GN)], samples=[*SAMPLES, "gene_length"]),
        SHEET,
        "first: gene_length",
        "Columns that are no samples are left out",
        "",
    )
    for name, extra in {
        "HTSeq's summary": ["__no_feature", "__ambiguous", "__too_low_aQual"],
        "a row of sums": ["Total"],
    }.items():
        yield mistake(
            name,
            table([*COUNTS_GN, *[COUNTS_GN.sum(axis=0)] * len(extra)], [*GENES, *extra]),
            SHEET,
            rf"\({extra[0]}",
            f"{len(extra)} rows that count no gene are left out",
            "",
        )
