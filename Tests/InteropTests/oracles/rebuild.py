"""Builds a trained model again in NumPy, and compares its logits with those of `lra-train predict`.

  rebuild.py RUN LOGITS [DATABASE]      one run; DATABASE is data.sqlite in this folder unless it is given
  rebuild.py --list FILE                many: a line `RUN LOGITS DATABASE` each
    --checkpoint best|last|STEP  --split test    as they were given to predict
    --faults N                   also change every tensor in turn, on the N longest examples

Read are recipe.yaml, the checkpoint's model.safetensors and the dataset, in float64; every example is
computed alone and without padding. Nothing is shared with the Swift code but the formats and names.

Prints one JSON object for each run: the largest difference, the largest logit, tensors that the model did
not ask for, and with --faults the least difference that a changed tensor makes and the tensors whose change
makes none. An example in which a discrete choice (a bucket, the largest of several) is nearer than
TIE to falling the other way is counted under `ties` and not compared: rounding may decide it.
"""
import argparse
import json
import math
import sys

import numpy as np

import architectures
import compressed
import content
import files
import kernels
import patterns
import state_spaces
from parts import Example, Tensors, linear, relu

TIE = 3e-6
LEAST = 5e-5  # what a changed tensor must make a difference of, at least, to count

MIXERS = {
    "transformer": patterns.transformer, "local": patterns.local,
    "sparse_transformer": patterns.sparse_transformer, "longformer": patterns.longformer,
    "bigbird": patterns.bigbird, "linformer": compressed.linformer, "reformer": content.reformer,
    "sinkhorn": content.sinkhorn, "synthesizer": compressed.synthesizer,
    "linear": kernels.linear_transformer, "performer": kernels.performer,
    "performer_relu": kernels.performer_relu, "nystromformer": compressed.nystromformer,
    "luna": compressed.luna, "cosformer": kernels.cosformer, "fnet": kernels.fnet,
    "routing_transformer": content.routing_transformer,
    "memory_compressed": compressed.memory_compressed,
    "image_transformer": patterns.image_transformer, "transformer_xl": patterns.transformer_xl,
    "compressive_transformer": patterns.compressive_transformer, "kernelized": kernels.kernelized,
    "skyformer": compressed.skyformer, "informer": content.informer,
    "taylor": kernels.taylor,
}
# Mechanisms in blocks of the other form, which have a gate and no MLP.
GATED = {
    "s4d": state_spaces.s4d, "s5": state_spaces.s5, "lru": state_spaces.lru,
    "long_conv": state_spaces.long_conv, "sgconv": state_spaces.sgconv,
}
ARCHITECTURES = {
    "set_transformer": architectures.set_transformer,
    "star_transformer": architectures.star_transformer, "low_rank": architectures.low_rank,
    "rwkv": architectures.rwkv,
}
# The mechanism inside `looped` has its default keys.
DEFAULTS = {"luna": {"tie_key_value": False}, "s4d": {"init": "legs", "rescale": 1}}
# Ids of a task, padding counted; of one's own as recipes have it, of all others a byte's and 0.
VOCABULARIES = {"listops": 16}


class Keys(dict):
    """A model's own keys; flags that are off by default and stay off are left out of recipes."""

    def __missing__(self, key):
        return False


def embedded(w, ids, model):
    """Rows of a table, or a linear layer of what symbols are as numbers from 0 or from -1 to 1."""
    kind = model.get("input", "ids")
    if kind == "ids":
        return w["embed.token.weight"][ids]
    numbers = (ids - 1) / (model["vocabulary"] - 2)
    return linear(w, "embed.value", (2 * numbers - 1 if kind == "centred_values" else numbers)[:, None])


def encoded(w, x, example, name, encoder):
    """An encoder of blocks of the form that the mechanism's have."""
    if name in GATED:
        return encoder(w, x, example, GATED[name], state_spaces.block)
    return encoder(w, x, example, MIXERS[name])


