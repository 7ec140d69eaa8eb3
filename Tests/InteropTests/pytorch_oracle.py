"""The models again in plain PyTorch, from the tensors' names: nothing here is ours but the file formats.

  pytorch_oracle.py gradients FOLDER...            compares loss and the gradient of every parameter
  pytorch_oracle.py logits RUN CHECKPOINT EXAMPLES.json LOGITS.npy     compares what `predict` wrote
  pytorch_oracle.py training FOLDER                compares weights after steps of AdamW and OneCycleLR
  pytorch_oracle.py beginnings FOLDER              compares initial values with those of PyTorch's layers

Prints one JSON object per line. Counter-based dropout is emulated with NumPy from its description in
Sources/CTorch/Kernels: Philox4x32-7 (Salmon and others 2011) under keys mixed by SplitMix64's finaliser.
"""
import json
import math
import re
import sys

import numpy as np
import torch
from torch.nn import functional as F

from oracles import files

MASK = (1 << 64) - 1


def safetensors(path):
    return {name: torch.from_numpy(values.astype(np.float32)) for name, values in files.safetensors(path).items()}


# Random numbers by counter


def mix(key, value):
    x = (key + (value + 1) * 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def under(key, name):
    """The key for a number or for a name (FNV-1a) under another."""
    if isinstance(name, int):
        return mix(key, name & MASK)
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return mix(key ^ 0x6E616D65, value)


def philox(counter, key):
    """Four arrays of words of counters to four arrays of random words."""
    c = [np.asarray(x, np.uint64) for x in np.broadcast_arrays(*counter)]
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    low = np.uint64(0xFFFFFFFF)
    for _ in range(7):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(b >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), b & low,
             (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), a & low]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c)


