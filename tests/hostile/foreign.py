"""Files of other programs by a table's name, and files of two kinds at once."""

import gzip
import io
import json
import sqlite3
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather

from tests.hostile.files import HostileFile, columns, counts_ng, h5ad, parquet
from tests.service.toy_tables import table

_SAYS = "table|UTF-8|gene|archive|header|names|columns|fields|NUL|gzip|number|rows|empty|Parquet|h5ad"
EXECUTED = "executed"
"""The file that a payload would make, beside the canaries."""


def pickled(outside: Path) -> bytes:
    """Opcodes that make a file when they are loaded; written by hand, since nothing here makes any."""
    command = f"touch {outside / EXECUTED}"
    return f"cos\nsystem\n(S'{command}'\ntR.".encode()


def files(outside: Path) -> Iterator[HostileFile]:
    payload = pickled(outside)
    yield from _pickles(payload)
    yield from _programs(outside)
    yield from _formats()
    yield from _polyglots()


def _pickles(payload: bytes) -> Iterator[HostileFile]:
    head = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head) + 1) + head.encode() + b"\n" + payload
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3\n")
    for name, body in {
        "protocol 0": payload,
        "protocol 2": b"\x80\x02" + payload,
        "protocol 5": b"\x80\x05\x95" + struct.pack("<Q", len(payload)) + payload,
        "gz": gzip.compress(payload, mtime=0),
        "npy": npy,
        "npz": _zipped("x.npy", npy),
        "torch": packed.getvalue(),
        "old torch": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + payload,
        "joblib": b"\x80\x04\x95" + struct.pack("<Q", len(payload)) + payload,
        "joblib zlib": b"ZF0x00000000000000ff" + payload,
        "with a table": payload + b"\n" + table(),
        "shelve": b"\x13\x57\x9a\xce" + b"\0" * 12 + payload,
    }.items():
        yield HostileFile("pickles", name, body, _SAYS)


def _zipped(name: str, body: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, body)
    return file.getvalue()


def _programs(outside: Path) -> Iterator[HostileFile]:
    touch = f"touch {outside / EXECUTED}"
    for name, body in {
        "shell": f"#!/bin/sh\n{touch}\n".encode(),
        "python": f"import os\nos.system({touch!r})\n".encode(),
        "ELF": b"\x7fELF\x02\x01\x01" + b"\0" * 9 + bytes(range(256)) * 8,
        "PE": b"MZ\x90\0" + b"\0" * 60 + bytes(range(256)) * 8,
        "wasm": b"\0asm\x01\0\0\0" + bytes(range(200)),
        "class": b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(range(200)),
        "passwd": b"nobody0:x:1000:1000:nobody,,,:/home/nobody0:/bin/false\n" * 30,
        "path": b"/etc/passwd",
        "file URL": b"file:///etc/passwd\n",
        "php": f"<?php system('{touch}'); ?>\n".encode(),
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>\n',
        "entities": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>\n',
        "laughs": b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>\n<x>&b;&b;</x>\n' * 10,
        "latex": b"\\input{/etc/passwd}\n\\write18{id}\n",
    }.items():
        yield HostileFile("programs", name, body, _SAYS)


def _database() -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("create table counts (gene text, s1 int)")
        database.execute("insert into counts values ('ENSMUSG00000000001', 7)")
        return database.serialize()


def _feather(**how: str) -> bytes:
    file = io.BytesIO()
    feather.write_feather(columns(), file, **how)  # type: ignore[arg-type]
    return file.getvalue()


def _stream() -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_stream(file, columns().schema) as stream:
        stream.write_table(columns())
    return file.getvalue()


def _npy() -> bytes:
    file = io.BytesIO()
    np.save(file, counts_ng(), allow_pickle=False)
    return file.getvalue()


