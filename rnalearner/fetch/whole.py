"""Is this the whole file? Its sha256 and, for gzip, its own checksum, while the bytes go by."""

import hashlib
import zlib

_OUT_BYTES = 1 << 20
"""Unpacked at a time: a few bytes of gzip can hold gigabytes of zeros."""


class DamagedError(Exception):
    """These bytes are not the file: what is wrong with them."""


class WholeCheck:
    """Fed with a file's bytes in order."""

    def __init__(self, is_gzip: bool) -> None:
        self.n_bytes = 0
        self._sha256 = hashlib.sha256()
        self._is_gzip = is_gzip
        self._member: zlib._Decompress | None = None

    def feed(self, data: bytes) -> None:
        """Raises DamagedError as soon as the bytes cannot be gzip."""
        self.n_bytes += len(data)
        self._sha256.update(data)
        pending = False  # all input is taken, and not all output given
        while self._is_gzip and (data or pending):
            if self._member is None:
                self._member = zlib.decompressobj(wbits=31)
            try:
                pending = len(self._member.decompress(data, _OUT_BYTES)) == _OUT_BYTES
            except zlib.error:
                raise DamagedError("its gzip data are corrupted") from None
            data = self._member.unconsumed_tail
            if self._member.eof:  # checksum and length agreed; another member may follow
                data, self._member, pending = self._member.unused_data, None, False

    def sha256(self, published: str | None = None) -> str:
        """Of all that was fed. Raises DamagedError where it is cut short, or not the `published` one."""
        if self._is_gzip and (self._member is not None or self.n_bytes == 0):
            raise DamagedError("its gzip data are cut short")
        digest = self._sha256.hexdigest()
        if published is not None and digest != published:
            raise DamagedError(f"its sha256 is {digest[:12]}.., the published one {published[:12]}..")
        return digest
