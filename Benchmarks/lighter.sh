#!/usr/bin/env bash
# Lighter models, one table: the demo task's transformer as it is, with each of the levers, and what a change
# costs: parameters that are not zero, bytes of the checkpoint's weights as they are and packed by gzip (zeros pack
# well; nothing stores them apart), test accuracy with its 95 % interval, seconds of training steps, and
# examples/s of evaluation, the best of three passes over the test split.
#   Benchmarks/lighter.sh [steps, default 500] [folder of runs] [folder with lra-data and lra-train]
# Runs that are there are not made again. Quote seconds and speeds from a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
steps=${1:-500}
out=${2:-.build/lighter}
bin=$(cd "${3:-.build/release}" && pwd)
threads=${THREADS:-$(nproc)}
mkdir -p "$out"
cd "$out"
"$bin/lra-data" gen listops --len 64 --max-depth 3 --max-args 5 --train 50000 --validation 4000 --test 8000 --quiet > /dev/null
python=$(command -v python3)

row() { # name, then settings
  local name=$1 result code=0
  shift
  result=$("$bin/lra-train" --recipe demo --json --quiet --threads "$threads" --out "runs-$steps" \
    --set "train.num_train_steps=$steps" --set eval.eval_frequency=100 "$@" 2> log.txt) || code=$?
  [ $code = 0 ] || [ $code = 1 ] || { cat log.txt >&2; return $code; }
  run=$("$python" -c 'import json, sys; print(json.load(sys.stdin)["run"])' <<< "$result")
  for pass in 1 2 3; do
    "$bin/lra-train" eval "$run" --json --quiet --threads "$threads" > "pass$pass.json"
  done
  "$python" - "$name" pass?.json <<'PY' "$result"
import gzip, json, sys
name, *passes, result = sys.argv[1:]
result = json.loads(result)
best = result["best"]
path = "%s/checkpoints/step-%08d/model.safetensors" % (result["run"], best["step"])
data = open(path, "rb").read()
lines = [json.loads(line) for line in open(result["run"] + "/metrics.jsonl")]
seconds = sum(line["seconds"] for line in lines if line["split"] == "train")
speed = max(json.load(open(one))["examples_per_s"] for one in passes)
left = result.get("nonzero_parameters") or result["parameters"]
low, high = (100 * bound for bound in best["ci95"])
print("%-28s %9d %9d %9d %9d  %5.1f %% [%4.1f, %4.1f] %8.1f %9.0f" % (name, result["parameters"], left, len(data),
      len(gzip.compress(data, 6)), 100 * best["test"], low, high, seconds, speed))
PY
}

printf '%-28s %9s %9s %9s %9s  %20s %8s %9s\n' "$steps steps" parameters "not zero" bytes gzip "test accuracy" \
  seconds examples/s
row "as it is"
teacher=$run
row "tied_weights" --set model.tied_weights=true
row "low_rank 16" --set model.low_rank=16
row "magnitude 80 %" --set train.pruning=magnitude --set train.pruning_sparsity=0.8
row "heads, half of 8" --set train.pruning=heads --set train.pruning_sparsity=0.5
row "bfloat16" --precision bfloat16
row "two layers" --set model.num_layers=2
row "two layers, distilled" --set model.num_layers=2 --set "train.teacher=$teacher"
