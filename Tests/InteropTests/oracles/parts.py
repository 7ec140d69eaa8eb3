"""What most models are made of, for one example: arrays are [L, width], float64."""
import math

import numpy as np

erf = np.vectorize(math.erf, otypes=[float])


class Tensors:
    """The tensors under a prefix; remembers which ones a model asked for."""

    def __init__(self, values, prefix="", used=None):
        self.values, self.prefix = values, prefix
        self.used = set() if used is None else used

    def under(self, prefix):
        return Tensors(self.values, f"{self.prefix}{prefix}.", self.used)

    def __contains__(self, name):
        return self.prefix + name in self.values

    def __getitem__(self, name):
        self.used.add(self.prefix + name)
        return self.values[self.prefix + name]


class Example:
    """What a mechanism knows besides its input: the model, the layer, what goes from layer to layer."""

    def __init__(self, model, keys, positions, padded):
        self.model, self.keys, self.positions, self.padded = model, keys, positions, padded
        self.layer, self.carried = 0, {}
        # The smallest distance of a discrete choice (a bucket, a top k) from falling the other way.
        self.margin = math.inf

    @property
    def causal(self):
        return self.model["causal"]

    @property
    def filled(self):
        """What mechanisms with `filled_rows` take a row's length for: the next power of two."""
        return 1 << (self.positions - 1).bit_length()

    def choose(self, margin):
        self.margin = min(self.margin, float(margin))


def linear(w, name, x):
    """W x + b, W being whole or a product of two thin matrices."""
    if f"{name}.v.weight" in w:
        name += ".u"
        matrix = w[f"{name}.weight"] @ w[f"{name[:-2]}.v.weight"]
    else:
        matrix = w[f"{name}.weight"]
    y = x @ matrix.T
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def layer_norm(w, name, x, eps):
    centred = x - x.mean(-1, keepdims=True)
    spread = np.sqrt((centred ** 2).mean(-1, keepdims=True) + eps)
    return centred / spread * w[f"{name}.weight"] + w[f"{name}.bias"]


def norm(w, name, x, model):
    """The model's own: of every position, or by the running averages of what batches were like."""
    eps = model["layer_norm_eps"]
    if model.get("norm_type", "layer") == "layer":
        return layer_norm(w, name, x, eps)
    centred = x - w[f"{name}.running_mean"]
    return centred / np.sqrt(w[f"{name}.running_var"] + eps) * w[f"{name}.weight"] + w[f"{name}.bias"]


def relu(x):
    return np.where(x > 0, x, 0.0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def activation(name, x):
    if name == "relu":
        return relu(x)
    if name == "gelu_tanh":
        return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))
    assert name == "gelu"
    return x / 2 * (1 + erf(x / math.sqrt(2)))


def softmax(logits, allowed=None):
    """Over the last axis; a row that is allowed nothing is zero."""
    if allowed is not None:
        logits = np.where(allowed, logits, -np.inf)
    top = logits.max(-1, keepdims=True)
    weights = np.exp(logits - np.where(np.isfinite(top), top, 0))
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total > 0, total, 1)


def split(x, heads):
    """One array for each head."""
    return np.split(x, heads, axis=-1)


def zeros_behind(x, length):
    """Rows of zeros up to a length."""
    return np.concatenate([x, np.zeros((length - len(x), x.shape[1]))])


def places(length):
    """Every query's place as a column, every key's as a row."""
    return np.arange(length)[:, None], np.arange(length)[None, :]


def rotated(x):
    """Each pair of neighbouring features as a complex number, turned by the token's place."""
    length, width = x.shape
    rate = 10000.0 ** (-np.arange(0, width, 2) / width)
    turned = (x[:, 0::2] + 1j * x[:, 1::2]) * np.exp(1j * np.arange(length)[:, None] * rate)
    out = np.empty_like(x)
    out[:, 0::2], out[:, 1::2] = turned.real, turned.imag
    return out


def heads(w, x, example, attention, queries="q"):
    """q, k, v to heads, each head's own attention, and out: `attention(q, k, v, head)`."""
    count = example.model["num_heads"]
    q, k, v = (split(linear(w, name, x), count) for name in (queries, "k", "v"))
    if example.model["position"] == "rotary":
        q, k = [rotated(one) for one in q], [rotated(one) for one in k]
    outputs = [attention(q[head], k[head], v[head], head) for head in range(count)]
    return linear(w, "out", np.concatenate(outputs, -1))


def attended(q, k, v, allowed=None):
    """Softmax attention of one head."""
    return softmax(q @ k.T / math.sqrt(q.shape[-1]), allowed) @ v
