"""Order and completeness of writes: python3 write_order.py TOOL

1. From a log of system calls: every file is synchronised after its last write and before its rename, its folder is
   synchronised after the rename, and only then the index is written; no file of a dataset is opened for writing
   under its own name.
2. With a library that lets every write and read do only a part of what was asked, the files are the same.
Exits 1 at a violation.
"""
import os, re, shutil, subprocess, sys, tempfile

tool = os.path.abspath(sys.argv[1])
root = tempfile.mkdtemp(prefix="lra-order-")
sizes = ["--train", "200", "--validation", "30", "--test", "30", "--shard-examples", "32", "--threads", "2", "--quiet"]
commands = [
    ["gen", "listops", "--len", "64", *sizes],
    ["gen", "pathfinder", "--difficulty", "easy", *sizes],
    ["manifest", "listops-64", "--out", "manifest.json"],
    ["merge", "data.sqlite", "--name", "listops-64", "--db", "out/data.sqlite", "--threads", "2", "--quiet"],
]
wrong = []


def calls(log):
    """Calls in the order in which they ended: (thread, name, arguments, result)."""
    unfinished = {}
    with open(log, errors="replace") as file:
        for line in file:
            thread, _, rest = line.strip().partition(" ")
            rest = rest.strip()
            if rest.endswith("<unfinished ...>"):
                unfinished[thread] = rest.removesuffix("<unfinished ...>").strip()
                continue
            resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", rest)
            if resumed:
                rest = unfinished.pop(thread, "") + resumed.group(1)
            match = re.match(r"(\w+)\((.*)\)\s*= (-?\d+)", rest)
            if match:
                yield thread, match.group(1), match.group(2), int(match.group(3))


def check_order(command, log):
    """Returns how many files were published."""
    dirty, waiting, renames = {}, {}, 0  # unsynchronised files; folders that a thread has to synchronise
    for thread, name, arguments, result in calls(log):
        if result < 0:
            continue
        path = re.match(r"\d+<([^>]*)>", arguments)
        path = path.group(1).removesuffix("(deleted)") if path else ""
        if name in ("write", "pwrite64", "writev") and path.endswith(".partial"):
            dirty[path] = True
        elif name == "openat" and re.search(r"O_WRONLY|O_RDWR", arguments):
            target = re.search(r'"([^"]*)"', arguments).group(1)
            if re.search(r"\.(npy|tar|tsv|json)$", target):
                wrong.append(f"{command}: {target} is opened for writing")
            if target.endswith(".partial"):
                dirty[os.path.join(root, target)] = True
        elif name in ("fsync", "fdatasync"):
            dirty[path] = False
            if waiting.get(thread) == path:
                del waiting[thread]
        elif name.startswith(("rename", "link")):  # shards get their names by link: nothing is replaced
            old, new = re.findall(r'"([^"]*)"', arguments)[:2]
            old, new = (os.path.normpath(os.path.join(root, item)) for item in (old, new))
            renames += 1
            if dirty.get(old, True):
                wrong.append(f"{command}: {new} is renamed before it is synchronised")
            if thread in waiting:
                wrong.append(f"{command}: {waiting[thread]} is not synchronised before the next rename")
            waiting[thread] = os.path.dirname(new)
        if name in ("pwrite64", "write") and re.search(r"\.sqlite(-journal)?$", path) and thread in waiting:
            wrong.append(f"{command}: the index is written before {waiting[thread]} is synchronised")
    wrong.extend(f"{command}: {folder} is never synchronised" for folder in waiting.values())
    return renames


def run(command, prefix=(), environment=None):
    return subprocess.run([*prefix, tool, *command], cwd=root, capture_output=True, text=True, env=environment)


def files():
    found = {}
    for place, _, names in os.walk(root):
        for name in names:
            if re.search(r"\.(npy|tar|tsv|json)$", name):
                with open(os.path.join(place, name), "rb") as file:
                    found[os.path.relpath(os.path.join(place, name), root)] = file.read()
    return found


def clear():
    shutil.rmtree(root)
    os.makedirs(f"{root}/out")


root = os.path.realpath(root)
clear()
renames = 0
for command in commands:
    log = f"{root}/strace.log"
    outcome = run(command, ["strace", "-f", "-qq", "-y", "-o", log, "-e",
                            "trace=openat,write,writev,pwrite64,fsync,fdatasync,rename,renameat,renameat2,link,linkat"])
    if outcome.returncode != 0:
        sys.exit(f"{command[:2]} exits {outcome.returncode}: {outcome.stderr}")
    renames += check_order(" ".join(command[:2]), log)
expected = files()
print(f"{renames} files published, {len(wrong)} violations of the order")
if renames < 40:
    wrong.append("too few renames were seen")

with tempfile.TemporaryDirectory() as folder:
    with open(f"{folder}/short.c", "w") as file:
        file.write("""
            #define _GNU_SOURCE
            #include <dlfcn.h>
            #include <unistd.h>
            static size_t part(size_t count) { return count > 16 ? count / 2 + 1 : count; }
            ssize_t write(int file, const void *bytes, size_t count) {
              return ((ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(file, bytes, part(count));
            }
            ssize_t read(int file, void *bytes, size_t count) {
              return ((ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read"))(file, bytes, part(count));
            }
            ssize_t pwrite64(int file, const void *bytes, size_t count, off_t place) {
              return ((ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64"))(
                file, bytes, part(count), place);
            }
            ssize_t pread64(int file, void *bytes, size_t count, off_t place) {
              return ((ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread64"))(
                file, bytes, part(count), place);
            }
            """)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", f"{folder}/short.so", f"{folder}/short.c", "-ldl"], check=True)
    clear()
    environment = dict(os.environ, LD_PRELOAD=f"{folder}/short.so")
    for command in commands + [["verify", "--quiet"]]:
        outcome = run(command, environment=environment)
        if outcome.returncode != 0:
            wrong.append(f"with short writes {command[:2]} exits {outcome.returncode}: {outcome.stderr.strip()}")
if files() != expected:
    wrong.append("with short writes and reads other files were published")
print(f"{len(expected)} files are the same with short writes and reads")
shutil.rmtree(root, ignore_errors=True)
for what in wrong:
    print("WRONG", what)
sys.exit(bool(wrong))
