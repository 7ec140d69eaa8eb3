"""Damaged files: python3 flipped_bits.py TOOL [--flips N] [--step BYTES] [--seed S]

Flips single bits at random places of every kind of file that lra-data writes (npy, tar, side table, index,
manifest), one at a time, and cuts every file at each multiple of --step bytes. Each time `verify` (for a manifest
`diff` or `build`) must find it. A bit that changes nothing that anybody reads, as in the unused part of a page
of the index, must leave all rows as they were. Reading the dataset must give what was stored or refuse.
Exits 1 when something was not found; prints how many were found how.
"""
import argparse, collections, concurrent.futures, os, random, shutil, sqlite3, subprocess, sys, tempfile

parser = argparse.ArgumentParser()
parser.add_argument("tool")
parser.add_argument("--flips", type=int, default=100)
parser.add_argument("--step", type=int, default=4096)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--workers", type=int, default=2)
options = parser.parse_args()
tool = os.path.abspath(options.tool)
root = tempfile.mkdtemp(prefix="lra-flips-")
names = ["listops-64", "pathfinder32-easy-segmentation"]


def run(folder, *command):
    return subprocess.run([tool, *command], cwd=folder, capture_output=True, text=True, errors="replace")


def prepare(folder):
    os.mkdir(folder)
    sizes = ["--validation", "8", "--test", "0", "--quiet"]
    for command in (["listops", "--len", "64", "--train", "400", "--shard-examples", "200"],
                    ["pathfinder", "--difficulty", "easy", "--segmentation", "single", "--train", "60",
                     "--shard-examples", "32"]):
        made = run(folder, "gen", *command, *sizes)
        assert made.returncode == 0, made.stderr
    for name in names:
        assert run(folder, "manifest", name, "--out", f"{name}.json").returncode == 0
    os.remove(f"{folder}/data.sqlite.lock")


def rows(folder):
    database = sqlite3.connect(f"file:{folder}/data.sqlite?mode=ro", uri=True)
    try:
        return [database.execute(f"SELECT * FROM {table}").fetchall()
                for table in ("dataset", "split", "shard", "example")]
    except (sqlite3.Error, UnicodeDecodeError):
        return None
    finally:
        database.close()


def contents(folder):
    """What a reader gets: all examples, or None when the tool refuses."""
    shown = []
    for name in names:
        for split in ("train", "validation"):
            count = {"train": 400 if name == names[0] else 60, "validation": 8}[split]
            outcome = run(folder, "show", name, "0", "--split", split, "--count", str(count), "--json")
            if outcome.returncode != 0:
                return None
            shown.append(outcome.stdout)
    return shown


def judge(folder, path, data, number):
    """Writes the damaged file, asks the tool, puts the file back; returns how the damage was met."""
    with open(f"{folder}/{path}", "rb") as file:
        sound = file.read()
    with open(f"{folder}/{path}", "wb") as file:
        file.write(data)
    try:
        if path.endswith(".json"):
            name = path.removesuffix(".json")
            codes = {run(folder, "diff", path, name).returncode}
            kind = "found by diff"
        else:
            codes = {run(folder, "verify", "--json").returncode}
            kind = "found by verify"
        if any(code < 0 or code > 127 for code in codes):
            return f"CRASH {codes}"
        if codes == {0}:
            if path == "data.sqlite" and rows(folder) == whole and (number % 10 or contents(folder) == expected):
                return "changes nothing"
            return "SILENT"
        if path == "data.sqlite" or number % 10 == 0:
            got = contents(folder) if not path.endswith(".json") else expected
            if got is not None and got != expected:
                return "READ WRONG"
        return kind
    finally:
        with open(f"{folder}/{path}", "wb") as file:
            file.write(sound)
        for name in ("data.sqlite-journal", "data.sqlite.lock"):
            if os.path.exists(f"{folder}/{name}"):
                os.remove(f"{folder}/{name}")


folders = [f"{root}/{number}" for number in range(options.workers)]
prepare(folders[0])
for folder in folders[1:]:
    shutil.copytree(folders[0], folder)
whole, expected = rows(folders[0]), contents(folders[0])
assert whole and expected
artefacts = sorted(
    os.path.relpath(os.path.join(place, name), folders[0])
    for place, _, found in os.walk(folders[0]) for name in found)
sizes = {path: os.path.getsize(f"{folders[0]}/{path}") for path in artefacts}

# As many flips for every kind of file, at random places of random files of the kind.
choice = random.Random(options.seed)
kinds = collections.defaultdict(list)
for path in artefacts:
    kinds[path.rsplit(".", 1)[1]].append(path)
work = []
for number in range(options.flips):
    kind = sorted(kinds)[number % len(kinds)]
    path = choice.choice(kinds[kind])
    work.append(("flip", path, choice.randrange(sizes[path]), choice.randrange(8), number))
for path in artefacts:
    for size in range(0, sizes[path], options.step):
        work.append(("cut", path, size, 0, len(work)))


def share(worker):
    folder, results = folders[worker], []
    for what, path, place, bit, number in work[worker::options.workers]:
        with open(f"{folder}/{path}", "rb") as file:
            data = bytearray(file.read())
        if what == "flip":
            data[place] ^= 1 << bit
        else:
            del data[place:]
        result = judge(folder, path, bytes(data), number)
        results.append((what, path.rsplit(".", 1)[1], result))
        if result.isupper() or result.startswith("CRASH"):
            print(f"{result}: {what} of {path} at byte {place}, bit {bit}", flush=True)
    return results


counts = collections.Counter()
with concurrent.futures.ThreadPoolExecutor(options.workers) as pool:
    for results in pool.map(share, range(options.workers)):
        counts.update(results)
shutil.rmtree(root, ignore_errors=True)
wrong = 0
for (what, kind, result), count in sorted(counts.items()):
    print(f"{what:5} {kind:7} {count:6}  {result}")
    wrong += count if result.isupper() or result.startswith("CRASH") else 0
print(f"{sum(counts.values())} damaged files, {wrong} wrong")
sys.exit(wrong > 0)
