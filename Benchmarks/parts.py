#!/usr/bin/env python3
"""Parts of the work alone against their peers, alternately, on the machine at hand.

    Benchmarks/parts.py attention --lengths 1024,4096 --precision bfloat16     against scaled_dot_product_attention
    Benchmarks/parts.py loader                      against numpy.memmap and, where it is installed, Mosaic Streaming
    Benchmarks/parts.py listops                     against the generator in Python of Tests/InteropTests

Attention: softmax over all pairs, blocks of 64 with their neighbours, and features elu(x) + 1. The peers are
PyTorch's function and, apart, the three operations for the first, its function over gathered blocks for the second,
matrix products for the third. Loaders: random batches of 32 sequences of 4,096 bytes, made integers as a model takes
them; ours also verifies checksums. Every side is a process of its own, ours and theirs first in turn; a pair during
which others used more than 6 % of the machine is measured again, at most --retries times, then marked.
Our side is built by: LRA_BENCHMARKS=1 swift build -c release --product lra-parts
"""
import argparse, json, os, statistics, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from steps import ROOT, alternate, run, summary

PATTERNS = ["softmax", "window", "linear"]


def torch_attention(a):
    import torch, torch.nn.functional as F
    torch.set_num_threads(a.threads)
    b, l, h, e = a.batch, a.length, a.heads, a.width
    dtype = dict(float32=torch.float32, bfloat16=torch.bfloat16)[a.precision]
    qkv = torch.sin(torch.arange(b * l * 3 * h * e, dtype=torch.float64) * 0.7).to(dtype).reshape(b, l, 3, h, e)
    qkv.requires_grad_()
    slope = torch.ones(b, h, l, e, dtype=dtype)

    def softmax(q, k, v):
        if a.impl == "sdpa":
            return F.scaled_dot_product_attention(q, k, v, dropout_p=a.dropout)
        weights = F.dropout((q @ k.transpose(-1, -2) / e ** 0.5).softmax(-1), a.dropout)
        return weights @ v

    def window(q, k, v):
        n = l // 64
        def around(x):
            x = F.pad(x, (0, 0, 64, 64)).unfold(2, 192, 64)  # [B, H, n, E, 192]
            return x.transpose(-1, -2).reshape(b * h, n, 192, e)
        places = torch.arange(n)[:, None] * 64 + torch.arange(192) - 64
        real = ((places >= 0) & (places < l))[None, :, None, :]
        return F.scaled_dot_product_attention(q.reshape(b * h, n, 64, e), around(k), around(v), attn_mask=real,
                                              dropout_p=a.dropout).reshape(b, h, l, e)

    def linear(q, k, v):
        q, k = F.elu(q) + 1, F.elu(k) + 1
        return q @ (k.transpose(-1, -2) @ v) / (q @ k.sum(2)[..., None] + 1e-6)

    attend, times = dict(softmax=softmax, window=window, linear=linear)[a.pattern], []
    for _ in range(a.repeats + 2):
        start = time.perf_counter()
        out = attend(*(qkv[:, :, i].transpose(1, 2) for i in range(3)))
        middle = time.perf_counter()
        (out * slope).sum().backward()
        times.append((middle - start, time.perf_counter() - middle))
        qkv.grad = None
    forward, backward = (1000 * statistics.median(t[i] for t in times[2:]) for i in (0, 1))
    print(json.dumps(dict(forward_ms=forward, backward_ms=backward)))


def python_loader(a):
    import numpy as np, torch
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    if a.impl == "memmap":
        sequences = np.memmap(os.path.join(a.folder, "sequences.bin"), np.uint8, "r").reshape(-1, 4096)
        def batches():
            for _ in range(a.batches):
                rows = random.integers(0, len(sequences), 32)
                yield torch.from_numpy(sequences[rows].astype(np.int64) + 1)
    else:
        import streaming
        data = streaming.StreamingDataset(local=os.path.join(a.folder, "mds"), shuffle=True, batch_size=32)
        def batches():
            done = 0
            while done < a.batches:
                rows = []
                for item in data:
                    rows.append(item["tokens"])
                    if len(rows) == 32:
                        yield torch.from_numpy(np.stack(rows).astype(np.int64) + 1)
                        rows, done = [], done + 1
                        if done == a.batches:
                            return
    start, tokens = time.perf_counter(), 0
    for batch in batches():
        tokens += batch.numel()
    seconds = time.perf_counter() - start
    print(json.dumps(dict(tokens_per_s=tokens / seconds, seconds=seconds)))


def compare(a, label, ours, peers, seconds):
    """Runs commands in turn; `seconds` makes a time of what a side prints and of how long it took."""
    def side(command):
        started = time.perf_counter()
        output, foreign = run(command, dict(OMP_NUM_THREADS=str(a.threads)))
        return seconds(output, time.perf_counter() - started), None, foreign

    for name, theirs in peers.items():
        found = alternate(a, lambda: side(ours), lambda: side(theirs))
        print(json.dumps(dict(label, peer=name, **summary(*found))), flush=True)


