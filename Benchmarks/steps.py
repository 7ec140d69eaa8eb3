#!/usr/bin/env python3
"""Training steps of lra-train against PyTorch, alternately, on the machine at hand.

    LRA_BENCHMARKS=1 swift build -c release --product lra-parts
    Benchmarks/steps.py --lengths 1024,2048                     small configuration, batch 32, float32
    Benchmarks/steps.py --config text --lengths 4096 --precisions bfloat16,float32 --models all --peer peers.py

The peer is the encoder below in plain PyTorch: one projection for q, k and v, attention by
scaled_dot_product_attention (sdpa) or as three operations (operations), fused AdamW, the same sizes, dropout rates,
batch, length, dtype and threads; no padding. With --peer PATH the models of a peers.py take its place. Of several
implementations the fastest is measured; each is tried first. Both sides live in processes of their own for a whole
case and do steps only when told to, ours first and theirs first in turn, for about half a second each at a time. A
pair during which other processes used more than 6 % of the machine is measured again, at most --retries times, then
kept and marked. Quote medians and ratios. Memory is each process's peak above what it held before its model. The
first line tells the machine: processor, kernel tier, and what its library's matrix product and addition reach.
Nothing here is run by tests.
"""
import argparse, json, os, resource, statistics, subprocess, sys, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONFIGS = {
    "small": dict(layers=2, width=64, heads=2, mlp=128, recipe="small", batch=32,
                  settings=["model.activation=gelu_tanh", "model.classifier_pool=MEAN"]),
    "text": dict(layers=4, width=256, heads=4, mlp=1024, recipe="paper", batch=4,
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
    # One direction, without an MLP, as theirs; their published file computes its kernel far slower.
    "s4d": ("s4d", ["hand"], ["init=lin", "d_state=64", "model.causal=true"]),
}


def busy():
    with open("/proc/stat") as stat:
        ticks = list(map(int, stat.readline().split()[1:9]))
    return sum(ticks), sum(ticks) - ticks[3] - ticks[4]


def net(args):
    """The built-in peer."""
    import torch, torch.nn as nn, torch.nn.functional as F
    c = CONFIGS[args.config]
    d, h, L = c["width"], c["heads"], args.length

    def attend(q, k, v):
        if args.impl == "sdpa":
            return F.scaled_dot_product_attention(q, k, v, dropout_p=args.attention_dropout)
        weights = (q * (d // h) ** -0.5 @ k.transpose(-1, -2)).softmax(-1)
        return F.dropout(weights, args.attention_dropout) @ v

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
            x = x + self.drop(self.out(attend(q, k, v).transpose(1, 2).reshape(B, L, d)))
            return x + self.drop(self.down(self.drop(F.gelu(self.up(self.n2(x)), approximate="tanh"))))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.token, self.position = nn.Embedding(257, d), nn.Parameter(torch.randn(L, d) * 0.02)
            self.blocks = nn.ModuleList(Block() for _ in range(c["layers"]))
            self.norm, self.drop = nn.LayerNorm(d), nn.Dropout(args.dropout)
            self.hidden, self.head = nn.Linear(d, c["mlp"]), nn.Linear(c["mlp"], 2)

        def forward(self, ids):
            x = self.drop(self.token(ids) + self.position)
            for block in self.blocks:
                x = block(x)
            return self.head(F.relu(self.hidden(self.norm(x).mean(1))))

    return Net()


def peer(args):
    """One case of the peer, in this process: steps as the lines of the standard input ask for them."""
    import torch, torch.nn.functional as F
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    torch.ones(64, 64) @ torch.ones(64, 64)
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = peak()
    if args.peer:
        sys.path.insert(0, os.path.dirname(os.path.abspath(args.peer)))
        model = __import__(os.path.splitext(os.path.basename(args.peer))[0]).build(argparse.Namespace(
            variant=PEERS[args.model][0], impl=args.impl, config=args.config, len=args.length, batch=args.batch,
            drop=args.dropout, attn_drop=args.attention_dropout, set=[]))
    else:
        model = net(args)
    model.train()
    adam = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids, labels = torch.randint(1, 256, (args.batch, args.length)), torch.randint(0, 2, (args.batch,))

    def step():
        adam.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bfloat16"):
            loss = F.cross_entropy(model(ids).float(), labels)
        loss.backward()
        adam.step()
        return loss.item()

    print(json.dumps(dict(parameters=sum(p.numel() for p in model.parameters()))), flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        for _ in range(int(line)):
            loss = step()
        print(json.dumps(dict(seconds=time.perf_counter() - begin, loss=loss, peak_mb=peak() - start)), flush=True)


def limits(args):
    """What PyTorch's matrix product and addition reach here: operations and bytes a second, best of many."""
    import torch
    torch.set_num_threads(args.threads)

    def best(work):
        times = []
        for _ in range(12):
            begin = time.perf_counter()
            work()
            times.append(time.perf_counter() - begin)
        return min(times)

    found = {}
    for name, kind in dict(float32=torch.float32, bfloat16=torch.bfloat16).items():
        a, b = torch.randn(2048, 2048).to(kind), torch.randn(2048, 2048).to(kind)
        found[name + "_gflop_per_s"] = round(2 * 2048**3 / best(lambda: a @ b) / 1e9)
    a, b = torch.zeros(64 << 20), torch.zeros(64 << 20)
    found["gb_per_s"] = round(3 * 4 * (64 << 20) / best(lambda: torch.add(a, b, out=b)) / 1e9, 1)
    print(json.dumps(found))


class Side:
    """A process that does training steps when it is told to."""

    def __init__(self, command, environment=None):
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **(environment or {})})
        self.ready = self.read()
        self.count, self.loss = 1, None
        self.do(1)
        self.count = max(1, round(0.5 / self.do(1)[0]))

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"no result from {' '.join(self.command)}")
        return json.loads(line)

    def spent(self):
        """Ticks of processor time of the process."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            return sum(map(int, stat.read().rpartition(")")[2].split()[11:13]))

    def do(self, steps):
        """Seconds of a step, peak memory in MiB, and the share of the machine that others used meanwhile."""
        total, used = busy()
        own = self.spent()
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        found, now = self.read(), busy()
        self.loss = found["loss"]
        others = max(0.0, (now[1] - used - self.spent() + own) / max(1, now[0] - total))
        return found["seconds"] / steps, found["peak_mb"], others

    def __call__(self):
        return self.do(self.count)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def run(command, environment=None):
    """Output of a command and the share of the machine that others used meanwhile."""
    total, used = busy()
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(environment or {})})
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    now, spent = busy(), resource.getrusage(resource.RUSAGE_CHILDREN)
    mine = (spent.ru_utime + spent.ru_stime - own.ru_utime - own.ru_stime) * os.sysconf("SC_CLK_TCK")
    return done.stdout, max(0.0, (now[1] - used - mine) / max(1, now[0] - total))


def ours(args):
    c = CONFIGS[args.config]
    same = PEERS[args.model][2]
    same = same[args.config] if isinstance(same, dict) else same
    command = [os.path.join(args.bin, "lra-parts"), "step", args.model, "--length", str(args.length), "--batch",
               str(args.batch), "--precision", args.precision, "--recipe", c["recipe"], "--threads", str(args.threads)]
    for setting in c["settings"] + [key if key.startswith("model.") else f"model.mixer.{key}" for key in same] + [
            f"model.dropout_rate={args.dropout}", f"model.attention_dropout_rate={args.attention_dropout}"]:
        command += ["--set", setting]
    return Side(command, dict(OMP_WAIT_POLICY="passive"))


def theirs(args, impl):
    command = [args.python, os.path.abspath(__file__), "--as-peer", "--model", args.model, "--impl", impl]
    for name in ("peer", "config", "length", "batch", "precision", "threads", "dropout", "attention_dropout"):
        command += ["--" + name.replace("_", "-"), str(getattr(args, name))]
    return Side(command, environment(args))


def environment(args):
    found = dict(OMP_NUM_THREADS=str(args.threads))
    return dict(found, LD_PRELOAD=args.preload, TCMALLOC_RELEASE_RATE="0") if args.preload else found


def fastest(args):
    """The implementation of the peer that does a third step first."""
    known = PEERS[args.model][1] if args.peer else ["sdpa", "operations"]
    times = {}
    for impl in known if len(known) > 1 else []:
        with theirs(args, impl) as side:
            times[impl] = side()[0]
    return min(times, key=times.get) if times else known[0]


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
    low, middle, high = (round(x, 3) for x in (ratios[0], statistics.median(ratios), ratios[-1]))
    return dict(ours_s=round(ours_s, 5), peer_s=round(theirs_s, 5), speedup=dict(min=low, median=middle, max=high),
                pairs=len(pairs), disturbed=marked)


def measure(args):
    """One case: a line of JSON."""
    impl = args.impl or fastest(args)
    with ours(args) as us, theirs(args, impl) as them:
        pairs, marked = alternate(args, us, them)
        mine, other = (max(pair[side][1] for pair in pairs) for side in (0, 1))
        found = summary(pairs, marked)
        print(json.dumps(dict(
            config=args.config, model=args.model, length=args.length, batch=args.batch, precision=args.precision,
            threads=args.threads, dropout=args.dropout, attention_dropout=args.attention_dropout, peer=impl, **found,
            ours_mb=round(mine), peer_mb=round(other), memory=round(mine / other, 3),
            ours_gflop_per_s=round(us.ready["flops"] / found["ours_s"] / 1e9),
            parameters=[us.ready["parameters"], them.ready["parameters"]],
            losses=[round(us.loss, 4), round(them.loss, 4)])), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--config", default="small", choices=CONFIGS)
    p.add_argument("--models", default="transformer", help=", ".join(PEERS) + ", comma separated, or all; needs --peer "
                   "for any but transformer")
    p.add_argument("--lengths", default="1024,2048")
    p.add_argument("--precisions", default="float32", help="float32, bfloat16 or both")
    p.add_argument("--attention-dropouts", default="0", help="rates, comma separated")
    p.add_argument("--batch", type=int, help="default: the configuration's")
    p.add_argument("--dropout", type=float, default=0.1)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--pairs", type=int, default=7)
    p.add_argument("--retries", type=int, default=2)
    p.add_argument("--bin", default=os.path.join(ROOT, ".build/release"), help="where lra-parts is")
    p.add_argument("--python", default=os.path.join(ROOT, ".deps/venv/bin/python"))
    p.add_argument("--preload", default="", help="a malloc for the peer, such as libtcmalloc_minimal.so.4")
    p.add_argument("--peer", default="", help="a peers.py")
    p.add_argument("--impl", default="", help="the peer's implementation; default: the fastest")
    for hidden, kind in dict(model=str, precision=str, length=int, attention_dropout=float).items():
        p.add_argument("--" + hidden.replace("_", "-"), type=kind, help=argparse.SUPPRESS)
    for hidden in ("--as-peer", "--as-limits"):
        p.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    args = p.parse_args()
    args.batch = args.batch or CONFIGS[args.config]["batch"]
    if args.as_peer or args.as_limits:
        return peer(args) if args.as_peer else limits(args)
    with open("/proc/cpuinfo") as info:
        processor = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "unknown")
    limit = json.loads(run([args.python, os.path.abspath(__file__), "--as-limits", "--threads", str(args.threads)])[0])
    tier = run([os.path.join(args.bin, "lra-parts"), "tier"])[0].strip()
    print(json.dumps(dict(processor=processor, tier=tier, threads=args.threads, **limit)), flush=True)
    for args.model in list(PEERS) if args.models == "all" else args.models.split(","):
        for args.precision in args.precisions.split(","):
            for args.attention_dropout in map(float, args.attention_dropouts.split(",")):
                for args.length in map(int, args.lengths.split(",")):
                    measure(args)


if __name__ == "__main__":
    main()
