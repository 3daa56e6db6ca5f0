"""A run's phases on storage, for hosts that share no disk: handed on by one, fetched by others.

A folder lies there as PHASE/files/SHA256, one for each of its contents, and PHASE/folder.json, which says
which file has which and is written last. So whoever reads finds the folder as it was before or as it is
now, whenever the writer dies; a file that is the same is sent once; and what arrives is checked. One
command at a time writes to a run, as on a disk; of readers there may be many, also on one host.

Paths stay paths: whoever needs a phase on another host asks `on_this_host` for it first. The folders
lie there where they lie on the command's host, or below the folder that RNALEARNER_SCRATCH names on that
host.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from rnalearner.config.run import StorageSettings
from rnalearner.errors import CheckpointError, InputError
from rnalearner.layout import RunLayout
from rnalearner.publish import publish_file, sha256_of, write_json
from rnalearner.storage import Storage

SCRATCH = "RNALEARNER_SCRATCH"
SAID_OF_IT = ("started.json", "phase.json")
"""Files that say what a folder is: they are the first to go and the last to come."""
_KNOWN = ".known.json"
_MAKE_AGAIN = "remove {} from there, and run the phase again on a host that has it"

Files = dict[str, str]
"""Path inside of a folder -> sha256."""


def hand_on(layout: RunLayout, settings: StorageSettings, phases: Iterable[str]) -> None:
    """Bring storage up to date with these phases' folders; nothing without a URL."""
    if settings.url is not None:
        storage = Storage(settings.url)
        for name in phases:
            push(storage, name, layout.phase(name))


def fetch(layout: RunLayout, settings: StorageSettings, phases: Iterable[str]) -> None:
    """Bring these phases' folders up to date with storage; nothing without a URL, or where it has none.

    Raises CheckpointError where what lies there is damaged.
    """
    if settings.url is not None:
        storage = Storage(settings.url)
        for name in phases:
            pull(storage, name, layout.phase(name))


def on_this_host(layout: RunLayout, settings: StorageSettings, phases: Iterable[str]) -> RunLayout:
    """Fetch these phases to the host that asks; returns the layout of the run there."""
    if settings.url is None:
        return layout
    if scratch := os.environ.get(SCRATCH):
        layout = RunLayout(Path(scratch).absolute() / hashlib.sha256(settings.url.encode()).hexdigest()[:16])
    try:
        layout.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"the run cannot lie there on this host ({error.strerror})"
        raise InputError(layout.root, what, f"set {SCRATCH} on that host to a folder that can") from None
    fetch(layout, settings, phases)
    return layout


def push(storage: Storage, name: str, folder: Path) -> None:
    """Make `name` on storage what `folder` is; its own listing last."""
    files = _files(folder)
    there = set(storage.names(f"{name}/files"))
    for path, digest in files.items():
        if (place := _place(name, digest)) not in there:
            storage.put_file(place, folder / path)
            there.add(place)
    if _listed(storage, name) != files:
        content = {"sha256": _digest(files), "files": files}
        storage.put(f"{name}/folder.json", json.dumps(content, indent=2).encode())
    for place in there - {_place(name, digest) for digest in files.values()}:
        storage.remove(place)


def pull(storage: Storage, name: str, folder: Path) -> None:
    """Make `folder` what `name` on storage is; of what is there already only what differs is read.

    Several processes of a host may ask at once. Raises CheckpointError where a file is damaged or missing.
    """
    with _alone(folder):
        while (files := _listed(storage, name)) is not None:
            try:
                _pull(storage, name, folder, files)
                return
            except FileNotFoundError as error:
                if _listed(storage, name) == files:
                    where = f"{storage.place}/{name}"
                    what = f"a file of the folder is missing ({error})"
                    raise CheckpointError(where, what, _MAKE_AGAIN.format("it")) from None


def read(storage: Storage, name: str, path: str) -> bytes | None:
    """One file of a folder on storage; None where there is none."""
    files = _listed(storage, name) or {}
    return storage.get(_place(name, files[path])) if path in files else None


def _pull(storage: Storage, name: str, folder: Path, files: Files) -> None:
    here = _files(folder)
    if here == files:
        return
    for path in (*SAID_OF_IT, *(here.keys() - files.keys())):
        (folder / path).unlink(missing_ok=True)
    for path, digest in sorted(files.items(), key=lambda item: item[0] in SAID_OF_IT):
        if here.get(path) == digest and path not in SAID_OF_IT:
            continue
        with publish_file(folder / path) as temporary:
            storage.get_file(_place(name, digest), temporary)
            if sha256_of(temporary) != digest:
                where = f"{storage.place}/{_place(name, digest)}"
                what = f"the bytes of {path} do not match their checksum"
                raise CheckpointError(where, what, _MAKE_AGAIN.format("that file"))
    _files(folder)


def _place(name: str, digest: str) -> str:
    return f"{name}/files/{digest}"


def _listed(storage: Storage, name: str) -> Files | None:
    """What a folder on storage holds; None where there is no whole one."""
    try:
        data = storage.get(f"{name}/folder.json")
    except FileNotFoundError:
        return None
    try:
        content = json.loads(data)
        files = {str(path): str(digest) for path, digest in content["files"].items()}
        inside = all(".." not in PurePosixPath(path).parts and path[:1] != "/" for path in files)
        if content["sha256"] == _digest(files) and inside:
            return files
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    where, what = f"{storage.place}/{name}/folder.json", "its bytes do not match their checksum"
    raise CheckpointError(where, what, _MAKE_AGAIN.format("that file"))


def _digest(files: Files) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _files(folder: Path) -> Files:
    """Every file that is not hidden; one is read again only where its size, time or place on disk differs."""
    note, found = folder / _KNOWN, {}
    try:
        known = json.loads(note.read_text())
    except (OSError, ValueError):
        known = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not path.is_symlink() and not any(part[0] == "." for part in inside.parts):
            stat = path.stat()
            seen = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
            *before, digest = known.get(str(inside), [""])
            found[str(inside)] = [*seen, digest if before == seen else sha256_of(path)]
    if found != known:
        write_json(note, found)
    return {path: str(digest) for path, (*_, digest) in found.items()}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process of this host at a time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
