"""Encoders of their own form: embedded tokens [L, D] to features [L, D], or to [1, D]."""
import math

import numpy as np

import patterns
from parts import activation, attended, layer_norm, linear, norm, relu, sigmoid, softmax, split


def block(w, x, example, mixer):
    """A mechanism and an MLP, each in a residual branch, with the norm before or after."""
    model = example.model
    eps, pre = model["layer_norm_eps"], model["norm"] == "pre"

    def branch(x, name, part):
        if pre:
            return x + part(layer_norm(w, name, x, eps))
        return layer_norm(w, name, x + part(x), eps)

    def mlp(x):
        return linear(w, "mlp.down", activation(model["activation"], linear(w, "mlp.up", x)))

    x = branch(x, "norm1", lambda x: mixer(w.under("attn"), x, example))
    return branch(x, "norm2", mlp)


def final(w, x, example):
    return norm(w, "norm", x, example.model) if example.model["norm"] == "pre" else x


def standard(w, x, example, mixer, block=block):
    for layer in range(example.model["num_layers"]):
        example.layer = layer
        own = 0 if example.model["tied_weights"] else layer
        x = block(w.under(f"blocks.{own}"), x, example, mixer)
    return final(w, x, example)


def looped(w, x, example, mixer, block=block):
    """z <- f(z + x), f being all blocks, from z = 0."""
    z, layers = np.zeros_like(x), example.model["num_layers"]
    for turn in range(example.keys["loops"]):
        z = z + x
        for layer in range(layers):
            example.layer = turn * layers + layer
            z = block(w.under(f"blocks.{layer}"), z, example, mixer)
    return final(w, z, example)


def low_rank(w, x, example):
    """The standard encoder with softmax attention, under other names; `linear` knows of factors."""
    for layer in range(example.model["num_layers"]):
        own = 0 if example.model["tied_weights"] else layer
        x = block(w.under(f"layers.{own}"), x, example, patterns.transformer)
    return final(w, x, example)


def rwkv(w, x, example):
    """The recurrence token by token, its two sums kept as they are."""
    model = example.model
    eps, width = model["layer_norm_eps"], x.shape[1]
    x = layer_norm(w, "in_norm", x, eps)
    for layer in range(model["num_layers"]):
        own = w.under(f"layers.{layer}")
        decay, bonus = np.exp(own["time.decay"]), own["time.first"]

        def mixed(name, now, before):
            share = own[name]
            return share * now + (1 - share) * before

        above = below = before = np.zeros(width)
        rows = []
        for now in layer_norm(own, "norm1", x, eps):
            k = linear(own, "time.key", mixed("time.mix_k", now, before))
            v = linear(own, "time.value", mixed("time.mix_v", now, before))
            gate = sigmoid(linear(own, "time.receptance", mixed("time.mix_r", now, before)))
            wkv = (above + np.exp(bonus + k) * v) / (below + np.exp(bonus + k))
            rows.append(linear(own, "time.out", gate * wkv))
            above = above * np.exp(-decay) + np.exp(k) * v
            below = below * np.exp(-decay) + np.exp(k)
            before = now
        x = x + np.array(rows)
        before, rows = np.zeros(width), []
        for now in layer_norm(own, "norm2", x, eps):
            hidden = relu(linear(own, "channel.key", mixed("channel.mix_k", now, before))) ** 2
            gate = sigmoid(linear(own, "channel.receptance", mixed("channel.mix_r", now, before)))
            rows.append(gate * linear(own, "channel.value", hidden))
            before = now
        x = x + np.array(rows)
    return layer_norm(w, "norm", x, eps)


def set_block(w, x, y, example):
    """MAB(X, Y)."""
    model = example.model
    count, width = model["num_heads"], x.shape[1]
    projected = linear(w, "q", x)
    outputs = [softmax(q @ k.T / math.sqrt(width)) @ v for q, k, v in zip(
        split(projected, count), split(linear(w, "k", y), count), split(linear(w, "v", y), count))]
    h = projected + np.concatenate(outputs, -1)
    if example.keys["layer_norm"]:
        h = layer_norm(w, "norm1", h, model["layer_norm_eps"])
    h = h + relu(linear(w, "out", h))
    return layer_norm(w, "norm2", h, model["layer_norm_eps"]) if example.keys["layer_norm"] else h


def set_transformer(w, x, example):
    for layer in range(example.model["num_layers"]):
        own = w.under(f"layers.{layer}")
        gathered = set_block(own.under("gather"), own["points"], x, example)
        x = set_block(own.under("spread"), x, gathered, example)
    pooled = set_block(w.under("pool"), w["seed"], x, example)
    for number in range(2):
        pooled = set_block(w.under(f"decoder.{number}"), pooled, pooled, example)
    return pooled


def star_transformer(w, x, example):
    model = example.model
    count = model["num_heads"]

    def leaky(x):
        return np.where(x > 0, x, 0.01 * x)

    def attention(w, query, keys):
        q, k, v = split(linear(w, "q", query), count), linear(w, "k", keys), linear(w, "v", keys)
        found = [attended(*one) for one in zip(q, split(k, count), split(v, count))]
        return leaky(linear(w, "out", np.concatenate(found, -1)))

    nodes, relay, nothing = x, x.mean(0, keepdims=True), np.zeros((1, x.shape[1]))
    for step in range(model["num_layers"]):
        own = w.under(f"steps.{step}")
        if example.keys["layer_norm"]:
            nodes = layer_norm(own, "norm", nodes, model["layer_norm_eps"])
        ring = np.concatenate([nothing, nodes, nothing])
        nodes = np.concatenate([
            attention(own.under("satellite"), ring[i + 1:i + 2],
                      np.concatenate([ring[i:i + 3], x[i:i + 1], relay])) for i in range(len(x))])
        relay = attention(own.under("relay"), relay, np.concatenate([relay, nodes]))
    return (nodes.max(0, keepdims=True) + relay) / 2
