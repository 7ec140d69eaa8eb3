"""Writes a few seed inputs per fuzz target: seeds.py FOLDER."""

import io
import json
import os
import pickle
import struct
import sys
import tarfile
import zipfile
import zlib

folder = sys.argv[1]


def seed(target, name, content):
    os.makedirs(f"{folder}/{target}", exist_ok=True)
    with open(f"{folder}/{target}/{name}", "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def npy(descr, shape, data, version=1):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    start = 10 if version == 1 else 12
    text += " " * (63 - (start + len(text)) % 64) + "\n"
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode() + data


seed("npy", "tokens", npy("<i2", "(2, 3)", struct.pack("<6h", 1, 2, 0, 256, 0, 0)))
seed("npy", "labels", npy("|u1", "(4,)", bytes([0, 1, 2, 1]), version=2))
seed("npy", "texts", npy("<U4", "(1, 2)", bytes(32), version=3))


def batch(labels, rows, columns, data):
    short = lambda text: b"U" + bytes([len(text)]) + text
    return (
        b"\x80\x02}q\x01(" + short(b"labels") + b"]q\x02(" + b"".join(b"K" + bytes([label]) for label in labels)
        + b"e" + short(b"data") + b"cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nK\x00\x85"
        + short(b"b") + b"\x87R(K\x01K" + bytes([rows]) + b"K" + bytes([columns]) + b"\x86cnumpy\ndtype\n"
        + short(b"u1") + b"K\x00K\x01\x87R(K\x03" + short(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<I", len(data)) + data + b"tbu."
    )


seed("pickle", "two", batch([1, 2], 2, 3, bytes(range(6))))
seed("pickle", "bytes", pickle.dumps({b"labels": [1, 2], b"data": b"\x00\xff"}, protocol=2))
seed("pickle", "three", pickle.dumps({b"labels": [1], b"data": b"x"}, protocol=3))

seed("listops", "lines", "Source\tTarget\r\n( ( ( [MAX 4 ) 2 ) ] )\t4\r\n( ( [MED 1 ) ( ( ( [SM 2 ) [MIN ) ] )\t3\r\n")
seed("listops", "one", "Source\tTarget\n[MIN 3 [MED 3 4 ] ]\t3\n[SM 7 8 ]\t5")
seed("tsv", "plain", "0\tone\n1\ttwo\r\n")
seed("tsv", "header", "split\tlabel\ttext\ntrain\t0\tone\ntest\t7\ttwo\n")
seed("aan", "pairs", "1.0\tA1\tB2\tone text\tanother\n0.0\tB2\tA1\tanother\tone text\r\n0.0\tA1\tC3\tother text\t")
seed(
    "sidetable", "rows",
    "position\toffset\tlength\tlabel\tcheck64\tmeta\n0\t128\t8\t4\t-77\t\n1\t136\t2\t\t5\t{\"a\":\"b\\tc\"}\n",
)
split = {
    "name": "train", "ordinal": 0, "examples": 1, "content_digest": "00", "labels": {"1": 1}, "duplicates": 0,
    "lengths": {"min": 1, "lower_quartile": 1, "median": 1, "upper_quartile": 1, "max": 1, "tokens": 1},
}
manifest = {
    "schema": 1, "tool": "lra-data", "name": "a", "task": "listops", "generator_version": 1, "seed": 0,
    "parameters": {"max_args": 10, "continuity": "1.8"}, "shard_examples": 4096, "splits": [split],
    "duplicates_across_splits": 0, "content_digest": "00", "sources": [{"name": "x", "bytes": 1, "sha256": "0"}],
    "licence": "CC0-1.0", "citation": "c",
}
seed("manifest", "whole", json.dumps(manifest))


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(depth, colour, extra=b""):
    channels = {0: 1, 2: 3, 3: 1}[colour]
    rows = b"".join(b"\0" + bytes([y % 256] * (32 * channels * depth // 8)) for y in range(32))
    header = struct.pack(">IIBBBBB", 32, 32, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


seed("png", "grey", png(8, 0))
seed("png", "colour", png(8, 2))
seed("png", "text", png(8, 0, chunk(b"tEXt", b"a\0b") + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(500)))))


def tar(names, mode="w", **options):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, **options) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"abc"))
    return file.getvalue()[:4096]


seed("archive", "tar", tar(["a/b"], format=tarfile.USTAR_FORMAT)[:2048])
seed("archive", "pax", tar(["a/\u00e9"], format=tarfile.PAX_FORMAT)[:4096])
seed("archive", "gz", tar(["a/b"], mode="w:gz"))
seed("archive", "xz", tar(["a/b"], mode="w:xz"))
file = io.BytesIO()
with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("a/b", "abc" * 20)
seed("archive", "zip", file.getvalue())