def _formats() -> Iterator[HostileFile]:
    rows = [{"gene": f"ENSMUSG{number:011d}", "S1": number} for number in range(1, 30)]
    tensors = json.dumps({"x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    bam = b"BAM\x01" + struct.pack("<i", 0) + struct.pack("<i", 0)
    for name, body in {
        "json": json.dumps(rows).encode(),
        "json lines": "\n".join(map(json.dumps, rows)).encode(),
        "json deep": b"[" * 200_000,
        "xml": b"<table><row><gene>ENSMUSG00000000001</gene><s1>7</s1></row></table>\n" * 30,
        "html": b"<!doctype html><html><body><table><tr><td>1</td></tr></table></body></html>\n",
        "login page": b"<html><head><title>Sign in</title></head>\n<body>Please sign in</body></html>\n",
        "yaml": b"genes:\n  - ENSMUSG00000000001\ncounts:\n  - 7\n",
        "toml": b'[counts]\nENSMUSG00000000001 = 7\n[x]\ny = "z"\n',
        "markdown": b"# Counts\n\n- ENSMUSG00000000001: 7\n",
        "rtf": b"{\\rtf1\\ansi{\\fonttbl\\f0 Arial;}\\f0 counts}\n",
        "sqlite": _database(),
        "feather": _feather(),
        "feather v1": b"FEA1" + b"\0" * 100 + b"FEA1",
        "arrow stream": _stream(),
        "orc": b"ORC" + bytes(range(256)),
        "avro": b"Obj\x01" + bytes(range(256)),
        "npy": _npy(),
        "safetensors": struct.pack("<Q", len(tensors)) + tensors + b"\0" * 16,
        "mtx": b"%%MatrixMarket matrix coordinate integer general\n3 2 2\n1 1 7\n3 2 9\n",
        "rds": gzip.compress(b"X\n\0\0\0\x03\0\x04\x02\0" + bytes(range(200)), mtime=0),
        "bam": gzip.compress(bam, mtime=0),
        "sam": b"@HD\tVN:1.6\n@SQ\tSN:chr1\tLN:100\nr1\t0\tchr1\t1\t60\t5M\t*\t0\t0\tACGTA\tIIIII\n",
        "vcf": b"##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\n1\t100\t.\tA\tC\n1\t200\t.\tG\tT\n",
        "fastq": b"@r1\nACGTACGT\n+\nIIIIIIII\n" * 20,
        "fasta": b">ENSMUSG00000000001\nACGTACGTACGT\n" * 20,
        "gtf": b'1\thavana\tgene\t1\t9\t.\t+\t.\tgene_id "ENSMUSG00000000001";\n' * 20,
        "png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
        "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(range(256)) * 4,
        "pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n",
        "mail": b"From: a@b.c\nTo: d@e.f\nSubject: counts\n\nattached\n",
        "random": np.random.default_rng(8).bytes(20_000),
    }.items():
        yield HostileFile("other formats", name, body, _SAYS)


def _polyglots() -> Iterator[HostileFile]:
    csv, hdf5 = table(), h5ad()
    block = csv[: csv.rindex(b"\n", 0, 1024) + 1].ljust(1024, b"\n")
    for name, body in {
        "pdf": b"%PDF-1.7\n" + csv + b"%%EOF\n",
        "png": b"\x89PNG\r\n\x1a\n" + csv,
        "gif": b"GIF89a\xff\xff,\x00\n" + csv,
        "jpeg": b"\xff\xd8\xff\xe0\n" + csv,
        "html": b"<html><script>alert(1)</script>\n" + csv + b"</html>\n",
        "elf": b"\x7fELF\x02\x01\x01\n" + csv + bytes(range(256)),
        "zip behind": csv + _zipped("x.csv", csv),
        "zip in front": _zipped("x.csv", csv) + csv,
        "gzip behind": csv + gzip.compress(csv, mtime=0),
        "gzip and HDF5": gzip.compress(csv, mtime=0) + hdf5,
        "HDF5 behind a user block": b"\0" * 512 + hdf5,
        "HDF5 behind a table": block + hdf5,
        "HDF5 in gzip": gzip.compress(hdf5, mtime=0),
        "Parquet in gzip": gzip.compress(parquet(columns()), mtime=0),
        "Parquet behind a table": csv + parquet(columns()),
        "Parquet by HDF5's signature": b"\x89HDF\r\n\x1a\n" + parquet(columns()),
        "HDF5 by Parquet's magic": b"PAR1" + hdf5 + b"PAR1",
        "shell and table": b"#!/bin/sh\nexit 0\n" + csv + b"\x7fELF\n",
    }.items():
        yield HostileFile("polyglots", name, body, _SAYS)
