"""What lies in a folder of shards: files, rows, checksums, gene set and scale.

A folder that grows keeps all that it has: new shards, a new table of samples and a new version of the
manifest lie beside the old ones, whose bytes stay.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rnalearner.config.preprocessing import PreprocessingConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError, GeneError
from rnalearner.publish import sha256_of, write_json, write_text

GENES = "genes.txt"
REMAKE = "restore the folder or run `rnalearner ingest` again"


def manifest_name(version: int) -> str:
    return f"manifest-{version:05d}.json"


def shard_name(number: int) -> str:
    return f"shard-{number:05d}.parquet"


def obs_name(version: int) -> str:
    return f"obs-{version:05d}.parquet"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Strict):
    """One file of the folder; the pattern keeps a manifest from naming files elsewhere."""

    name: str = Field(pattern=r"^(shard|obs)-\d{5,}\.parquet$")
    n_bytes: int = Field(ge=0)
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "FileEntry":
        return cls(name=path.name, n_bytes=path.stat().st_size, sha256=sha256_of(path))

    def check_size(self, folder: Path) -> None:
        """Raise CheckpointError where the file is missing or of another size."""
        path = folder / self.name
        if not path.is_file():
            raise CheckpointError(path, "this file of the shards is missing", REMAKE)
        if (found := path.stat().st_size) != self.n_bytes:
            raise CheckpointError(path, f"has {found} bytes where {self.n_bytes} were written", REMAKE)

    def check_bytes(self, folder: Path) -> None:
        """Raise CheckpointError where a single bit differs from what was written."""
        self.check_size(folder)
        if sha256_of(folder / self.name) != self.sha256:
            raise CheckpointError(folder / self.name, "its bytes do not match their checksum", REMAKE)


class ShardEntry(FileEntry):
    """A Parquet file of counts: `group_rows` are the samples in each of its row groups."""

    group_rows: tuple[int, ...]

    @property
    def number(self) -> int:
        return int(self.name.removeprefix("shard-").removesuffix(".parquet"))

    @property
    def n_obs(self) -> int:
        return sum(self.group_rows)


class Manifest(_Strict):
    """All that a reader must know before it opens a shard; written last."""

    schema_version: Literal[2] = 2
    version: int = Field(1, ge=1)
    """Counts how often the folder grew."""
    parent: str | None = None
    """Checksum of the version before."""
    gene_set: str
    """sha256 of the gene ids, which lie in genes.txt."""
    n_genes: int = Field(ge=1)
    preprocessing: PreprocessingConfig
    n_obs: int = Field(ge=0)
    obs: tuple[FileEntry, ...]
    """Tables of samples, one a version; together they list the samples of the shards in order."""
    shards: tuple[ShardEntry, ...]

    @property
    def checksum(self) -> str:
        return _digest(self.model_dump(mode="json"))

    def grown(self, obs: FileEntry, shards: tuple[ShardEntry, ...]) -> "Manifest":
        """The next version: all that this one has, and these."""
        more = {
            "version": self.version + 1,
            "parent": self.checksum,
            "n_obs": self.n_obs + sum(shard.n_obs for shard in shards),
            "obs": (*self.obs, obs),
            "shards": (*self.shards, *shards),
        }
        return self.model_copy(update=more)

    def save(self, folder: Path, gene_set: GeneSet) -> None:
        """Write the manifest, which carries a checksum of itself, and with the first version genes.txt."""
        if self.version == 1:
            write_text(folder / GENES, "".join(f"{gene}\n" for gene in gene_set.ids))
        content = self.model_dump(mode="json")
        write_json(folder / manifest_name(self.version), {"sha256": _digest(content), "content": content})

    @classmethod
    def load(cls, folder: Path, version: int | None = None) -> tuple["Manifest", GeneSet]:
        """Read and check the manifest (the newest), the gene ids and the sizes of all files.

        Raises CheckpointError naming the file that is missing, damaged or of another kind.
        """
        path = folder / manifest_name(version or max(versions(folder), default=1))
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            content, digest = stored["content"], stored["sha256"]
        except FileNotFoundError:
            raise CheckpointError(path, "there are no shards here", "run `rnalearner ingest` first") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(path, f"cannot be read ({error!r})", REMAKE) from None
        if _digest(content) != digest:
            raise CheckpointError(path, "its bytes do not match their checksum", REMAKE)
        try:
            manifest = cls.model_validate(content)
        except ValidationError as error:
            raise CheckpointError(
                path, f"is of another version ({error.errors()[0]['msg']})", REMAKE
            ) from None
        for entry in (*manifest.obs, *manifest.shards):
            entry.check_size(folder)
        return manifest, manifest._genes(folder / GENES)

    def _genes(self, path: Path) -> GeneSet:
        try:
            # Not splitlines: it takes a damaged line feed for another kind of line end.
            gene_set = GeneSet(tuple(path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")))
        except (OSError, ValueError, GeneError) as error:
            raise CheckpointError(path, f"cannot be read ({error!r})", REMAKE) from None
        if gene_set.sha256 != self.gene_set or len(gene_set) != self.n_genes:
            raise CheckpointError(path, "these are not the genes of the manifest", REMAKE)
        return gene_set


def versions(folder: Path) -> list[int]:
    """The versions of the manifest that lie in `folder`, ascending."""
    return sorted(int(path.stem.removeprefix("manifest-")) for path in folder.glob("manifest-*.json"))


def _digest(content: Any) -> str:
    plain = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode()).hexdigest()
