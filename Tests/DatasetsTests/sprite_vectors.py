"""Makes sprite-vectors.txt from the reference's sprites: sprite_vectors.py sprite-vectors.json.gz > sprite-vectors.txt

A line per vector; pictures as the first 16 digits of SHA-256 of their bytes, row by row.
"""
import gzip
import hashlib
import json
import sys


def digest(picture):
    return hashlib.sha256(bytes(value for row in picture for value in row)).hexdigest()[:16]


for entry in json.load(gzip.open(sys.argv[1]))["sets"]:
    head = f"{entry['window']} {entry['margin']}"
    for sprite in entry["sprites"]:
        print(head, "sprite", sprite["deg"], digest(sprite["line"]), digest(sprite["mask"]))
    for cell in entry["candidates"]:
        print(head, "candidate", cell["dy"], cell["dx"], *cell["next_pivot"], digest(cell["line"]), digest(cell["mask"]))
    print(head, "marker", digest(entry["marker"]))
