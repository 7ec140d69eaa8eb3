"""System calls that fail: python3 faulty_calls.py TOOL [--long] [--workers N]

Runs commands under strace with the n-th call of a kind failing, n = 1, 2, ... until a run meets no failure, and
checks after each: no crash; a message; exit 5 when disk or quota are full; every published file is the one of an
undisturbed run; the same command then completes with the same files and rows. Prints one line per kind of call;
exits 1 when something was wrong. Without --long: few errors, few n.
"""
import argparse, concurrent.futures, os, re, shutil, sqlite3, subprocess, sys, tempfile

parser = argparse.ArgumentParser()
parser.add_argument("tool")
parser.add_argument("--long", action="store_true")
parser.add_argument("--workers", type=int, default=2)
parser.add_argument("--calls", help="these only, e.g. write,fsync")
parser.add_argument("--errors", help="these only, e.g. ENOSPC,EIO")
parser.add_argument("--command", help="one of the commands only, with --long, e.g. merge")
options = parser.parse_args()
tool = os.path.abspath(options.tool)
root = tempfile.mkdtemp(prefix="lra-faults-")

sizes = ["--train", "40", "--validation", "8", "--test", "0", "--shard-examples", "32", "--threads", "1", "--quiet"]
listops = ["gen", "listops", "--len", "64", *sizes]
images = ["gen", "pathfinder", "--difficulty", "easy", "--segmentation", "single", *sizes]


def run(command, folder, prefix=()):
    return subprocess.run([*prefix, tool, *command], cwd=folder, capture_output=True, text=True, errors="replace")


def state(folder):
    """Published files by path; rows of the index, run as they lie."""
    files = {}
    for place, _, names in os.walk(os.path.join(folder, "data")):
        for name in names:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                files[os.path.relpath(path, folder)] = file.read()
    database = sqlite3.connect(os.path.join(folder, "data.sqlite"))
    rows = [database.execute(f"SELECT * FROM {table}").fetchall() for table in ("dataset", "split", "shard", "example")]
    database.close()
    return files, rows


def prepare_nothing(folder):
    pass


def prepare_shares(folder):
    for number in (1, 2):
        os.mkdir(f"{folder}/w{number}")
        made = run([*listops, "--worker", f"{number}/2"], f"{folder}/w{number}")
        assert made.returncode == 0, made.stderr


def prepare_damage(folder):
    made = run(listops, folder)
    assert made.returncode == 0, made.stderr
    with open(f"{folder}/data/listops-64/train-00001.npy", "r+b") as file:
        file.seek(150)
        file.write(b"\x0c\x0d")


commands = {"gen listops": (listops, prepare_nothing)}
if options.long:
    commands["gen pathfinder"] = (images, prepare_nothing)
    commands["merge"] = (["merge", "w1/data.sqlite", "w2/data.sqlite", "--threads", "1", "--quiet"], prepare_shares)
    commands["verify --repair"] = (["verify", "--repair", "--threads", "1", "--quiet"], prepare_damage)

if options.command:
    commands = {options.command: commands[options.command]}
calls = ["write", "pwrite64", "fsync", "fdatasync", "rename", "link", "openat", "mkdir", "ftruncate", "unlink", "mmap", "flock"]
errors = ["ENOSPC", "EIO", "EDQUOT", "EINTR", "EMFILE", "EROFS", "EACCES"]
if not options.long:
    calls = ["write", "pwrite64", "fsync", "rename", "link", "openat"]
    errors = ["ENOSPC"]
calls = options.calls.split(",") if options.calls else calls
errors = options.errors.split(",") if options.errors else errors
writing = {"write", "pwrite64", "fsync", "fdatasync", "ftruncate", "mkdir", "rename", "link"}


