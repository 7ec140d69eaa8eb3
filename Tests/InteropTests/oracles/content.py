"""Attention among tokens that their content brings together: hashes, sorting, clusters, sharp queries."""
import math

import numpy as np

from parts import attended, heads, linear, softmax, split


def largest(values, count, example):
    """The places of the largest values; how near the choice was is noted."""
    order = np.argsort(-values, kind="stable")
    if 0 < count < len(values):
        example.choose(values[order[count - 1]] - values[order[count]])
    return order[:count]


def bucket_of(token, rotations, example):
    """One digit for each rotation [E, n / 2] of a token, the first one the lowest."""
    bucket, unit = 0, 1
    for rotation in rotations:
        turned = token @ rotation
        both = np.concatenate([turned, -turned])
        bucket += unit * int(largest(both, 1, example)[0])
        unit *= len(both)
    return bucket


def reformer(w, x, example):
    """Softmax over the union of all rounds' partners; without the count correction a multiset of them."""
    keys, length, count = example.keys, len(x), example.model["num_heads"]
    rotations, chunk = [], keys["chunk_length"]
    while f"reformer.rotations{len(rotations)}" in w:
        rotations.append(w[f"reformer.rotations{len(rotations)}"])
    outputs = []
    for head, (q, v) in enumerate(zip(split(linear(w, "qk", x), count), split(linear(w, "v", x), count))):
        meetings = np.zeros((length, length))
        turns = []
        for turn in range(keys["n_hashes"]):
            own = [one[turn, head] for one in rotations]
            buckets = [bucket_of(token, own, example) for token in q]
            order = sorted(range(length), key=lambda t: (buckets[t], t))
            turns.append((buckets, {token: place // chunk for place, token in enumerate(order)}))
        last = ((example.filled if keys["filled_rows"] else length) - 1) // chunk
        for turn, (buckets, chunks) in enumerate(turns):
            behind = turns[turn - 1][1] if keys["across_buckets"] else chunks
            for t in range(length):
                for s in range(length):
                    near = chunks[s] == chunks[t]
                    back = chunks[s] == chunks[t] - 1 if chunks[t] else last and behind[s] == last
                    if keys["across_buckets"]:
                        meetings[t, s] += int(near) + int(back)
                    else:
                        meet = buckets[t] == buckets[s] and (near or back)
                        meetings[t, s] += meet and (s <= t or not example.causal)
        least = 1e-6 * q.shape[1] if keys["unit_logits"] else 0
        unit = q / np.sqrt((q ** 2).sum(1, keepdims=True) + least)
        scale = 1 if keys["unit_logits"] else math.sqrt(q.shape[1])
        rows = []
        for t in range(length):
            others = [s for s in range(length) if s != t and meetings[t, s]] or [t]
            times = np.ones(len(others)) if keys["count_pairs_once"] else meetings[t, others]
            rows.append(softmax(unit[others] @ q[t] / scale + np.log(times)) @ v[others])
        outputs.append(np.array(rows))
    return linear(w, "out", np.concatenate(outputs, -1))


def sinkhorn(w, x, example):
    keys, length = example.keys, len(x)
    size = keys["block_size"]
    blocks = [range(start, min(length, start + size)) for start in range(0, length, size)]
    n = len(blocks)

    def filled(x):
        """Every block with zeros where it has no tokens: [n, min(b, L), E]."""
        out = np.zeros((n, min(size, length), x.shape[1]))
        for row, block in enumerate(blocks):
            out[row, : len(block)] = x[list(block)]
        return out

    def attention(q, k, v, head):
        net = w["sinkhorn.net"][head]
        scores = np.zeros((n, n))
        for row in range(n):
            for column in range(n):
                if example.causal:
                    summary = k[: row * size + 1].mean(0)
                    scores[row, column] = summary @ net[:, column] if column < row else -np.inf
                else:
                    scores[row, column] = k[list(blocks[column])].mean(0) @ net[:, row]
        scores /= keys["temperature"]
        if example.causal:
            mix = softmax(scores)
        else:
            mix = np.exp(scores)
            for _ in range(keys["iterations"]):
                mix = mix / mix.sum(1, keepdims=True)
                mix = mix / mix.sum(0, keepdims=True)
        found = np.zeros_like(v)
        for i in range(length):
            row = i // size
            own = [j for j in blocks[row] if j <= i or not example.causal]
            their_keys, their_values = k[own], v[own]
            if row or not example.causal:
                their_keys = np.concatenate([their_keys, np.tensordot(mix[row], filled(k), 1)])
                their_values = np.concatenate([their_values, np.tensordot(mix[row], filled(v), 1)])
            found[i] = attended(q[i:i + 1], their_keys, their_values)[0]
        return found

    return heads(w, x, example, attention)


def routing_transformer(w, x, example):
    keys, length = example.keys, len(x)

    def unit(x):
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    def attention(q, k, v, head):
        centroids = w["routing_transformer.centroids"][head]
        members = keys["window"] or -(-example.positions // len(centroids))
        k = unit(k)
        q = k if keys["share_qk"] else unit(q)
        found = [[] for _ in range(length)]
        for centroid in centroids:
            rows = largest(q @ centroid, min(members, length), example)
            columns = largest(k @ centroid, min(members, length), example)
            for t, output in zip(rows, attended(q[rows], k[columns], v[columns])):
                found[t].append(output)
        return np.array([np.mean(one, 0) if one else np.zeros(v.shape[1]) for one in found])

    return heads(w, x, example, attention, "k" if keys["share_qk"] else "q")


def informer(w, x, example):
    length = len(x)
    # Products of single-precision numbers, whose integer part is the place.
    numbers = w["informer.samples"][:length].astype(np.float32) * np.float32(length)
    sampled = np.minimum(numbers.astype(int), length - 1)

    def attention(q, k, v, head):
        logits = q @ k.T
        asked = np.take_along_axis(logits, sampled, 1)
        sharp = largest(asked.max(1) - asked.mean(1), min(sampled.shape[1], length), example)
        found = np.tile(v.mean(0), (length, 1))
        found[sharp] = attended(q[sharp], k, v)
        return found

    return heads(w, x, example, attention)