def vector(w, ids, model, positions, padded):
    """One sequence to one vector, and the margin of its discrete choices."""
    x = embedded(w, ids, model)
    if model["classifier_pool"] == "CLS":
        x = np.concatenate([w["embed.cls"][None], x])
    length, width = x.shape
    if model["position"] == "learned":
        x = x + w["embed.position.weight"][:length]
    elif model["position"] == "sinusoidal":
        feature = np.arange(width)
        angle = np.arange(length)[:, None] / 10000.0 ** (feature // 2 * 2 / width)
        x = x + np.where(feature % 2, np.cos(angle), np.sin(angle))
    example = Example(model, Keys(model["mixer"]), positions, padded)
    name = model["model_type"]
    if name in ARCHITECTURES:
        x = ARCHITECTURES[name](w, x, example)
    elif name == "looped":
        inner = model["mixer"]["mixer"]
        example.keys = Keys({**model["mixer"], **DEFAULTS.get(inner, {})})
        x = encoded(w, x, example, inner, architectures.looped)
    else:
        x = encoded(w, x, example, name, architectures.standard)
    pool = model["classifier_pool"]
    if pool == "MEAN_PADDED":  # over the power of two that holds the longest sequence
        return x.sum(0) / 2 ** math.ceil(math.log2(positions)), example.margin
    return (x.mean(0) if pool == "MEAN" else x[0]), example.margin


def logits(w, documents, model, positions, padded):
    """The logits of one example, and the margin of its discrete choices."""
    found = [vector(w, ids, model, positions, padded) for ids in documents]
    a, b = found[0][0], found[-1][0]
    hidden = a
    if len(documents) == 2:
        hidden = np.concatenate({"concat": [a, b], "nli": [a, b, a * b, a - b]}[model["interaction"]])
    for name in ("head.hidden", "head.hidden2"):
        if f"{name}.weight" in w:
            hidden = relu(linear(w, name, hidden))
    return linear(w, "head.out", hidden), min(margin for _, margin in found)


def padded_lengths(lengths, batch):
    """What each example is padded to: the longest of its batch, examples being sorted by length."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    padded = [0] * len(lengths)
    for start in range(0, len(order), batch):
        for i in order[start:start + batch]:
            padded[i] = lengths[order[min(start + batch, len(order)) - 1]]
    return padded


def changed(values, name, random, size):
    """A tensor with other values of its kind: places and orders keep their range, what is above 0 its sign."""
    if name.endswith("bigbird.plan"):
        return np.roll(values, values.shape[1] // 2, 1)
    if name.endswith("samples"):
        return np.roll(values, len(values) // 2, 0)
    other = values + size * random.normal(size=values.shape) * (values.std() + 0.3)
    return np.abs(other) if name.endswith(("running_var", "kernel_norm")) else other


def effect(values, name, rows, built, theirs):
    """What changing a tensor does to logits; where it seems to do nothing, larger changes are tried."""
    random = np.random.default_rng(len(name))
    for size in (1, 10, 100):
        other = {**values, name: changed(values[name], name, random, size)}
        with np.errstate(all="ignore"):
            found = max(float(np.abs(built(other, row)[0] - theirs[row]).max()) for row in rows)
        if not found < LEAST:
            break
    return found


def compare(run, path, database, checkpoint="best", split="test", faults=0):
    recipe = files.recipe(run)
    model, longest = recipe["model"], recipe["data"]["max_length"]
    ids = VOCABULARIES.get(recipe["task"], 257)
    model["vocabulary"] = recipe["data"].get("vocabulary_size", ids)
    folder = files.checkpoint(run, checkpoint)
    values = files.safetensors(folder + "/model.safetensors")
    rows = [[ids[:longest] for ids in documents]
            for documents in files.examples(database, recipe["data"]["dataset"], split)]
    theirs = np.load(path)
    assert len(rows) == len(theirs), "predict wrote another split"
    front = 1 if model["classifier_pool"] == "CLS" else 0
    lengths = [max(len(ids) for ids in documents) for documents in rows]
    padded = [front + length for length in padded_lengths(lengths, recipe["train"]["batch_size"])]
    used = set()

    def built(values, row):
        return logits(Tensors(values, used=used), rows[row], model, longest + front, padded[row])

    found = [built(values, row) for row in range(len(rows))]
    clear = [row for row in range(len(rows)) if found[row][1] > TIE]
    difference = max(float(np.abs(found[row][0] - theirs[row]).max()) for row in clear)
    result = {
        "run": run, "model": model["model_type"], "checkpoint": folder[-13:], "examples": len(rows),
        "ties": len(rows) - len(clear), "difference": difference,
        "largest": float(np.abs(theirs).max()), "tensors": len(values),
        "unused": sorted(set(values) - used)}
    if faults:
        chosen = sorted(clear, key=lambda row: -lengths[row])[:faults]
        effects = {name: effect(values, name, chosen, built, theirs)
                   for name in values if name not in result["unused"]}
        seen = [found for found in effects.values() if not found < LEAST]
        result["without_effect"] = sorted(name for name, found in effects.items() if found < LEAST)
        result["least_effect"] = min(seen)
    return result


def main():
    parser = argparse.ArgumentParser(description="See the head of this file.")
    parser.add_argument("run", nargs="?")
    parser.add_argument("logits", nargs="?")
    parser.add_argument("database", nargs="?", default="data.sqlite")
    parser.add_argument("--list")
    parser.add_argument("--checkpoint", default="best")
    parser.add_argument("--split", default="test")
    parser.add_argument("--faults", type=int, default=0)
    parser.add_argument("--share", default="1/1", help="of the list: 2/3 is every third line, from the second")
    given = parser.parse_args()
    jobs = [line.split() for line in open(given.list)] if given.list else [
        [given.run, given.logits, given.database]]
    number, shares = map(int, given.share.split("/"))
    for job in jobs[number - 1::shares]:
        print(json.dumps(compare(*job, given.checkpoint, given.split, given.faults)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
