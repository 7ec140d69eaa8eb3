"""What a run and a database hold, read with NumPy and the standard library alone."""
import json
import os
import sqlite3
import struct
import zlib

import numpy as np


def safetensors(path):
    """Every tensor of a file by name, as float64."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", name
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"]).astype(np.float64)
    return tensors


def scalar(text):
    """A plain or quoted YAML scalar; the recipe's numbers and words are JSON's."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def flow(text):
    """The mapping of `{a: 1, b: [x, y]}`."""
    values, depth, quoted, item, items = {}, 0, False, "", []
    for letter in text.strip()[1:-1] + ",":
        quoted ^= letter == '"'
        depth += 0 if quoted else {"[": 1, "]": -1}.get(letter, 0)
        if letter == "," and not depth and not quoted:
            items.append(item)
            item = ""
        else:
            item += letter
    for item in filter(str.strip, items):
        key, _, value = item.partition(": ")
        values[key.strip()] = scalar(value.strip())
    return values


def recipe(run):
    """The resolved recipe: sections as dictionaries, `model` with `attention` in it."""
    sections, model = {}, {}
    for line in open(f"{run}/recipe.yaml", encoding="utf-8"):
        key, _, value = line.rstrip("\n").partition(":")
        place = model if key.startswith("  ") else sections
        value = value.strip()
        place[key.strip()] = flow(value) if value.startswith("{") else scalar(value)
    return {**sections, "model": model}


def checkpoint(run, name):
    """The folder of `best`, `last` or a step, as `lra-train` chooses it."""
    folder = f"{run}/checkpoints"
    steps = sorted(int(entry[5:]) for entry in os.listdir(folder) if entry.startswith("step-"))
    step = steps[-1]
    if name == "best":
        best = json.load(open(f"{folder}/step-{step:08}/state.json")).get("best")
        step = best["step"] if best else step
    elif name != "last":
        step = int(name)
    return f"{folder}/step-{step:08}"


def png(data):
    """The grey levels of an 8-bit PNG, row after row."""
    place, body = 8, b""
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        chunk = data[place + 8:place + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack_from(">IIBB", chunk)
            assert (depth, colour) == (8, 0)
        body += chunk if kind == b"IDAT" else b""
        place += size + 12
    raw = zlib.decompress(body)
    rows = np.zeros((height, width), int)
    for y in range(height):
        kind = raw[y * (width + 1)]
        for x in range(width):
            left = rows[y, x - 1] if x else 0
            above = rows[y - 1, x] if y else 0
            corner = rows[y - 1, x - 1] if x and y else 0
            guess = left + above - corner
            paeth = min((left, above, corner), key=lambda level: abs(guess - level))
            added = (0, left, above, (left + above) // 2, paeth)[kind]
            rows[y, x] = (raw[y * (width + 1) + 1 + x] + added) % 256
    return rows.reshape(-1)


def examples(database, dataset, split):
    """The documents of every example, by position: lists of arrays of token ids (byte + 1)."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)

    def column(name):
        rows = connection.execute(
            "SELECT path, offset, length, encoding FROM example JOIN shard ON shard.id = shard_id"
            " JOIN split s ON s.id = example.split_id JOIN dataset d ON d.id = dataset_id"
            " WHERE d.name = ? AND s.name = ? ORDER BY position", (dataset, name)).fetchall()
        found = []
        for path, offset, length, encoding in rows:
            path = os.path.join(os.path.dirname(database), path)
            data = np.fromfile(path, np.uint8, length, offset=offset)
            found.append((png(data.tobytes()) if encoding == "png" else data).astype(int) + 1)
        return found

    pairs = connection.execute(
        "SELECT document1, document2 FROM pair JOIN split s ON s.id = split_id"
        " JOIN dataset d ON d.id = dataset_id WHERE d.name = ? AND s.name = ? ORDER BY position",
        (dataset, split)).fetchall()
    if not pairs:
        return [[document] for document in column(split)]
    documents = column("documents")
    return [[documents[one], documents[other]] for one, other in pairs]
