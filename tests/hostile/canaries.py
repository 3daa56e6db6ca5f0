"""Files that no upload may read, write or have run, and words by which their content is known."""

import secrets
from dataclasses import dataclass
from pathlib import Path

import h5py

from rnalearner.publish import sha256_of
from tests.hostile.files import h5ad
from tests.hostile.foreign import EXECUTED

TEXT, H5 = "canary.txt", "canary.h5"
WORD = "canary-0123456789abcdef"
"""As long as every word is."""


@dataclass(frozen=True)
class Canaries:
    """A folder outside of every jail."""

    folder: Path
    word: str
    sha256: dict[str, str]

    @classmethod
    def put(cls, folder: Path) -> "Canaries":
        """Write them; the word is another one each time."""
        word = f"canary-{secrets.token_hex(8)}"
        (folder / TEXT).write_text(word * 64)
        (folder / H5).write_bytes(h5ad(lambda file: _sign(file, word)))
        return cls(folder, word, {name: sha256_of(folder / name) for name in (TEXT, H5)})

    def unharmed(self) -> bool:
        """Nothing there was changed, and no payload ran."""
        here = {path.name for path in self.folder.iterdir()}
        same = all(sha256_of(self.folder / name) == digest for name, digest in self.sha256.items())
        return same and EXECUTED not in here and here == set(self.sha256)


def _sign(file: h5py.File, word: str) -> None:
    file["obs/_index"][0] = word
    file["var/_index"][0] = word