def attention(a, this):
    for pattern in a.patterns.split(","):
        for length in a.lengths.split(","):
            sizes = ["--length", length, "--batch", a.batch, "--heads", a.heads, "--width", a.width, "--precision",
                     a.precision, "--dropout", a.dropout, "--threads", a.threads, "--repeats", a.repeats]
            sizes = list(map(str, sizes))
            impls = ["sdpa", "operations"] if pattern == "softmax" else ["library"]
            both = lambda output, _: sum(json.loads(output).values()) / 1000
            compare(a, dict(part="attention", pattern=pattern, length=int(length), precision=a.precision,
                            dropout=a.dropout, threads=a.threads),
                    [os.path.join(a.bin, "lra-parts"), "attend", pattern] + sizes,
                    {impl: this + ["attention", "--as-peer", "--pattern", pattern, "--impl", impl] + sizes
                     for impl in impls}, both)


MAKE = """
import os, sys
import numpy as np
folder, count = sys.argv[1], 8192
sequences = np.random.default_rng(1).integers(0, 256, (count, 4096), dtype=np.uint8)
sequences.tofile(os.path.join(folder, "sequences.bin"))
os.mkdir(os.path.join(folder, "npy"))
np.save(os.path.join(folder, "npy", "x.npy"), sequences)
np.save(os.path.join(folder, "npy", "y.npy"), np.arange(count) % 2)
try:
    from streaming import MDSWriter
except ImportError:
    sys.exit(0)
with MDSWriter(out=os.path.join(folder, "mds"), columns=dict(tokens="ndarray:uint8:4096")) as writer:
    for sequence in sequences:
        writer.write(dict(tokens=sequence))
"""


def loader(a, this):
    with tempfile.TemporaryDirectory() as folder:
        base = os.path.join(folder, "data.sqlite")
        run([a.python, "-c", MAKE, folder])
        run([os.path.join(a.bin, "lra-data"), "convert", "npy", "--raw", "--from", os.path.join(folder, "npy"),
             "--validation", "1", "--test", "1", "--db", base, "--quiet"])
        peers = ["memmap"] + (["streaming"] if os.path.isdir(os.path.join(folder, "mds")) else [])
        compare(a, dict(part="loader", unit="s for 10^9 tokens"),
                [os.path.join(a.bin, "lra-parts"), "load", base, "--batches", str(a.batches)],
                {name: this + ["loader", "--as-peer", "--impl", name, "--folder", folder, "--batches", str(a.batches)]
                 for name in peers}, lambda output, _: 1e9 / json.loads(output)["tokens_per_s"])


def listops(a, this):
    """Examples of all splits of LRA's length, by one thread; a process from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        count = a.batches // 3
        ours = [os.path.join(a.bin, "lra-data"), "gen", "listops", "--threads", "1", "--train", str(count), "--validation",
                str(count), "--test", str(count), "--quiet", "--db"]
        path = os.path.join(ROOT, "Tests/InteropTests/listops_generator.py")
        fresh = ["sh", "-c", f'rm -rf {folder}/*; exec "$@" {folder}/data.sqlite', "sh"]
        compare(a, dict(part="listops", examples=3 * count), fresh + ours,
                dict(python=[a.python, path, "500", "2000", "10", "10", "0", str(count)]), lambda _, wall: wall)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("part", choices=["attention", "loader", "listops"])
    p.add_argument("--patterns", default=",".join(PATTERNS))
    p.add_argument("--lengths", default="1024,4096")
    p.add_argument("--batch", type=int, default=1)
    p.add_argument("--heads", type=int, default=4)
    p.add_argument("--width", type=int, default=64)
    p.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    p.add_argument("--dropout", type=float, default=0.0)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--repeats", type=int, default=9)
    p.add_argument("--batches", type=int, default=2000, help="batches of a loader, or examples of listops")
    p.add_argument("--pairs", type=int, default=7)
    p.add_argument("--retries", type=int, default=2)
    p.add_argument("--bin", default=os.path.join(ROOT, ".build/release"))
    p.add_argument("--python", default=os.path.join(ROOT, ".deps/venv/bin/python"))
    for hidden in ("--pattern", "--impl", "--folder"):
        p.add_argument(hidden, help=argparse.SUPPRESS)
    p.add_argument("--length", type=int, help=argparse.SUPPRESS)
    p.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.as_peer:
        return (torch_attention if a.part == "attention" else python_loader)(a)
    dict(attention=attention, loader=loader, listops=listops)[a.part](a, [a.python, os.path.abspath(__file__)])


if __name__ == "__main__":
    main()
