#!/usr/bin/env bash
# Trains every model of cases.txt for a few steps, writes its logits with predict, and builds it again in NumPy
# from the checkpoint: a table of differences. By hand, minutes; the suite has a fast form (RebuildTests).
# Tests/oracles.sh [FOLDER OF THE BINARIES] [PATTERN OF NAMES]. Runs stay in $WORK when it is set.
set -euo pipefail
cd "$(dirname "$0")/.."
binaries=$(cd "${1:-.build/release}" && pwd)
pattern=${2:-.}
oracles=$PWD/Tests/InteropTests/oracles
python=$PWD/.deps/venv/bin/python
[ -x "$python" ] || python=python3
work=${WORK:-$(mktemp -d)}
[ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
cd "$work"
export OMP_WAIT_POLICY=passive

"$binaries/lra-data" gen listops --quiet --min-length 30 --max-length 61 --max-depth 4 --max-args 6 \
  --train 200 --validation 30 --test 60 >/dev/null
"$python" - <<'PYTHON'
import random
random = random.Random(1)
papers = {f"P{i}": f"On parsing {i}. " + "It is hard. " * random.randint(0, 5) for i in range(30)}
for split, count in [("train", 90), ("eval", 20), ("test", 30)]:
    with open(f"new_aan_pairs.{split}.tsv", "w") as file:
        for _ in range(count):
            a, b = random.sample(sorted(papers), 2)
            file.write(f"{random.randint(0, 1)}.0\t{a}\t{b}\t{papers[a]}\t{papers[b]}\n")
PYTHON
"$binaries/lra-data" convert aan --quiet --from new_aan_pairs.train.tsv --from new_aan_pairs.eval.tsv \
  --from new_aan_pairs.test.tsv >/dev/null

# A key without a section is the mechanism's own.
settings() {
  for setting in "$@"; do
    case ${setting%%=*} in
      m.*) echo "--set model.${setting#m.}" ;;
      *.*) echo "--set $setting" ;;
      *) echo "--set model.mixer.$setting" ;;
    esac
  done
}

common=
while read -r name task model keys; do
  case $name in '#' | '') continue ;; all) common=$keys; continue ;; esac
  grep -q "$pattern" <<<"$name" || continue
  # shellcheck disable=SC2046,SC2086
  "$binaries/lra-train" --quiet --task "$task" --model "$model" --out "$name" $(settings $common $keys) \
    >/dev/null 2>error.txt || [ $? = 1 ] || { cat error.txt >&2; exit 1; }
  run=$(echo "$name"/*)
  "$binaries/lra-train" predict "$run" --quiet --out "$name.npy" >/dev/null 2>&1
  echo "$run $name.npy data.sqlite" >>runs.txt
done <"$oracles/cases.txt"
for share in 1 2; do
  "$python" "$oracles/rebuild.py" --list runs.txt --faults 3 --share $share/2 >results-$share.jsonl &
done
wait
"$python" "$oracles/table.py" results-1.jsonl results-2.jsonl
