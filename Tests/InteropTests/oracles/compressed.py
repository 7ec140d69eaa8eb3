"""Attention through fewer keys than tokens, and logits that are not dot products."""
import math

import numpy as np

from kernels import gaussian
from parts import attended, heads, layer_norm, linear, places, relu, rotated, softmax, split, zeros_behind


def inverse(a, iterations, largest=None):
    """The iteration of Razavi and others for the Moore-Penrose inverse, from A^T / (|A|_1 |A|_inf)."""
    identity = np.eye(len(a))
    z = a.T / (largest if largest else a.sum(0).max() * a.sum(1).max())
    for _ in range(iterations):
        product = a @ z
        z = z @ (13 * identity - product @ (15 * identity - product @ (7 * identity - product))) / 4
    return z


def linformer(w, x, example):
    if not (example.keys["shared_by_layers"] and example.layer):
        example.carried["linformer"] = w["linformer.projection"]
    projection = example.carried["linformer"][..., : len(x)]

    def attention(q, k, v, head):
        own = projection[head] if example.keys["per_head"] else projection
        return attended(q, own @ k, own @ v)

    return heads(w, x, example, attention)


def memory_compressed(w, x, example):
    factor, length = example.keys["compression"], len(x)
    slots = -(-length // factor)

    def shortened(x, kernel):
        found = [x[0]]
        for slot in range(slots):
            window = x[slot * factor: (slot + 1) * factor]
            found.append(sum(kernel[:, :, t] @ token for t, token in enumerate(window)))
        return np.array(found)

    def attention(q, k, v, head):
        own = slice(head * q.shape[1], (head + 1) * q.shape[1])
        keys = shortened(k, w["memory_compressed.key"][own])
        values = shortened(v, w["memory_compressed.value"][own])
        ends = np.array([0] + [(slot + 1) * factor for slot in range(slots)])
        allowed = (ends[None] <= np.arange(length)[:, None]) | (not example.causal)
        return attended(q, keys, values, allowed)

    return heads(w, x, example, attention)


def nystromformer(w, x, example):
    keys, length = example.keys, len(x)
    filled = keys["filled_rows"]
    size = -(-(example.filled if filled else example.positions) // keys["num_landmarks"])

    def landmarks(x):
        if filled:
            x = zeros_behind(x, example.filled)
        return np.array([x[start:start + size].mean(0) for start in range(0, len(x), size)])

    def attention(q, k, v, head):
        scale = math.sqrt(q.shape[1])
        few_q, few_k = landmarks(q), landmarks(k)
        core = softmax(few_q @ few_k.T / scale)
        far = softmax(few_q @ k.T / scale) @ v
        largest = core.sum(0).max() if filled else None
        found = softmax(q @ few_k.T / scale) @ inverse(core, keys["iterations"], largest) @ far
        if keys["conv_kernel_size"]:
            for t, weight in enumerate(w["nystromformer.conv"][head, 0]):
                shift = t - keys["conv_kernel_size"] // 2
                for i in range(max(0, -shift), min(length, length - shift)):
                    found[i] += weight * v[i + shift]
        return found

    return heads(w, x, example, attention)


def luna(w, x, example):
    count, eps = example.model["num_heads"], example.model["layer_norm_eps"]
    memory = example.carried.get("luna")
    if memory is None:
        memory = w["luna.memory"]

    def attention(w, queries, keys, tied):
        q, k, v = (linear(w, *one) for one in
                   (("q", queries), ("k", keys), ("k" if tied else "v", keys)))
        found = [attended(*one) for one in zip(split(q, count), split(k, count), split(v, count))]
        return linear(w, "out", np.concatenate(found, -1))

    packed = attention(w.under("luna.pack"), memory, x, example.keys["tie_key_value"])
    example.carried["luna"] = layer_norm(w, "luna.norm", memory + packed, eps)
    return attention(w, x, packed, False)


def synthesizer(w, x, example):
    count, length = example.model["num_heads"], len(x)
    i, j = places(length)
    values = split(linear(w, "v", x), count)
    own = w.under("synthesizer")
    outputs = []
    for head in range(count):
        logits = np.zeros((length, length))

        def hidden(name):
            return relu(split(linear(own, name, x), count)[head])

        for part in example.keys["synthesizer_mode"].split("+"):
            if part == "random":
                logits += own["random"][head, :length, :length]
            elif part == "factorized_random":
                logits += (own["random1"][head] @ own["random2"][head])[:length, :length]
            elif part == "dense":
                logits += linear(own, "logits", hidden("hidden"))[:, :length]
            else:
                a, b = (linear(own, name, hidden("factors")) for name in ("logits1", "logits2"))
                logits += np.array([[a[t, s % a.shape[1]] * b[t, s // a.shape[1]]
                                     for s in range(length)] for t in range(length)])
        if not example.keys["ignore_dot_product"]:
            q, k = (split(linear(w, name, x), count)[head] for name in "qk")
            if example.model["position"] == "rotary":
                q, k = rotated(q), rotated(k)
            logits += q @ k.T / math.sqrt(q.shape[1])
        outputs.append(softmax(logits, (j <= i) | (not example.causal)) @ values[head])
    return linear(w, "out", np.concatenate(outputs, -1))


def skyformer(w, x, example):
    keys, length = example.keys, len(x)
    chosen = [min(length - 1, int(number * length)) for number in w["skyformer.samples"]]
    half = len(chosen) // 2

    def attention(q, k, v, head):
        q, k = q / q.shape[1] ** 0.25, k / q.shape[1] ** 0.25
        points = np.concatenate([q[chosen[:half]], k[chosen[half:]]])
        core = gaussian(points, points) + keys["gamma"] * np.eye(2 * half)
        root = np.diag(core.sum(1) ** -0.5)
        middle = root @ inverse(root @ core @ root, keys["iterations"]) @ root
        return gaussian(q, points) @ middle @ gaussian(points, k) @ v

    return heads(w, x, example, attention)