def attempt(name, call, error, number):
    """One run with the failure; returns (whether it was met, exit code, what was wrong)."""
    command, prepare = commands[name]
    folder = tempfile.mkdtemp(dir=root)
    try:
        prepare(folder)
        log = os.path.join(folder, "strace.log")
        failed = run(command, folder, [
            "strace", "-f", "-qq", "-y", "-o", log, "-e", f"trace={call}", "-e", "signal=none",
            "-e", f"inject={call}:error={error}:when={number}"])
        with open(log, errors="replace") as file:
            met = [line for line in file if "(INJECTED)" in line]
        wrong = judge(name, call, error, failed, met, folder) if met else []
        again = run(command, folder) if met else None
        if again is not None:
            if again.returncode != 0:
                wrong.append(f"the same command then exits {again.returncode}: {again.stderr.strip()}")
            else:
                files, rows = state(folder)
                files = {path: data for path, data in files.items() if "/quarantine/" not in path}
                if files != references[name][0]:
                    wrong.append("files differ after the same command")
                if rows_without_ids(rows) != rows_without_ids(references[name][1]):
                    wrong.append("rows differ after the same command")
        return bool(met), failed.returncode, wrong
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def rows_without_ids(rows):
    """A repaired shard has a new id."""
    datasets, splits, shards, examples = rows
    return datasets, splits, sorted(row[1:] for row in shards), sorted(row[:2] + row[3:] for row in examples)


def judge(name, call, error, outcome, met, folder):
    wrong = []
    code = outcome.returncode
    # The message itself may be what could not be written; a loader that cannot load ends with 127.
    own = code != 127 and not any("write(2<" in line for line in met)
    if code < 0 or code > 127:
        wrong.append(f"ended by a signal: {code}")
    if code != 0 and own and not re.search(r"^error: ", outcome.stderr, re.M):
        wrong.append(f"exit {code} without a message: {outcome.stderr.strip()!r}")
    if error in ("ENOSPC", "EDQUOT") and call in writing and own and code not in (0, 5):
        wrong.append(f"exit {code}, 5 expected: {outcome.stderr.strip()!r}")
    files = {}
    for place, _, names in os.walk(os.path.join(folder, "data")):
        for file in names:
            if not file.startswith(".") and "quarantine" not in place:
                path = os.path.join(place, file)
                files[os.path.relpath(path, folder)] = open(path, "rb").read()
    for path, data in files.items():
        if data != references[name][0].get(path) and data != damaged.get(name, {}).get(path):
            wrong.append(f"{path} was published with other content")
    if code == 0 and call != "unlink":
        reference = {path for path in references[name][0] if not os.path.basename(path).startswith(".")}
        if set(files) < reference:
            wrong.append("exit 0 but files are missing")
    return wrong


def first_own(name, call):
    """The number of calls that the loader makes, about: before them nothing of ours runs."""
    command, prepare = commands[name]
    folder = tempfile.mkdtemp(dir=root)
    prepare(folder)
    log = os.path.join(folder, "strace.log")
    run(command, folder, ["strace", "-f", "-qq", "-o", log, "-e", f"trace=openat,{call}"])
    number = 0
    with open(log, errors="replace") as file:
        for line in file:
            if "data.sqlite" in line:
                break
            number += f" {call}(" in line
    shutil.rmtree(folder)
    return max(1, number - 8)


references, damaged = {}, {}
for name, (command, prepare) in commands.items():
    folder = tempfile.mkdtemp(dir=root)
    prepare(folder)
    if os.path.exists(f"{folder}/data"):
        damaged[name] = state(folder)[0]
    outcome = run(command, folder)
    assert outcome.returncode == 0, outcome.stderr
    files, rows = state(folder)
    references[name] = ({path: data for path, data in files.items() if "/quarantine/" not in path}, rows)

total = wrongs = 0
pool = concurrent.futures.ThreadPoolExecutor(options.workers)
for name in commands:
    for call in calls:
        codes, count = {}, 0
        begin = first_own(name, call)
        for error in errors:
            number, step, misses = begin, 1, False
            while not misses:
                width = options.workers if options.long else 1
                numbers = range(number, number + width)
                for at, (met, code, wrong) in zip(numbers, pool.map(
                        lambda n: attempt(name, call, error, n), numbers)):
                    if not met:
                        misses = True
                        continue
                    count += 1
                    codes[code] = codes.get(code, 0) + 1
                    for what in wrong:
                        wrongs += 1
                        print(f"WRONG    {name}: {call} {at} fails with {error}: {what}")
                number += width if options.long else step
                step *= 2
        total += count
        ends = ", ".join(f"exit {code}: {codes[code]}" for code in sorted(codes))
        print(f"ok       {name}: {count} failures of {call} ({ends})" if count else f"none     {name}: no {call}", flush=True)
shutil.rmtree(root, ignore_errors=True)
print(f"{total} failures injected, {wrongs} wrong")
sys.exit(wrongs > 0)
