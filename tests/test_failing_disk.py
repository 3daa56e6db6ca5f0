"""A disk whose writes fail (EIO), then the power: what is on it once it is mended is whole; the work goes on.

A real ext2 in a file that was cut short and may not grow: the kernel says of a write behind its end what it
says of a broken disk.
"""

import errno
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from tests.test_full_disk import PAGE, WORKS, Work, bytes_of, free_pages

N_FAULTS = 8
SIZE = "48m"


class FailingDisk:
    """`place` is the disk."""

    def __init__(self, folder: Path) -> None:
        self.place, self._image = folder / "disk", folder / "image"
        self.place.mkdir()

    def make(self) -> bool:
        """Whether this machine lets us."""
        made = _ran("truncate", "-s", SIZE, self._image) and _ran("mkfs.ext2", "-q", "-b", PAGE, self._image)
        return made and self._mount(self._image)

    @contextmanager
    def failing(self, room: int) -> Iterator[None]:
        """While only `room` more pages can be written; at the end the power goes, and it is mended.

        What nobody had asked the kernel to write by then is lost.
        """
        self.close()
        whole = np.fromfile(self._image, np.uint8)
        end = min(len(whole), (int(whole.nonzero()[0][-1]) // PAGE + 1 + room) * PAGE)
        cut = os.memfd_create("disk", os.MFD_ALLOW_SEALING)
        with os.fdopen(cut, "w+b") as file:
            file.write(whole.tobytes())
            file.flush()
            assert self._mount(f"/proc/{os.getpid()}/fd/{cut}")
            os.ftruncate(cut, end)
            fcntl.fcntl(cut, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
            try:
                yield
            finally:
                file.seek(0)
                self._image.write_bytes(file.read().ljust(len(whole), b"\0"))
                self.close()
        mend = subprocess.run(["e2fsck", "-f", "-y", str(self._image)], capture_output=True, check=False)
        assert mend.returncode in (0, 1), mend.stdout  # 1: there was something to mend
        assert self._mount(self._image)

    def close(self) -> None:
        _ran("umount", self.place)

    def _mount(self, what: Path | str) -> bool:
        if not _ran("mount", "-t", "ext2", "-o", "loop,errors=continue", what, self.place):
            return False
        # A page a request: of one that ends behind the file's end the kernel writes a part, and says all.
        device = os.stat(self.place).st_dev
        limit = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/queue/max_sectors_kb")
        with suppress(OSError):
            limit.write_text(str(PAGE // 1024))
            return True
        return False


def _ran(*words: object) -> bool:
    with suppress(FileNotFoundError):
        return not subprocess.run([*map(str, words)], capture_output=True, check=False).returncode
    return False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FailingDisk]:
    made = FailingDisk(tmp_path)
    try:
        if not made.make():
            pytest.skip("only root, where there are loop devices and ext2, may make a disk")
        yield made
    finally:
        made.close()


def seen(folder: Path) -> dict[str, bytes]:
    """Every file but hidden ones: what was to be removed may be there again after the power went."""
    return {name: read for name, read in bytes_of(folder).items() if not name.startswith(".")}


def fault_of(work: Work, folder: Path) -> int:
    """With which fault of the disk's it ends; 0: with none."""
    try:
        work.write(folder)
    except OSError as error:
        return error.errno or -1
    return 0


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
def test_a_disk_that_fails_at_a_random_write_shows_nothing_torn_and_mended_all_is_as_ever(
    work: Work, disk: FailingDisk
) -> None:
    before = free_pages(disk.place)
    work.write(disk.place / "calm")
    undisturbed, needed = seen(disk.place / "calm"), before - free_pages(disk.place)
    rooms, n_failed = np.random.default_rng(22).integers(needed, size=N_FAULTS), 0
    for room in (*rooms, before):
        folder = Path(tempfile.mkdtemp(dir=disk.place))
        work.older(folder)
        older = seen(folder)
        with disk.failing(int(room)):
            number = fault_of(work, folder)
        assert number in (0, errno.EIO)
        if number:
            n_failed += 1
        else:
            older = undisturbed
        if older:
            assert seen(folder) == older
        if any(folder.iterdir()):
            work.read(folder)
        work.write(folder)
        assert seen(folder) == undisturbed
    assert 1 <= n_failed <= N_FAULTS  # it may find some room among what was removed
