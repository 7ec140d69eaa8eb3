"""Reads examples with sqlite3 and numpy alone: read_index.py DB DATASET SPLIT COUNT, JSON on stdout."""
import json
import os
import sqlite3
import sys

import numpy as np


def sequence(db, dataset, split, position):
    # The five lines of the README.
    path, offset, length, label = sqlite3.connect(db).execute(
        "SELECT path, offset, length, label FROM example JOIN shard ON shard.id = shard_id "
        "JOIN split ON split.id = example.split_id JOIN dataset ON dataset.id = dataset_id "
        "WHERE dataset.name = ? AND split.name = ? AND position = ?", (dataset, split, position)).fetchone()
    ids = np.fromfile(os.path.join(os.path.dirname(db), path), np.uint8, length, offset=offset) + 1
    return ids, label


db, dataset, split, count = sys.argv[1:]
examples = []
for position in range(int(count)):
    ids, label = sequence(db, dataset, split, position)
    examples.append({"label": label, "tokens": ids.tolist()})
shard = os.path.join(os.path.dirname(db), f"data/{dataset}/{split}-00000.npy")
whole = np.load(shard, mmap_mode="r")
assert whole.ndim == 1 and whole.dtype == np.uint8
assert (whole[: len(examples[0]["tokens"])] + 1).tolist() == examples[0]["tokens"]
print(json.dumps(examples))
