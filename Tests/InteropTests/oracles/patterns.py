"""Softmax over allowed pairs: each mechanism is a rule for who sees whom, as a dense L x L mask."""
import math

import numpy as np

from parts import attended, heads, linear, places, rotated, softmax, split


def masked(rule):
    """A mechanism from `rule(example, length, tensors, head)`, its mask."""

    def mixer(w, x, example):
        def attention(q, k, v, head):
            return attended(q, k, v, rule(example, len(x), w, head))

        return heads(w, x, example, attention)

    return mixer


def earlier(example, length):
    i, j = places(length)
    return (j <= i) | (not example.causal)


@masked
def transformer(example, length, w, head):
    return earlier(example, length)


@masked
def local(example, length, w, head):
    i, j = places(length)
    ahead = j // example.keys["block_size"] - i // example.keys["block_size"]
    near = (ahead >= -example.keys["blocks_before"]) & (ahead <= example.keys["blocks_after"])
    return near & earlier(example, length)


@masked
def sparse_transformer(example, length, w, head):
    keys, (i, j) = example.keys, places(length)
    s, c, first = keys["block_size"], keys["summary_size"], keys["open_first_token"]
    i, j = i - first, j - first
    if keys["pattern"] == "strided":
        near, far = abs(i - j) < s, (i - j) % s == 0
    else:
        near, far = i // s == j // s, (j % s >= s - c) | (keys["summary_of_first"] & (j % s == 0))
    if keys["heads"] == "union":
        seen = near | far
    elif keys["heads"] == "alternate":
        seen = near if example.layer % 2 == 0 else far
    else:
        seen = near if head < example.model["num_heads"] // 2 else far
    seen = seen & ((j <= i) | (not (example.causal or keys["causal_pattern"])))
    return (seen & (i >= 0) & (j >= 0)) | (i < 0) | (j < 0)


def longformer(w, x, example):
    keys, (i, j) = example.keys, places(len(x))
    half, g = keys["window"] // 2, min(keys["global_tokens"], len(x))
    left = half - 1 if keys["uneven_window"] else half
    steps, rest = np.divmod(j - i, keys["dilation"])
    window = (rest == 0) & (steps >= -left) & (steps <= half)
    allowed = (window | (j < g)) & earlier(example, len(x))
    count = example.model["num_heads"]
    owns = [split(linear(w, f"longformer.{name}_global", x), count) for name in "qkv"] if g else None

    def attention(q, k, v, head):
        found = attended(q, k, v, allowed)
        if g:
            q, k, v = (own[head] for own in owns)
            if example.model["position"] == "rotary":
                q, k = rotated(q), rotated(k)
            found[:g] = attended(q, k, v, earlier(example, len(x)))[:g]
        return found

    return heads(w, x, example, attention)


@masked
def bigbird(example, length, w, head):
    size, random = example.keys["block_size"], example.keys["num_rand_blocks"]
    plan, within = w["bigbird.plan"].astype(int), example.keys["random_within"]
    last = ((example.filled if example.keys["filled_rows"] else length) - 1) // size
    sees = {}
    for row in range(last + 1):
        sees[row] = {block for block in (0, row - 1, row, row + 1, last) if 0 <= block <= last}
        others = [block for block in plan[row] if block <= last and block not in sees[row]]
        if within:
            others = [block for block in others if block * size < within]
        sees[row] |= set(others[:random])
    sees[0] = sees[last] = set(range(last + 1))
    return np.array([[j // size in sees[i // size] for j in range(length)] for i in range(length)])


@masked
def image_transformer(example, length, w, head):
    keys = example.keys
    flat = keys["form"] == "1d"
    side = length if flat else math.isqrt(example.positions - 1) + 1
    tall, wide = (1, keys["block_width"]) if flat else (keys["block_height"], keys["block_width"])
    above, beside = (0, keys["flange_height"]) if flat else (keys["flange_height"], keys["flange_width"])

    def order(pixel):
        y, x = divmod(pixel, side)
        return y // tall, x // wide, y % tall, x % wide

    def sees(query, key):
        (y, x), (v, u) = divmod(query, side), divmod(key, side)
        top, left = y // tall * tall, x // wide * wide
        inside = top - above <= v < top + tall + above and left - beside <= u < left + wide + beside
        return inside and (not example.causal or order(key) <= order(query))

    return np.array([[sees(i, j) for j in range(length)] for i in range(length)])


def by_distance(w, distance, example):
    """Each head's vectors R_d W_r for an array of distances d: sines, then cosines."""
    width = example.model["emb_dim"]
    angle = distance[..., None] * 10000.0 ** (-np.arange(0, width, 2) / width)
    sinusoids = np.concatenate([np.sin(angle), np.cos(angle)], -1)
    return split(linear(w, "r", sinusoids), example.model["num_heads"])


def relative(w, q, keys, places, head):
    """((q_i + u) . k_j + (q_i + w) . R_{i-j} W_r) / sqrt(E)"""
    content = (q + w["u"][head]) @ keys.T
    place = ((q + w["w"][head])[:, None] * places[head]).sum(-1)
    return (content + place) / math.sqrt(q.shape[-1])


def transformer_xl(w, x, example):
    keys, length = example.keys, len(x)
    i, j = places(length)
    start = i // keys["segment_length"] * keys["segment_length"]
    allowed = (j >= start - keys["memory_length"]) & (j < start + keys["segment_length"])
    allowed = allowed & earlier(example, length)
    own = w.under("transformer_xl")
    distances = by_distance(own, i - j, example)

    def attention(q, k, v, head):
        return softmax(relative(own, q, k, distances, head), allowed) @ v

    return heads(w, x, example, attention)


def compressive_transformer(w, x, example):
    """Segment by segment: what left the memory is there as slots of c tokens, each one step away."""
    keys, count = example.keys, example.model["num_heads"]
    s, m, c = keys["segment_length"], keys["memory_length"], keys["compression_rate"]
    own = w.under("compressive_transformer")

    def slot(tokens):
        if keys["compression"] == "conv":
            return sum(own["conv.weight"][:, :, t] @ token for t, token in enumerate(tokens)) + own["conv.bias"]
        return tokens.mean(0) if keys["compression"] == "mean" else tokens.max(0)

    slots = [slot(x[first:first + c]) for first in range(0, len(x) - c + 1, c)]
    rows = []
    for start in range(0, len(x), s):
        here = np.arange(start, min(len(x), start + s))
        made = max(0, start - m) // c
        kept = slots[max(0, made - keys["compressed_memory_length"]):made]
        first = max(0, start - m)
        states = np.concatenate([np.array(kept).reshape(len(kept), x.shape[1]), x[first:here[-1] + 1]])
        where = np.concatenate([first - np.arange(len(kept), 0, -1), np.arange(first, here[-1] + 1)])
        distance = here[:, None] - where[None]
        allowed = (distance >= 0) | (not example.causal)
        bonus = np.where(np.arange(len(where)) < len(kept), math.log(c) * keys["weigh_slots"], 0)
        q, k, v = (split(linear(w, name, t), count) for name, t in
                   (("q", x[here]), ("k", states), ("v", states)))
        distances = by_distance(own, distance, example)
        rows.append(np.concatenate([
            softmax(relative(own, q[head], k[head], distances, head) + bonus, allowed) @ v[head]
            for head in range(count)], -1))
    return linear(w, "out", np.concatenate(rows))
