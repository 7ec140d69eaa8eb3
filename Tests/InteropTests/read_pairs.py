"""Reads pairs as docs/formats.md says, by running that page's own lines: read_pairs.py PAGE DB DATASET SPLIT COUNT.

Prints JSON on stdout. The lines read pair 17 of the training split of data.sqlite; only these names are put in.
"""
import json
import os
import re
import sys

readme, db, dataset, split, count = sys.argv[1:]
blocks = re.findall(r"```python\n(.*?)```", open(readme, encoding="utf-8").read(), re.S)
(lines,) = [block for block in blocks if "JOIN pair" in block]
os.chdir(os.path.dirname(db))
pairs = []
for position in range(int(count)):
    scope = {}
    exec(lines.replace("data.sqlite", os.path.basename(db)).replace("'train'", f"'{split}'")
         .replace("'retrieval'", f"'{dataset}'").replace("= 17", f"= {position}"), scope)
    pairs.append({"label": scope["rows"][0][3], "documents": [ids.tolist() for ids in scope["documents"]]})
print(json.dumps(pairs))
