"""`ingest recount3 --projects A B` and `ingest osdr OSD-105`: words that are short for a recipe's fields."""

import re
from collections.abc import Sequence
from pathlib import Path

from jobs.options import take_recipe
from rnalearner.config import DataConfig, load_recipe
from rnalearner.errors import RecipeError
from rnalearner.layout import RunLayout

ARCHIVES = ("recount3", "osdr")
OSDR_ADDRESS = "https://osdr.nasa.gov/"
HELP = "\n\n".join(
    (
        "Or the name of a public archive, whose files are downloaded first, each once; interrupted, the same "
        "command goes on. They lie in your cache, or in --corpus, or in --data.osdr_folder:",
        "rnalearner ingest recount3 --organism mouse --projects SRP009615 SRP001558 --out runs/corpus",
        "rnalearner ingest osdr OSD-105 OSD-104 --out runs/osd",
        "Without --projects all 10,000 of the organism come. RECOUNT3_URL, or --data.address, names another "
        "mirror of recount3: aws, idies, or a URL.",
    )
)


def spelled_out(words: Sequence[str], out: Path | None) -> list[str]:
    """The words with an archive's name turned into options; others as they are.

    What the words, or a recipe among them or in `out`, say otherwise wins.
    Raises RecipeError where an accession is none, or none is named.
    """
    if not words or words[0] not in ARCHIVES:
        return list(words)
    archive, rest = words[0], _joined_projects(words[1:])
    accessions: list[str] = []
    if archive == "osdr":
        while rest and re.fullmatch(r"OSD-?\d+", rest[0], re.IGNORECASE):
            accessions.append("OSD-" + re.sub(r"\D", "", rest.pop(0)))
    recipe, _ = take_recipe(rest)
    known = _known(recipe, out)
    fields = _of_recount3(known, rest) if archive == "recount3" else _of_osdr(known, accessions)
    if archive == "osdr" and not (accessions or known.osdr or _says(rest, "--data.osdr")):
        raise RecipeError("ingest osdr", "names no accession", "write it like `ingest osdr OSD-105`")
    named = [] if recipe is None else [str(recipe)]
    # The user's own options come last, and so win.
    own = [word for word in rest if word != str(recipe)] if recipe is not None else rest
    return [*named, *(f"--{name}={value}" for name, value in fields.items()), *own]


def _of_recount3(known: DataConfig, rest: Sequence[str]) -> dict[str, str]:
    from rnalearner.fetch.recount3_files import base_address

    fields = {"data.source": "recount3"}
    if known.address is None:
        fields["data.address"] = base_address("recount3")  # as it is now: the recipe repeats it
    if known.source != "recount3" or "corpus" not in known.model_fields_set:
        beside = _says(rest, "--root", "--data.root")
        fields["data.corpus"] = "recount3" if beside else str(_cache() / "recount3")
    return fields


def _of_osdr(known: DataConfig, accessions: Sequence[str]) -> dict[str, str]:
    fields = {"data.osdr": ",".join(accessions)} if accessions else {}
    if known.osdr_address is None:
        fields["data.osdr_address"] = OSDR_ADDRESS
        fields["data.osdr_folder"] = str(_cache() / "osdr")
    if "source" not in known.model_fields_set:
        fields["data.source"] = "tables"
    return fields


def _known(recipe: Path | None, out: Path | None) -> DataConfig:
    if recipe is None and out is not None and RunLayout(out).recipe.exists():
        recipe = RunLayout(out).recipe
    return load_recipe(recipe).data if recipe is not None else DataConfig()


def _joined_projects(words: Sequence[str]) -> list[str]:
    """`--projects A B` -> `--projects A,B`: every other option has one value."""
    joined: list[str] = []
    remaining = list(words)
    while remaining:
        word = remaining.pop(0)
        name, has_value, value = word.partition("=")
        if name not in ("--projects", "--data.projects"):
            joined.append(word)
            continue
        values = [value] if has_value else []
        while (
            remaining and not remaining[0].startswith("--") and not remaining[0].endswith((".toml", ".json"))
        ):
            values.append(remaining.pop(0).strip(","))
        joined += [name, ",".join(values)]
    return joined


def _says(words: Sequence[str], *names: str) -> bool:
    return any(word.partition("=")[0] in names for word in words)


def _cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("rnalearner")
