"""Recomputes every checksum and digest of a dataset, sharing no code: digests.py DB DATASET.

Prints the content digest; fails on the first difference.
"""
import hashlib
import os
import sqlite3
import struct
import sys

db, name = sys.argv[1:]
folder = os.path.dirname(db)
index = sqlite3.connect(db)
dataset, task, stored_dataset = index.execute(
    "SELECT id, task, content_digest FROM dataset WHERE name = ?", (name,)).fetchone()
documents = [
    open(os.path.join(folder, path), "rb").read()[offset:offset + length] for path, offset, length in index.execute(
        "SELECT path, offset, length FROM example JOIN shard ON shard.id = shard_id JOIN split s "
        "ON s.id = example.split_id WHERE dataset_id = ? AND name = 'documents' ORDER BY position",
        (dataset,))]
whole = hashlib.sha256(task.encode() + b"\0")
for split, split_name, count, stored_split in index.execute(
        "SELECT id, name, count, content_digest FROM split WHERE dataset_id = ? ORDER BY ordinal",
        (dataset,)).fetchall():
    leaves = []
    for shard, path, size, sha256, meta_sha256 in index.execute(
            "SELECT id, path, bytes, sha256, meta_sha256 FROM shard WHERE split_id = ? ORDER BY ordinal",
            (split,)).fetchall():
        content = open(os.path.join(folder, path), "rb").read()
        table = open(os.path.join(folder, path[:-4] + ".tsv"), "rb").read()
        assert len(content) == size and hashlib.sha256(content).digest() == sha256, path
        assert hashlib.sha256(table).digest() == meta_sha256, path
        lines = table.decode().split("\n")
        assert lines[0] == "position\toffset\tlength\tlabel\tcheck64\tmeta" and lines[-1] == ""
        rows = index.execute(
            "SELECT position, offset, length, label, check64, meta FROM example WHERE shard_id = ? "
            "ORDER BY position", (shard,)).fetchall()
        assert len(rows) == len(lines) - 2, path
        for row, line in zip(rows, lines[1:]):
            assert "\t".join("" if field is None else str(field) for field in row) == line, line
            position, offset, length, label, check64, meta = row
            label = -1 if label is None else label
            meta = (meta or "").encode()
            symbols = content[offset:offset + length]
            head = struct.pack("<QqI", position, label, len(meta))
            check = hashlib.sha256(head + meta + symbols).digest()[:8]
            assert struct.unpack("<q", check)[0] == check64, (split_name, position)
            leaves.append(hashlib.sha256(
                struct.pack("<QqIQ", position, label, 1, len(symbols)) + symbols).digest())
    for place, (position, one, other, label, check64) in enumerate(index.execute(
            "SELECT position, document1, document2, label, check64 FROM pair WHERE split_id = ? ORDER BY position",
            (split,))):
        check = hashlib.sha256(struct.pack("<QqIQQ", position, label, 0, one, other)).digest()[:8]
        assert place == position and struct.unpack("<q", check)[0] == check64, (split_name, position)
        parts = b"".join(struct.pack("<Q", len(text)) + text for text in (documents[one], documents[other]))
        leaves.append(hashlib.sha256(struct.pack("<QqI", position, label, 2) + parts).digest())
    assert len(leaves) == count, split_name
    digest = hashlib.sha256(
        split_name.encode() + b"\0" + struct.pack("<Q", count) + b"".join(leaves)).digest()
    assert digest == stored_split, split_name
    whole.update(split_name.encode() + b"\0" + digest)
assert whole.digest() == stored_dataset
print(whole.hexdigest())
