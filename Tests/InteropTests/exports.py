"""Reads an export without our code and compares every example with the index (sqlite3 and numpy alone).

python exports.py DATABASE DATASET FOLDER plain|webdataset|croissant
plain reads webdataset shards with tarfile; the other two with the packages of these names.
"""
import io
import json
import os
import sqlite3
import sys
import tarfile

import numpy as np

database, dataset, folder, reader = sys.argv[1:5]
base = os.path.dirname(os.path.abspath(database))
index = sqlite3.connect(database)
(number,) = index.execute("SELECT id FROM dataset WHERE name=?", (dataset,)).fetchone()
splits = index.execute("SELECT name, id FROM split WHERE dataset_id=? ORDER BY ordinal", (number,)).fetchall()


def examples(split):
    """Label, stored bytes and meta of every example, in order."""
    shards = dict(index.execute("SELECT id, path FROM shard WHERE split_id=?", (split,)))
    maps = {i: np.memmap(f"{base}/{path}", dtype=np.uint8, mode="r") for i, path in shards.items()}
    for shard, offset, length, label, meta in index.execute(
        "SELECT shard_id, offset, length, label, meta FROM example WHERE split_id=? ORDER BY position", (split,)
    ):
        yield label, maps[shard][offset : offset + length], meta


def pairs(split):
    return index.execute(
        "SELECT document1, document2, label FROM pair WHERE split_id=? ORDER BY position", (split,)
    ).fetchall()


def pixels(png):
    from PIL import Image

    return np.array(Image.open(io.BytesIO(png))).reshape(-1)


def samples(name):
    """The samples of a split's webdataset shards as dictionaries of bytes."""
    files = sorted(f for f in os.listdir(folder) if f.startswith(name + "-"))
    if reader == "webdataset":
        import webdataset

        yield from webdataset.WebDataset([f"{folder}/{f}" for f in files], shardshuffle=False)
        return
    for file in files:
        sample = {}
        with tarfile.open(f"{folder}/{file}") as archive:
            for member in archive:
                key, ending = member.name.split(".", 1)
                if sample and sample["__key__"] != key:
                    yield sample
                    sample = {}
                sample["__key__"] = key
                sample[ending] = archive.extractfile(member).read()
        yield sample


def array(content):
    return np.load(io.BytesIO(content), allow_pickle=False)


def check_shards():
    documents = [stored for _, stored, _ in examples(dict(splits).get("documents", -1))]
    for name, split in splits:
        expected = pairs(split)
        count = 0
        for sample in samples(name):
            if expected:
                one, other, label = expected[count]
                assert np.array_equal(array(sample["document1.npy"]), documents[one])
                assert np.array_equal(array(sample["document2.npy"]), documents[other])
            else:
                if count == 0:
                    stored_examples = examples(split)
                label, stored, meta = next(stored_examples)
                if "npy" in sample:
                    assert np.array_equal(array(sample["npy"]), stored)
                elif stored[:4].tobytes() == b"\x89PNG":
                    assert sample["png"] == stored.tobytes()
                else:
                    assert np.array_equal(pixels(sample["png"]), stored)
                assert meta is None or json.loads(sample["json"]) == json.loads(meta)
            assert int(sample["__key__"].split("/")[-1]) == count
            assert ("cls" not in sample) if label is None else int(sample["cls"]) == label
            count += 1
        (total,) = index.execute("SELECT count FROM split WHERE id=?", (split,)).fetchone()
        assert count == total, (name, count, total)
        print(name, count, "equal")


def check_croissant():
    import mlcroissant

    description = mlcroissant.Dataset(jsonld=f"{folder}/croissant.json")
    for name, split in splits:
        records = list(description.records(name))
        records.sort(key=lambda record: record[f"{name}/position"])
        expected = pairs(split)
        if expected:
            keys = ["document1", "document2", "label"]
            assert [tuple(record[f"{name}/{key}"] for key in keys) for record in records] == expected
        else:
            stored_examples = list(examples(split))
            assert len(records) == len(stored_examples), (name, len(records), len(stored_examples))
            for record, (label, stored, _) in zip(records, stored_examples):
                assert label is None or record[f"{name}/label"] == label
                if f"{name}/tokens" in record:
                    tokens = record[f"{name}/tokens"]
                    tokens = tokens.decode() if isinstance(tokens, bytes) else tokens
                    assert np.array_equal(np.array(tokens.split(), np.int32), stored.astype(np.int32) + 1)
                elif f"{name}/image" in record:
                    image = np.array(record[f"{name}/image"]).reshape(-1)
                    assert np.array_equal(image, pixels(stored.tobytes()))
        print(name, len(records), "equal")


check_croissant() if reader == "croissant" else check_shards()
