"""A sheet of labels: which sample is what."""

import csv
import io
from collections.abc import Collection, Iterable
from pathlib import Path

import anndata
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rnalearner.counts.genes import first_repeated
from rnalearner.counts.near_names import as_r, near_misses
from rnalearner.counts.opening import is_parquet, open_text, short
from rnalearner.errors import CountsError, LabelError

_MOST_COLUMNS = 1000
_NAMED = {"\t": "tabs", ";": "semicolons"}


def read_sheet(path: Path, samples: Collection[str] = ()) -> pd.DataFrame:
    """A CSV or TSV as text, "" where a cell is empty, indexed by column `sample` or else the first.

    Or what `write_sheet` has written. Where the `samples` to describe are known, another column names the
    rows if it is the only one that holds any of them. A sample may be listed again for another `study`.
    `attrs["understood"]`: sentences on what was not as it might be. Raises LabelError where a sample is
    otherwise listed twice, CountsError where the file is missing or damaged.
    """
    path = Path(path)
    rows, delimiter = (_stored_rows(path), ",") if is_parquet(path) else _rows(path)
    if len(rows) < 2:
        raise LabelError(path, "is empty", "give a header and a line a sample")
    understood = [f"The sheet's columns are separated by {_NAMED[delimiter]}."] if delimiter in _NAMED else []
    if n_padded := sum(field != field.strip() for row in rows for field in row):
        understood.append(f"Blanks around {n_padded} cells of the sheet are left off.")
    header, *lines = [[field.strip() for field in row] for row in rows]
    for line in lines:
        if len(line) != len(header):
            what = f"line of sample {short(line[0])} has {len(line)} fields, not {len(header)}"
            raise LabelError(path, what, "give every line as many fields as the header")
    repeated = first_repeated(header)
    if repeated is not None:
        raise LabelError(path, f"has two columns {short(repeated)!r}", "give every column a name of its own")
    sheet = pd.DataFrame(lines, columns=header, dtype=object)
    usual = "sample" if "sample" in header else header[0]
    naming = _naming_column(sheet, usual, samples)
    if naming != usual:
        understood.append(f"The sheet's column {short(naming)!r} names the samples, not {short(usual)!r}.")
        sheet = sheet.rename(columns={"sample": "sheet_sample"})
    sheet = sheet.set_index(naming).rename_axis("sample")
    sheet.attrs["understood"] = understood
    by_study = zip(sheet.index, sheet["study"] if "study" in sheet else [""] * len(sheet), strict=True)
    repeated = first_repeated(f"{sample} of {study}" if study else sample for sample, study in by_study)
    if repeated is not None:
        named = short(repeated) or "without a name"
        raise LabelError(path, f"lists sample {named} twice", "list every sample once")
    return sheet


def _naming_column(sheet: pd.DataFrame, usual: str, samples: Collection[str]) -> str:
    """The one column that names any of the samples; the usual one where several do, or none."""
    known = {*samples, *map(as_r, samples)}
    naming = [
        str(name) for name in sheet if any(cell in known or as_r(cell) in known for cell in sheet[name])
    ]
    return naming[0] if len(naming) == 1 else usual


def _rows(path: Path) -> tuple[list[list[str]], str]:
    """What the cells hold, and what separates them."""
    with open_text(path) as file:
        text = file.read().decode("utf-8-sig")
    first_line = text.split("\n", 1)[0]
    delimiter = max("\t,;", key=first_line.count)
    if first_line.count(delimiter) > _MOST_COLUMNS:
        raise LabelError(path, f"has more than {_MOST_COLUMNS:,} columns", "keep those that the task needs")
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        return [row for row in rows if any(field.strip() for field in row)], delimiter
    except csv.Error as error:
        raise LabelError(path, f"cannot be cut into columns ({error})", "close every quote") from None


def _stored_rows(path: Path) -> list[list[str]]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CountsError(path, f"cannot be read as Parquet ({reason})", "give it as CSV") from None
    columns = [["" if cell is None else str(cell) for cell in column.to_pylist()] for column in table.columns]
    return [table.column_names, *map(list, zip(*columns, strict=True))]


def write_sheet(sheet: pd.DataFrame, path: Path) -> None:
    """What is known of samples, the index, as text columns of a Parquet file."""
    columns = [pa.array(map(str, sheet.index), pa.string())]
    columns += [pa.array(as_text(sheet[name]), pa.string()) for name in sheet]
    table = pa.Table.from_arrays(columns, ["sample", *map(str, sheet)])
    pq.write_table(table, path, store_schema=False)


def as_text(values_n: pd.Series) -> pd.Series:
    """What a column says of each sample, "" where nothing."""
    return values_n.astype(object).where(values_n.notna(), "").map(str)


def attach_sheet(samples: anndata.AnnData, sheet: pd.DataFrame, where: object) -> None:
    """Add the sheet's columns to `samples.obs`; a sample that it does not list gets "".

    Names are compared as they are and, where none agrees, as R rewrites them (`C57-6J` -> `C57.6J`).
    What did not match goes into the read report, with names that come near: these are never taken for
    one. Raises LabelError naming `where` if no sample is listed.
    """
    names, listed = list(samples.obs_names), list(sheet.index)
    as_written = bool(set(names) & set(listed))
    if not as_written:
        names, listed = [as_r(name) for name in names], [as_r(name) for name in listed]
    repeated = first_repeated(listed)
    if repeated is not None:
        raise LabelError(where, f"lists sample {short(repeated)} twice", "list every sample once")
    row_of = {sample: row for row, sample in enumerate(listed)}
    rows = [row_of.get(name) for name in names]
    used = {row for row in rows if row is not None}
    in_table = [name for name, row in zip(samples.obs_names, rows, strict=True) if row is None]
    in_sheet = [str(name) for row, name in enumerate(sheet.index) if row not in used]
    near = near_misses(in_table, in_sheet)
    if not used:
        what = f"lists {_some(sheet.index)}, and none of the samples, which are {_some(samples.obs_names)}"
        what += f"; {near[0]}" + (f", and {len(near) - 1} more" if len(near) > 1 else "") if near else ""
        raise LabelError(where, what, "name the samples as the counts do")
    for column in sheet:
        values = sheet[column].tolist()
        # What was counted is not for a sheet to say.
        name = f"sheet_{column}" if column in ("total", "n_expressed") else column
        samples.obs[name] = [values[row] if row is not None else "" for row in rows]
    samples.uns.setdefault("read_report", {}).update(
        not_in_sheet=in_table,
        sheet={
            "path": str(where),
            "matched": "as written" if as_written else "as R rewrites names",
            "n_matched": len(used),
            "n_only_in_table": len(in_table),
            "n_only_in_sheet": len(in_sheet),
            "only_in_sheet": in_sheet[:10],
            "n_near": len(near),
            "near": [str(miss) for miss in near[:10]],
        },
    )


def _some(names: Iterable[str]) -> str:
    return ", ".join(short(name) for name in list(names)[:3])
