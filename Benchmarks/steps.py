#!/usr/bin/env python3
"""Training steps of lra-train against PyTorch, alternately, on the machine at hand.

    Benchmarks/steps.py --lengths 1024,2048                     small configuration, batch 32, float32
    Benchmarks/steps.py --config text --batch 4 --lengths 1024 --precision bfloat16 --pairs 7

The peer is the encoder below in plain PyTorch: one projection for q, k and v, scaled_dot_product_attention, fused
AdamW, the same sizes, dropout rates, batch, length, dtype and threads; no padding. With --peer PATH the peer is a
peers.py with the flags --child --variant --impl --config --len --dtype instead. Both sides run in processes of their
own, ours first and theirs first in turn. A pair during which other processes used more than 6 % of the machine is
measured again, at most --retries times, then kept and marked. Quote medians and ratios. Nothing here is run by tests.
"""
import argparse, json, os, resource, statistics, subprocess, sys, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONFIGS = {
    "small": dict(layers=2, width=64, heads=2, mlp=128, recipe="small", classes=2,
                  settings=["model.activation=gelu_tanh", "model.classifier_pool=MEAN"]),
    "text": dict(layers=4, width=256, heads=4, mlp=1024, recipe="paper", classes=2,
                 settings=["model.emb_dim=256", "model.num_heads=4", "model.qkv_dim=256", "model.mlp_dim=1024",
                           "model.num_layers=4", "model.classifier_pool=FIRST"]),
}


# Of models: the variant in peers.py, its implementations, and what makes ours the same model.
PEERS = {
    "transformer": ("softmax", ["hand", "naive", "torch"], []),
    "local": ("local", ["hand", "hand2"], ["block_size=64"]),
    "sparse_transformer": ("sparse", ["hand", "sdpamask"], ["block_size=64", "summary_size=10", "causal_pattern=true"]),
    "longformer": ("longformer", ["hand"], ["window=512", "global_tokens=1"]),
    "bigbird": ("bigbird", ["hand"], ["block_size=64", "num_rand_blocks=3"]),
    "linformer": ("linformer", ["hand"], {"small": ["low_rank_features=256"], "text": ["low_rank_features=32"]}),
    "reformer": ("reformer", ["hand"], ["chunk_length=64", "n_hashes=2", "count_pairs_once=false"]),
    "sinkhorn": ("sinkhorn", ["hand", "hand2"], ["block_size=64"]),
    "synthesizer": ("synthesizer", ["hand"], ["synthesizer_mode=factorized_random", "k=32"]),
    "linear": ("linear", ["hand"], []),
    "performer": ("performer", ["hand"], ["nb_features=256"]),
}


def busy():
    with open("/proc/stat") as stat:
        ticks = list(map(int, stat.readline().split()[1:9]))
    return sum(ticks), sum(ticks) - ticks[3] - ticks[4]


def peer(args):
    """One case of the built-in peer, in this process."""
    import torch, torch.nn as nn, torch.nn.functional as F
    c = CONFIGS[args.config]
    d, h, L = c["width"], c["heads"], args.length
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
            self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
            self.up, self.down = nn.Linear(d, c["mlp"]), nn.Linear(c["mlp"], d)
            self.drop = nn.Dropout(args.dropout)

        def forward(self, x):
            B = x.shape[0]
            q, k, v = self.qkv(self.n1(x)).view(B, L, 3, h, d // h).permute(2, 0, 3, 1, 4)
            a = F.scaled_dot_product_attention(q, k, v, dropout_p=args.attention_dropout)
            x = x + self.drop(self.out(a.transpose(1, 2).reshape(B, L, d)))
            return x + self.drop(self.down(self.drop(F.gelu(self.up(self.n2(x)), approximate="tanh"))))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.token, self.position = nn.Embedding(257, d), nn.Parameter(torch.randn(L, d) * 0.02)
            self.blocks = nn.ModuleList(Block() for _ in range(c["layers"]))
            self.norm, self.drop = nn.LayerNorm(d), nn.Dropout(args.dropout)
            self.hidden, self.head = nn.Linear(d, c["mlp"]), nn.Linear(c["mlp"], c["classes"])

        def forward(self, ids):
            x = self.drop(self.token(ids) + self.position)
            for block in self.blocks:
                x = block(x)
            return self.head(F.relu(self.hidden(self.norm(x).mean(1))))

    net = Net().train()
    adam = torch.optim.AdamW(net.parameters(), lr=1e-4, fused=True)
    ids, labels = torch.randint(1, 257, (args.batch, L)), torch.randint(0, 2, (args.batch,))
    seconds = []
    for step in range(args.steps + 2):
        start = time.perf_counter()
        adam.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bfloat16"):
            loss = F.cross_entropy(net(ids).float(), labels)
        loss.backward()
        adam.step()
        loss.item()
        if step >= 2:
            seconds.append(time.perf_counter() - start)
    print(json.dumps(dict(seconds=statistics.median(seconds), loss=loss.item(),
                          peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)))


def run(command, environment=None):
    """Output of a command, its peak memory in MiB, and the share of the machine that others used meanwhile."""
    total, used = busy()
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(environment or {})})
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    now, spent = busy(), resource.getrusage(resource.RUSAGE_CHILDREN)
    mine = (spent.ru_utime + spent.ru_stime - own.ru_utime - own.ru_stime) * os.sysconf("SC_CLK_TCK")
    return done.stdout, max(0.0, (now[1] - used - mine) / max(1, now[0] - total))


