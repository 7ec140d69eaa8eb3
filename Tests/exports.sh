#!/usr/bin/env bash
# Reads every kind of export with the packages that users have: mlcroissant and webdataset. By hand, not in CI:
# the packages take 400 MB. Tests/exports.sh [FOLDER OF THE BINARIES]
set -euo pipefail
cd "$(dirname "$0")/.."
tool=$PWD/${1:-.build/release}/lra-data
check=$PWD/Tests/InteropTests/exports.py
environment=$PWD/.deps/exports
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
"$environment/bin/python" -c 'import mlcroissant, webdataset, PIL' 2>/dev/null ||
  "$environment/bin/pip" install -q mlcroissant webdataset pillow numpy
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export CROISSANT_CACHE=$work/cache

"$tool" gen listops --quiet --train 5000 --validation 100 --test 100 --name listops
"$tool" gen pathfinder --quiet --train 5000 --validation 50 --test 50 --name pathfinder
"$tool" gen pathfinder --quiet --train 60 --validation 20 --test 20 --segmentation double --name masks
python3 - <<'PYTHON'
import os, random
r = random.Random(1)
texts = {f"P{i}": "text %d \u00e9 " % i * r.randint(1, 60) for i in range(40)}
for split, count in [("train", 90), ("eval", 20), ("test", 20)]:
    with open(f"new_aan_pairs.{split}.tsv", "w") as file:
        for _ in range(count):
            a, b = r.sample(sorted(texts), 2)
            file.write(f"{r.randint(0, 1)}.0\t{a}\t{b}\t{texts[a]}\t{texts[b]}\n")
for split, kinds in [("train", ["pos", "neg", "unsup"]), ("test", ["pos", "neg"])]:
    for kind in kinds:
        os.makedirs(f"aclImdb/{split}/{kind}")
        for i in range(60):
            name = f"aclImdb/{split}/{kind}/{i}_{ {'pos': 8, 'neg': 2, 'unsup': 0}[kind] }.txt"
            open(name, "wb").write(r.randbytes(r.randint(1, 3000)))
os.makedirs("cifar-10-batches-bin")
for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
    with open(f"cifar-10-batches-bin/{name}.bin", "wb") as file:
        for _ in range(50):
            file.write(bytes([r.randint(0, 9)]) + r.randbytes(3072))
PYTHON
"$tool" convert aan --quiet --from new_aan_pairs.train.tsv --from new_aan_pairs.eval.tsv --from new_aan_pairs.test.tsv
"$tool" convert imdb --quiet --unsup --from aclImdb
"$tool" convert cifar10 --quiet --from cifar-10-batches-bin
for dataset in listops pathfinder masks retrieval text image; do
  for format in webdataset croissant; do
    echo "$dataset as $format"
    "$tool" export $format $dataset --quiet --to $format-$dataset
    "$environment/bin/python" "$check" data.sqlite $dataset $format-$dataset $format 2>/dev/null
  done
done
"$tool" export lra retrieval --quiet --to lra
for split in train eval test; do cmp new_aan_pairs.$split.tsv lra/tsv_data/new_aan_pairs.$split.tsv; done
echo "all equal"
