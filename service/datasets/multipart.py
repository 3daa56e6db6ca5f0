"""multipart/form-data as browsers send it, its files straight to disk."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool

from service.datasets.uploads import LABELS_MB, Incoming, pour, refuse_larger
from service.problems import ProblemError
from service.settings import Settings

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

# What a stranger's form lacks goes into the answer, not into our log.
logging.getLogger("python_multipart").setLevel(logging.ERROR)

_MOST_TEXT = 4096
"""Bytes of a field that is no file."""


class Form:
    """A form being read: files `file` and `labels` into a folder, and the short text `name`."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.files: dict[str, Incoming] = {}
        self.filename = ""
        """What the sender calls `file`; quoted text."""
        self.texts: dict[str, bytes] = {}
        self._folder, self._settings = folder, settings
        self._most_mb = {"file": settings.max_upload_mb, "labels": LABELS_MB}
        self._header, self._value, self._disposition = b"", b"", b""
        self._field, self._whole, self._size = "", False, 0

    @property
    def name(self) -> str | None:
        """The text, else what the file is called, without folders; None where it has no name."""
        filename = self.filename.replace("\\", "/").rpartition("/")[2]
        return self.texts.get("name", b"").decode(errors="replace") or filename or None

    async def read(self, request: Request) -> None:
        """Read the body to its end.

        Raises ProblemError: 415 for another content type, 422 for a body that is no such form, and
        whatever Incoming raises.
        """
        kind, options = parse_options_header(request.headers.get("content-type"))
        if kind != b"multipart/form-data":
            remedy = "send multipart/form-data with a field `file`, or PUT the bytes"
            raise ProblemError(415, "not-a-form", "Content-Type", "is not multipart/form-data", remedy)
        if not options.get(b"boundary"):
            raise _malformed("has no boundary in its Content-Type")
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._on_header,
            "on_header_value": self._on_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": self._write,
            "on_end": self._end,
        }
        try:
            parser = MultipartParser(options[b"boundary"], callbacks)

            def feed(piece: bytes) -> None:
                self._size += len(piece)
                refuse_larger(self._size, sum(self._most_mb.values()) + 1)
                parser.write(piece)

            await pour(request, feed)
            if not self._whole:
                raise _malformed("ends too early")
            if "file" not in self.files:
                raise _malformed("has no file in a field `file`")
            for incoming in self.files.values():
                await run_in_threadpool(incoming.close)
        except ValueError as error:  # FormParserError is one
            raise _malformed(f"cannot be read ({str(error)[:200]})") from None
        finally:
            for incoming in self.files.values():
                incoming.abandon()

    def _begin(self) -> None:
        self._disposition = b""

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._field = options.get(b"name", b"").decode(errors="replace")
        if self._field in self.files or self._field in self.texts:
            raise _malformed(f"has two fields `{self._field}`")
        is_file = b"filename" in options
        if is_file and self._field in self._most_mb:
            path = self._folder / self._field  # one of our two words
            self.files[self._field] = Incoming(path, self._settings, self._most_mb[self._field])
            if self._field == "file":
                self.filename = options[b"filename"].decode(errors="replace")
        elif not is_file and self._field == "name":
            self.texts["name"] = b""
        else:
            kind = "file" if is_file else "text"
            shown = self._field[:60].encode("ascii", "replace").decode()
            raise _malformed(f"has a field `{shown}` of {kind}, which is none of file, labels (files), name")

    def _write(self, data: bytes, start: int, end: int) -> None:
        if self._field in self.files:
            self.files[self._field].write(data[start:end])
            return
        self.texts[self._field] += data[start:end]
        if len(self.texts[self._field]) > _MOST_TEXT:
            raise _malformed(f"has more than {_MOST_TEXT} bytes in `{self._field}`")

    def _end(self) -> None:
        self._whole = True


def _malformed(what: str) -> ProblemError:
    remedy = "send `file`, and perhaps `labels` and `name`, as multipart/form-data"
    return ProblemError(422, "malformed-form", "form", what, remedy)
