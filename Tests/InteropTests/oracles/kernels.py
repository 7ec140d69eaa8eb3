"""Weights without softmax: every pair's weight is written down, as the papers define it."""
import math

import numpy as np

from parts import heads, places, relu, zeros_behind


def weighted(weigh, floor=None, added=0.0, normal=True):
    """A mechanism from `weigh(q, k, example, tensors)`: the [L, L] weights before causality."""

    def mixer(w, x, example):
        i, j = places(len(x))

        def attention(q, k, v, head):
            weights = np.where((j <= i) | (not example.causal), weigh(q, k, example, w), 0)
            total = weights.sum(1, keepdims=True) + added
            return weights @ v / (np.maximum(total, floor) if floor else total if normal else 1)

        return heads(w, x, example, attention)

    return mixer


def elu_features(q, k, example, w):
    def positive(x):
        return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))

    return positive(q) @ positive(k).T


def relu_features(q, k, example, w):
    return (relu(q) + 1e-3) @ (relu(k) + 1e-3).T


def performer(w, x, example):
    keys = example.keys
    if keys.get("kernel") == "relu":
        return performer_relu(w, x, example)
    directions = w["performer.features"]
    count, width = directions.shape

    def exponents(x):
        """W u - |u|^2 / 2 and what is maximal at 0 of it."""
        u = x * width ** (-1 / 2 if keys["scaled_twice"] else -1 / 4)
        projections = u @ directions.T
        found = projections - (u ** 2).sum(1, keepdims=True) / 2
        return found, projections if keys["projection_maxima"] else found

    def attention(q, k, v, head):
        if keys["filled_rows"] and not example.causal:
            k, v = zeros_behind(k, example.filled), zeros_behind(v, example.filled)
        (of_queries, query_tops), (of_keys, key_tops) = exponents(q), exponents(k)
        level = 0 if example.causal else key_tops.max()
        one = np.exp(of_queries - query_tops.max(1, keepdims=True)) + keys["eps"]
        weights = one @ (np.exp(of_keys - level) + keys["eps"]).T / count
        later = np.arange(len(k))[None] > np.arange(len(q))[:, None]
        weights = np.where(later & example.causal, 0, weights)
        total = weights.sum(1, keepdims=True)
        if not keys["filled_rows"]:
            total = total + (2e-6 * (total <= 1e-6) if keys["projection_maxima"] else 1e-6)
        return weights @ v / total

    return heads(w, x, example, attention)


def cosine(q, k, example, w):
    longest = example.padded if example.keys["length_from_batch"] else example.positions
    i, j = places(len(q))
    return relu(q) @ relu(k).T * np.cos(math.pi * (i - j) / (2 * longest))


def polynomial(q, k, example, w):
    bound = math.sqrt(example.keys["bound"])

    def limited(x):
        u = x / x.shape[1] ** 0.25
        return u / np.maximum(1, np.linalg.norm(u, axis=1, keepdims=True) / bound)

    logits = limited(q) @ limited(k).T
    return sum(logits ** n / math.factorial(n) for n in range(example.keys["degree"] + 1))


def gaussian(a, b):
    """exp(-|a - b|^2 / 2) of all pairs."""
    return np.exp(-((a[:, None] - b[None]) ** 2).sum(-1) / 2)


def gaussian_weights(q, k, example, w):
    root = q.shape[1] ** 0.25
    return gaussian(q / root, k / root)


def linear_transformer(w, x, example):
    if not example.keys["unnormalized"]:
        return weighted(elu_features, added=1e-6)(w, x, example)
    return weighted(lambda *given: elu_features(*given) / math.sqrt(example.filled), normal=False)(w, x, example)


performer_relu = weighted(relu_features, added=1e-6)
cosformer = weighted(cosine, floor=1e-6)
taylor = weighted(polynomial, floor=1e-30)
kernelized = weighted(gaussian_weights, normal=False)


def fnet(w, x, example):
    """The real part of the transform along both axes, by its definition."""
    length = example.padded if example.keys["length_from_batch"] else example.positions
    width = x.shape[1]
    along = np.exp(-2j * math.pi * np.outer(np.arange(length), np.arange(len(x))) / length)
    across = np.exp(-2j * math.pi * np.outer(np.arange(width), np.arange(width)) / width)
    return (along @ x @ across).real[: len(x)]