def kept(words, half, rate):
    """0 or 1/(1 - rate) by the 16-bit half that belongs to each element."""
    threshold = math.floor(rate * 65536 + 0.5)
    word = np.take_along_axis(words, (half // 2)[None], 0)[0]
    draw = np.where(half % 2 == 1, word >> np.uint64(16), word & np.uint64(0xFFFF))
    return np.where(draw >= threshold, np.float32(65536 / (65536 - threshold)), np.float32(0))


class Dropout:
    """The masks of one training step; `None` in their place is evaluation."""

    def __init__(self, seed, step, examples):
        root = mix(0x6C72612D73776966, seed)
        self.key = under(under(root, "training"), step)
        self.examples = examples

    def keys(self, layer, site):
        key = under(under(self.key, layer), site)
        return [mix(key, example) for example in self.examples]

    def elements(self, x, rate, layer, site):
        if rate == 0:
            return x
        e = np.arange(x[0].numel())
        counter = e // 128 * 16 + e % 16
        zero = np.zeros_like(counter)
        masks = [kept(philox([counter & 0xFFFFFFFF, counter >> 32, zero, zero], key), e % 128 // 16, rate)
                 for key in self.keys(layer, site)]
        return x * torch.from_numpy(np.stack(masks)).reshape(x.shape)

    def probabilities(self, p, rate, layer):  # [B, H, L, L]
        if rate == 0:
            return p
        _, heads, length, _ = p.shape
        h, i, j = np.meshgrid(np.arange(heads), np.arange(length), np.arange(length), indexing="ij")
        masks = [kept(philox([i, j // 8, h, np.zeros_like(j)], key), j % 8, rate)
                 for key in self.keys(layer, "attention.probability")]
        return p * torch.from_numpy(np.stack(masks))


# The model


def sinusoids(length, width):
    position = np.arange(length)[:, None]
    angle = position * np.exp(-(np.arange(width) // 2 * 2) * math.log(10000) / width)
    values = np.where(np.arange(width) % 2 == 0, np.sin(angle), np.cos(angle))
    return torch.from_numpy(values.astype(np.float32))


def rotated(x):  # [B, H, L, E], pairs of neighbours turned by their place
    length, width = x.shape[2:]
    angle = np.arange(length)[:, None] * 10000.0 ** (-2 * np.arange(width // 2) / width)
    cos, sin = (torch.from_numpy(f(angle).astype(np.float32)) for f in (np.cos, np.sin))
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


def attention(x, w, prefix, m, real, layer, dropout):
    batch, length, _ = x.shape
    q, k, v = (
        F.linear(x, w[f"{prefix}.{n}.weight"], w.get(f"{prefix}.{n}.bias"))
        .reshape(batch, length, m["num_heads"], -1).transpose(1, 2) for n in "qkv")
    if m["position"] == "rotary":
        q, k = rotated(q), rotated(k)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    allowed = real[:, None, None, :]
    if m["causal"]:
        allowed = allowed & torch.ones(length, length, dtype=torch.bool).tril()
    p = scores.masked_fill(~allowed, -math.inf).softmax(-1)
    if dropout:
        p = dropout.probabilities(p, m["attention_dropout_rate"], layer)
    o = (p @ v) * real[:, None, :, None]
    o = o.transpose(1, 2).reshape(batch, length, -1)
    return F.linear(o, w[f"{prefix}.out.weight"], w.get(f"{prefix}.out.bias"))


def logits(w, m, ids, lengths, dropout=None):
    x = w["embed.token.weight"][ids]
    rate, eps = m["dropout_rate"], m["layer_norm_eps"]
    if "embed.cls" in w:
        x = torch.cat([w["embed.cls"].expand(len(x), 1, -1), x], 1)
        lengths = lengths + 1
    real = torch.arange(x.shape[1])[None] < lengths[:, None]
    if "embed.position.weight" in w:
        x = x + w["embed.position.weight"][: x.shape[1]]
    elif m["position"] == "sinusoidal":
        x = x + sinusoids(x.shape[1], x.shape[2])
    drop = (lambda x, layer, site: dropout.elements(x, rate, layer, site)) if dropout else (
        lambda x, layer, site: x)
    act = {"gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "relu": F.relu}
    norm = lambda x, name: F.layer_norm(
        x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], eps)
    dense = lambda x, name: F.linear(x, w[name + ".weight"], w[name + ".bias"])
    pre = "norm.weight" in w  # only a pre-norm encoder ends with a norm
    x = drop(x, -1, "embedding")
    for layer in range(m["num_layers"]):
        block = f"blocks.{0 if m['tied_weights'] else layer}"
        y = norm(x, block + ".norm1") if pre else x
        x = x + drop(attention(y, w, block + ".attn", m, real, layer, dropout), layer, "attention.out")
        x = x if pre else norm(x, block + ".norm1")
        y = norm(x, block + ".norm2") if pre else x
        hidden = drop(act[m["activation"]](dense(y, block + ".mlp.up")), layer, "mlp.hidden")
        x = x + drop(dense(hidden, block + ".mlp.down"), layer, "mlp.out")
        x = x if pre else norm(x, block + ".norm2")
    x = norm(x, "norm") if pre else x
    if m["classifier_pool"] == "MEAN":
        pooled = (x * real[..., None]).sum(1) / lengths[:, None]
    elif m["classifier_pool"] == "MEAN_PADDED":
        pooled = (x * real[..., None]).sum(1) / m["padded_length"]
    else:
        pooled = x[:, 0]
    return dense(F.relu(dense(pooled, "head.hidden")), "head.out")


# The comparisons


def compare_gradients(folder):
    case = json.load(open(folder + "/case.json"))
    w = {n: t.requires_grad_() for n, t in safetensors(folder + "/model.safetensors").items()}
    ours = safetensors(folder + "/gradients.safetensors")
    dropout = Dropout(case["seed"], case["step"], case["examples"]) if case["training"] else None
    found = logits(w, case, torch.tensor(case["ids"]), torch.tensor(case["lengths"]), dropout)
    loss = F.cross_entropy(found, torch.tensor(case["labels"]))
    loss.backward()
    assert set(ours) == set(w), "other names"
    plain = {n: float((ours[n] - w[n].grad).abs().max()) for n in w}
    # Where the true gradient is zero (the bias of keys), there is only rounding to compare.
    largest = {n: float(t.grad.abs().max()) for n, t in w.items()}
    relative = {n: plain[n] / largest[n] for n in w if largest[n] >= case["floor"]}
    worst = max(relative, key=relative.get)
    return {
        "name": case["name"], "loss": float(loss), "lossDifference": abs(float(loss) - case["loss"]),
        "plain": max(plain.values()), "relative": relative[worst], "worst": worst,
        "zeros": sorted(set(w) - set(relative)), "parameters": len(w),
        "rounding": max([0.0] + [plain[n] for n in w if n not in relative])}


def train(folder):
    """AdamW and a linear OneCycleLR from the same weights on the same batches, without dropout."""
    case = json.load(open(folder + "/case.json"))
    w = {n: t.requires_grad_() for n, t in safetensors(folder + "/before.safetensors").items()}
    before = {n: t.detach().clone() for n, t in w.items()}
    ours = safetensors(folder + "/after.safetensors")
    steps = len(case["batches"])
    optimizer = torch.optim.AdamW(w.values(), lr=case["learning_rate"], betas=(0.9, 0.999), eps=1e-6, weight_decay=0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=case["learning_rate"], pct_start=case["warmup"] / steps, anneal_strategy="linear",
        total_steps=steps)
    losses = []
    for batch in case["batches"]:
        optimizer.zero_grad()
        found = logits(w, case, torch.tensor(batch["ids"]), torch.tensor(batch["lengths"]))
        loss = F.cross_entropy(found, torch.tensor(batch["labels"]))
        loss.backward()
        torch.nn.utils.clip_grad_value_(w.values(), case["clip"])
        optimizer.step()
        schedule.step()
        losses.append(float(loss))
    worst = max(w, key=lambda n: float((w[n] - ours[n]).abs().max()))
    return {"losses": losses, "worst": worst, "difference": float((w[worst] - ours[worst]).abs().max()),
            "moved": max(float((w[n] - before[n]).abs().max()) for n in w)}


def beginnings(folder):
    """For every tensor the distance of Kolmogorov and Smirnov from PyTorch's own layer, over its critical value at
    a probability of 1e-4; layers of PyTorch are drawn until they have 20,000 values."""
    torch.manual_seed(0)
    case = json.load(open(folder + "/case.json"))

    def drawn(name, shape):
        if name in case["deviations"]:
            table = torch.nn.Embedding(*shape)
            torch.nn.init.normal_(table.weight, std=case["deviations"][name])
            return table.weight
        if "norm" in name:
            return getattr(torch.nn.LayerNorm(shape[0]), name.split(".")[-1])
        inputs = shape[1] if len(shape) == 2 else case["inputs"][name]
        return getattr(torch.nn.Linear(inputs, shape[0]), name.split(".")[-1])

    distances = {}
    for name, ours in safetensors(folder + "/model.safetensors").items():
        shape = list(ours.shape)
        theirs = torch.cat([drawn(name, shape).detach().flatten() for _ in range(-(-20000 // ours.numel()))])
        a, b = np.sort(ours.flatten().numpy()), np.sort(theirs.numpy())
        points = np.concatenate([a, b])
        distance = np.abs(np.searchsorted(a, points, "right") / len(a) - np.searchsorted(b, points, "right") / len(b))
        critical = math.sqrt(-math.log(1e-4 / 2) / 2 * (1 / len(a) + 1 / len(b)))
        distances[name] = float(distance.max()) / critical
    return {"distances": distances}


def recipe(path):
    """The keys of a resolved recipe, sections flattened: its YAML is plain `key: value` lines."""
    values = {"padded_length": 2 ** math.ceil(math.log2(int(re.search(r"max_length: (\d+)", open(path).read())[1])))}
    for line in open(path):
        key, _, value = line.strip().partition(": ")
        if value:
            try:
                values[key] = json.loads(value)
            except ValueError:
                values[key] = value
    return values


def compare_logits(run, checkpoint, examples, path):
    w = safetensors(f"{run}/checkpoints/{checkpoint}/model.safetensors")
    rows = json.load(open(examples))["examples"]
    theirs = np.load(path)
    assert len(rows) == len(theirs)
    lengths = torch.tensor([len(row["tokens"]) for row in rows])
    ids = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
    for row, example in enumerate(rows):
        ids[row, : lengths[row]] = torch.tensor(example["tokens"])
    with torch.no_grad():
        mine = logits(w, recipe(run + "/recipe.yaml"), ids, lengths).numpy()
    return {"examples": len(rows), "plain": float(np.abs(mine - theirs).max()),
            "largest": float(np.abs(mine).max())}


if __name__ == "__main__":
    torch.set_num_threads(2)
    if sys.argv[1] == "gradients":
        for folder in sys.argv[2:]:
            print(json.dumps(compare_gradients(folder)))
    elif sys.argv[1] in ("training", "beginnings"):
        print(json.dumps({"training": train, "beginnings": beginnings}[sys.argv[1]](sys.argv[2])))
    else:
        print(json.dumps(compare_logits(*sys.argv[2:])))
