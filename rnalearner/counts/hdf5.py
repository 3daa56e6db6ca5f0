"""An HDF5 file may name other files, or a place far larger than itself: looked at before it is read."""

from pathlib import Path

import h5py

from rnalearner.counts.bounds import refuse_bomb
from rnalearner.errors import CountsError

# Deflate, shuffle, Fletcher32, szip, n-bit, scale-offset; lzf and blosc as h5py and anndata know them.
_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000, 32001})
_MOST_OBJECTS = 10_000
"""Groups and datasets of one file."""
_ATTRIBUTE_BYTES = 2**20
"""Of one attribute at most, where a string of any length counts 16: names of columns, not numbers."""
_REWRITE = "write it again with anndata, as one self-contained file"


def refuse_foreign(path: Path) -> None:
    """Raises CountsError where the file links out of itself, or declares what no upload holds.

    A link is looked at before anything behind it is opened: HDF5 follows external links and reads
    external and virtual storage from any file that this process may read.
    """
    with h5py.File(path, "r") as file:
        seen = {h5py.h5o.get_info(file["/"].id).addr}
        waiting: list[tuple[str, h5py.Group]] = [("", file)]
        size, n_objects, n_bytes = path.stat().st_size, 0, 0
        while waiting:
            place, group = waiting.pop()
            _refuse_wide(path, place or "/", group)
            n_objects += len(group)
            if n_objects > _MOST_OBJECTS:
                raise CountsError(path, f"holds more than {_MOST_OBJECTS} groups and arrays", _REWRITE)
            for name in group:
                here = f"{place}/{name}"
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise CountsError(path, f"holds a link at {here}", _REWRITE)
                item = group[name]
                if isinstance(item, h5py.Dataset):
                    _refuse_wide(path, here, item)
                    n_bytes += _bytes_of(path, here, item)
                    refuse_bomb(path, n_bytes, size)
                elif isinstance(item, h5py.Group):
                    address = h5py.h5o.get_info(item.id).addr
                    if address in seen:
                        raise CountsError(path, f"holds a group twice, again at {here}", _REWRITE)
                    seen.add(address)
                    waiting.append((here, item))


def _refuse_wide(path: Path, here: str, item: h5py.Group | h5py.Dataset) -> None:
    """Raises CountsError where an attribute holds far more than its place has use for: all of it is read."""
    for number in range(h5py.h5a.get_num_attrs(item.id)):
        attribute = h5py.h5a.open(item.id, index=number)
        n_bytes = attribute.get_space().get_simple_extent_npoints() * attribute.get_type().get_size()
        if n_bytes > _ATTRIBUTE_BYTES:
            what = f"holds an attribute of {n_bytes / 2**20:.0f} MiB at {here}"
            raise CountsError(path, what, _REWRITE)


def _bytes_of(path: Path, here: str, item: h5py.Dataset) -> int:
    """What an array takes once it is read; raises CountsError where it lies elsewhere, or is a bomb."""
    stored = item.id.get_create_plist()
    if stored.get_external_count() or stored.get_layout() == h5py.h5d.VIRTUAL:
        raise CountsError(path, f"keeps {here} in another file", _REWRITE)
    filters = {stored.get_filter(number)[0] for number in range(stored.get_nfilters())}
    if not filters <= _FILTERS:
        raise CountsError(path, f"packs {here} with filter {min(filters - _FILTERS)}", "pack it with gzip")
    if here.rsplit("/", 1)[-1] in ("indices", "indptr") and item.dtype.kind not in "iu":
        raise CountsError(path, f"holds no sparse matrix: {here} is not of whole numbers", _REWRITE)
    n_bytes = int(item.size or 0) * item.dtype.itemsize
    refuse_bomb(path, n_bytes, item.id.get_storage_size(), f" at {here}")
    return n_bytes
