"""Samples that are not what they seem."""

from collections.abc import Iterator

import numpy as np

from tests.mistakes.toy import COUNTS_GN, N_GENES, SAMPLES, SHEET, Mistake, mistake, table


def samples() -> Iterator[Mistake]:
    yield mistake(
        "a sample's name twice",
        table(samples=[*SAMPLES[:5], "FLT_1"]),
        SHEET,
        "sample FLT_1",
        "occurs twice",
        "give every sample a name of its own",
    )
    yield mistake(
        "a column of totals",
        table(np.column_stack([COUNTS_GN, COUNTS_GN.sum(1)]), samples=[*SAMPLES, "All"]),
        SHEET,
        "sample All",
        "is the sum of all others in every gene",
        "leave it out",
    )
    twins = COUNTS_GN.copy()
    twins[:, 1] = twins[:, 0] + (np.arange(N_GENES) % 40 == 0)
    yield mistake(
        "two samples nearly alike",
        table(twins),
        SHEET,
        "samples FLT_1 and FLT_2",
        r"are nearly alike \(log2 CPM correlate at (0\.999|1\.0)",
        "keep one of them",
    )
    runs = "sample,label,run\n" + "".join(
        f"{name},{name[:-2]},{'early' if name[0] == 'F' else 'late'}\n" for name in SAMPLES
    )
    yield mistake(
        "a batch that is the label",
        table(),
        runs,
        "column run",
        "divides the samples just as label does: the two cannot be told apart",
        "have samples of each group in each batch",
    )
    names = [f"m{number}" for number in range(12)]
    counts_gn = np.random.default_rng(4).negative_binomial(2, 0.0005, (N_GENES, 12))
    counts_gn[:40, ::2] *= 8
    sheet = "sample,label,day\n" + "".join(
        f"{name},{'ab'[number // 6]},{'Monday' if number % 2 == 0 else 'Friday'}\n"
        for number, name in enumerate(names)
    )
    yield mistake(
        "a batch",
        table(counts_gn, samples=names),
        sheet,
        "column day",
        r"apart as a batch does: \d\d% of what separates them beyond label .*\(Monday, Friday\)",
        "test on another batch",
    )
