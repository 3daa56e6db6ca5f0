"""An HDF5 file may name other files, or a place far larger than itself: looked at before it is read."""

from pathlib import Path

import h5py

from rnalearner.errors import CountsError

# Deflate, shuffle, Fletcher32, szip, n-bit, scale-offset; lzf and blosc as h5py and anndata know them.
_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000, 32001})
_MOST_BYTES = 64 * 2**30
"""A dense matrix of a million samples and 15,000 genes."""
_REWRITE = "write it again with anndata, as one self-contained file"


def refuse_foreign(path: Path) -> None:
    """Raises CountsError where the file links out of itself, or declares what no upload holds.

    A link is looked at before anything behind it is opened: HDF5 follows external links and reads
    external and virtual storage from any file that this process may read.
    """
    with h5py.File(path, "r") as file:
        seen = {h5py.h5o.get_info(file["/"].id).addr}
        waiting: list[tuple[str, h5py.Group]] = [("", file)]
        while waiting:
            place, group = waiting.pop()
            for name in group:
                here = f"{place}/{name}"
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise CountsError(path, f"holds a link at {here}", _REWRITE)
                item = group[name]
                if isinstance(item, h5py.Dataset):
                    _refuse_storage(path, here, item)
                elif isinstance(item, h5py.Group):
                    address = h5py.h5o.get_info(item.id).addr
                    if address in seen:
                        raise CountsError(path, f"holds a group twice, again at {here}", _REWRITE)
                    seen.add(address)
                    waiting.append((here, item))


def _refuse_storage(path: Path, here: str, item: h5py.Dataset) -> None:
    stored = item.id.get_create_plist()
    if stored.get_external_count() or stored.get_layout() == h5py.h5d.VIRTUAL:
        raise CountsError(path, f"keeps {here} in another file", _REWRITE)
    filters = {stored.get_filter(number)[0] for number in range(stored.get_nfilters())}
    if not filters <= _FILTERS:
        raise CountsError(path, f"packs {here} with filter {min(filters - _FILTERS)}", "pack it with gzip")
    size = (item.size or 0) * item.dtype.itemsize
    if size > _MOST_BYTES:
        raise CountsError(path, f"declares {size / 2**30:.0f} GiB at {here}", _REWRITE)