def ours(args, length):
    c = CONFIGS[args.config]
    same = PEERS.get(args.model, ("", [], []))[2]
    same = same[args.config] if isinstance(same, dict) else same
    command = [args.binary, "bench", "--json", "--models", args.model, "--lengths", str(length), "--batch", str(args.batch),
               "--precision", args.precision, "--steps", str(args.steps), "--recipe", c["recipe"], "--threads",
               str(args.threads), "--device", "cpu"]
    for setting in c["settings"] + [f"model.attention.{key}" for key in same] + [f"model.dropout_rate={args.dropout}",
                                    f"model.attention_dropout_rate={args.attention_dropout}"]:
        command += ["--set", setting]
    output, foreign = run(command)
    case = json.loads(output)["cases"][0]
    return 1 / case["steps_per_s"]["median"], case["peak_bytes"] / 2**20, foreign


def theirs(args, length, impl=None):
    environment = dict(OMP_NUM_THREADS=str(args.threads))
    if args.preload:
        environment.update(LD_PRELOAD=args.preload, TCMALLOC_RELEASE_RATE="0")
    if args.peer:
        variant, impls, _ = PEERS[args.model]
        command = [args.python, args.peer, "--child", "--variant", variant, "--impl", impl or impls[0], "--config", args.config, "--len",
                   str(length), "--dtype", {"float32": "fp32", "bfloat16": "bf16"}[args.precision], "--compile", "0", "--batch",
                   str(args.batch), "--drop", str(args.dropout), "--attn-drop", str(args.attention_dropout), "--threads",
                   str(args.threads), "--min-steps", str(args.steps), "--budget", "1", "--stretch", "1"]
        output, foreign = run(command, environment)
        found = json.loads(next(line[7:] for line in output.splitlines() if line.startswith("RESULT ")))
        return found["median_s"], found["peak_rss_mb"], foreign
    command = [args.python, os.path.abspath(__file__), "--as-peer", "--length", str(length)]
    for name in ("config", "batch", "precision", "threads", "steps", "dropout", "attention_dropout"):
        command += ["--" + name.replace("_", "-"), str(getattr(args, name))]
    output, foreign = run(command, environment)
    found = json.loads(output)
    return found["seconds"], found["peak_mb"], foreign


def alternate(args, ours, theirs):
    """Pairs of what both sides give, in turn which is first, and how many were disturbed: a side gives its seconds, its
    peak memory in MiB and the share of the machine that others used. Disturbed pairs are measured again."""
    pairs, marked = [], 0
    for pair in range(args.pairs):
        for attempt in range(args.retries + 1):
            order = (ours, theirs) if pair % 2 == 0 else (theirs, ours)
            found = {side: side() for side in order}
            clean = max(result[2] for result in found.values()) < 0.06
            if clean:
                break
        marked += not clean
        pairs.append((found[ours], found[theirs]))
    return pairs, marked


def summary(pairs, marked):
    """Medians of both sides' seconds, how many times as fast ours is, and the number of pairs."""
    ratios = sorted(theirs[0] / ours[0] for ours, theirs in pairs)
    ours_s, theirs_s = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
    return dict(ours_s=round(ours_s, 5), peer_s=round(theirs_s, 5),
                speedup=dict(min=round(ratios[0], 3), median=round(statistics.median(ratios), 3), max=round(ratios[-1], 3)),
                pairs=len(pairs), disturbed=marked)


def baseline(args):
    """Peak memory in MB of the peer's process that has PyTorch and no model."""
    environment = dict(LD_PRELOAD=args.preload) if args.preload else {}
    script = "import torch, resource; torch.ones(64, 64) @ torch.ones(64, 64); print(resource.getrusage(0).ru_maxrss / 1024)"
    return float(run([args.python, "-c", script], environment)[0])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--lengths", default="1024,2048")
    p.add_argument("--config", default="small", choices=CONFIGS)
    p.add_argument("--model", default="transformer")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--steps", type=int, default=3, help="timed steps of a process")
    p.add_argument("--pairs", type=int, default=7)
    p.add_argument("--retries", type=int, default=2)
    p.add_argument("--dropout", type=float, default=0.1)
    p.add_argument("--attention-dropout", type=float, default=0.0)
    p.add_argument("--binary", default=os.path.join(ROOT, ".build/release/lra-train"))
    p.add_argument("--python", default=os.path.join(ROOT, ".deps/venv/bin/python"))
    p.add_argument("--preload", default="", help="a malloc for the peer, such as libtcmalloc_minimal.so.4")
    p.add_argument("--peer", default="", help="a peers.py")
    p.add_argument("--impl", default="", help="its implementation; default: the fastest of those known, tried once")
    p.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    p.add_argument("--length", type=int, help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.as_peer:
        return peer(args)
    start = baseline(args)
    for length in map(int, args.lengths.split(",")):
        impl = args.impl
        if args.peer and not impl:
            known = PEERS[args.model][1]
            impl = min(known, key=lambda name: theirs(args, length, name)[0]) if len(known) > 1 else known[0]
        pairs, marked = alternate(args, lambda: ours(args, length), lambda: theirs(args, length, impl))
        print(json.dumps(dict(
            config=args.config, model=args.model, length=length, batch=args.batch, precision=args.precision,
            threads=args.threads, dropout=args.dropout, attention_dropout=args.attention_dropout,
            peer=impl if args.peer else "sdpa", **summary(pairs, marked),
            ours_above_baseline_mb=round(statistics.median(pair[0][1] for pair in pairs)),
            peer_above_baseline_mb=round(statistics.median(pair[1][1] for pair in pairs) - start))), flush=True)


if __name__ == "__main__":
    main()
