"""Reads examples as the README says, by running the README's own lines: read_index.py README DB DATASET SPLIT COUNT.

Prints JSON on stdout. The lines read example 17 of the training split of data.sqlite; only these names are put in.
"""
import json
import os
import re
import sys

import numpy as np

readme, db, dataset, split, count = sys.argv[1:]
lines = re.search(r"```python\n(.*?)```", open(readme, encoding="utf-8").read(), re.S).group(1)
assert len(lines.splitlines()) == 5
os.chdir(os.path.dirname(db))
examples = []
for position in range(int(count)):
    scope = {}
    exec(lines.replace("data.sqlite", os.path.basename(db)).replace("'train'", f"'{split}'")
         .replace("listops-2k", dataset).replace("= 17", f"= {position}"), scope)
    examples.append({"label": scope["label"], "tokens": scope["ids"].tolist()})
whole = np.load(f"data/{dataset}/{split}-00000.npy", mmap_mode="r")
assert whole.ndim == 1 and whole.dtype == np.uint8
assert (whole[: len(examples[0]["tokens"])].astype(int) + 1).tolist() == examples[0]["tokens"]
print(json.dumps(examples))
