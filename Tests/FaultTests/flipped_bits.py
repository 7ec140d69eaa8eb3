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
sizes = ["--validation", "8", "--test", "0", "--quiet"]
made = [
    ["listops", "--len", "64", "--train", "400", "--shard-examples", "200", *sizes],
    ["pathfinder", "--difficulty", "easy", "--segmentation", "single", "--train", "60", "--shard-examples", "32",
     *sizes],
]
names = ["listops-64", "pathfinder32-easy-segmentation"]


def run(folder, *command):
    return subprocess.run([tool, *command], cwd=folder, capture_output=True, text=True, errors="replace")


def prepare(folder):
    os.mkdir(folder)
    for command in made:
        outcome = run(folder, "gen", *command)
        assert outcome.returncode == 0, outcome.stderr
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
    try:
        result = ask(folder, path, data, number)
        if path == "data.sqlite" and number // len(kinds) % 4 == 0:
            # Whatever stands in the index, the commands that read all of it end with a code of theirs.
            for command in (["merge", "data.sqlite", "--name", names[0], "--db", "out.sqlite", "--dry-run"],
                            ["gen", *made[0]]):
                code = run(folder, *command).returncode
                if code < 0 or code > 127:
                    return f"CRASH of {command[0]}: {code}"
        return result
    finally:
        with open(f"{folder}/{path}", "wb") as file:
            file.write(originals[path])
        for name in ("data.sqlite-journal", "data.sqlite.lock"):
            if os.path.exists(f"{folder}/{name}"):
                os.remove(f"{folder}/{name}")


def ask(folder, path, data, number):
    deep = number // len(kinds) % 4 == 0
    with open(f"{folder}/{path}", "wb") as file:
        file.write(data)
    if path.endswith(".json"):
        code, kind = run(folder, "diff", path, path.removesuffix(".json")).returncode, "found by diff"
    else:
        code, kind = run(folder, "verify", "--json").returncode, "found by verify"
    if code < 0 or code > 127:
        return f"CRASH {code}"
    if code == 0:
        if path == "data.sqlite" and rows(folder) == whole and (not deep or contents(folder) == expected):
            return "changes nothing"
        return "SILENT"
    if not path.endswith(".json") and (path == "data.sqlite" or deep):
        got = contents(folder)
        if got is not None and got != expected:
            return "READ WRONG"
    return kind


folders = [f"{root}/{number}" for number in range(options.workers)]
prepare(folders[0])
for folder in folders[1:]:
    shutil.copytree(folders[0], folder)
whole, expected = rows(folders[0]), contents(folders[0])
assert whole and expected
artefacts = sorted(
    os.path.relpath(os.path.join(place, name), folders[0])
    for place, _, found in os.walk(folders[0]) for name in found
    if name != ".database")  # whose folder it is: no data stands in it
originals = {}
for path in artefacts:
    with open(f"{folders[0]}/{path}", "rb") as file:
        originals[path] = file.read()
lengths = {path: len(data) for path, data in originals.items()}

# As many flips for every kind of file, at random places of random files of the kind.
choice = random.Random(options.seed)
kinds = collections.defaultdict(list)
for path in artefacts:
    kinds[path.rsplit(".", 1)[1]].append(path)
work = []
for number in range(options.flips):
    kind = sorted(kinds)[number % len(kinds)]
    path = choice.choice(kinds[kind])
    work.append(("flip", path, choice.randrange(lengths[path]), choice.randrange(8), number))
for path in artefacts:
    for size in range(0, lengths[path], options.step):
        work.append(("cut", path, size, 0, len(work)))


def share(worker):
    folder, results = folders[worker], []
    for what, path, place, bit, number in work[worker::options.workers]:
        data = bytearray(originals[path])
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
