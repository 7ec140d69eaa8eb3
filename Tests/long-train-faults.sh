#!/usr/bin/env bash
# Kills a training many times (-9) at random moments and resumes it until it ends, then compares every
# loss and the final weights with an uninterrupted run.
#   Tests/long-train-faults.sh [kills, default 20] [folder with lra-data and lra-train]
set -euo pipefail
cd "$(dirname "$0")/.."
kills=${1:-20}
bin=$(cd "${2:-.build/release}" && pwd)
export OMP_WAIT_POLICY=passive
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
options=(--quiet --threads 2 --set train.num_train_steps=200 --set eval.eval_frequency=15
  --set eval.checkpoint_freq=2 --set train.batch_size=8 --set data.bucket_batches=4
  --set schedule.warmup=10 --set optimizer.learning_rate=0.003)

lines() { { cat runs/*/metrics.jsonl 2>/dev/null || true; } | wc -l; }
losses() { sed 's/, "seconds".*//' runs/*/metrics.jsonl; }

for name in whole killed; do
  mkdir "$work/$name"
  (cd "$work/$name" && "$bin/lra-data" gen listops --len 128 --train 300 --validation 40 --test 40 --quiet)
done
cd "$work/whole"
code=0; "$bin/lra-train" "${options[@]}" || code=$?

cd "$work/killed"
done_kills=0 partial=0
while [ "$done_kills" -lt "$kills" ]; do
  target=$(($(lines) + RANDOM % 8 + 2))
  "$bin/lra-train" "${options[@]}" > log.txt 2>&1 &
  pid=$!
  # A random line of the next few, then up to about a checkpoint's time.
  while kill -0 $pid 2>/dev/null && [ "$(lines)" -lt "$target" ]; do :; done
  for ((spin = RANDOM % 40; spin > 0; spin--)); do [ -e runs ] || true; done
  kill -9 $pid 2>/dev/null || { echo "error: the run ended after $done_kills kills"; cat log.txt; exit 1; }
  wait $pid 2>/dev/null || true
  done_kills=$((done_kills + 1))
  if compgen -G 'runs/*/checkpoints/.*.partial' > /dev/null; then partial=$((partial + 1)); fi
done
last=0; "$bin/lra-train" "${options[@]}" || last=$?
[ "$code" = "$last" ] || { echo "error: exit $last instead of $code"; exit 1; }

diff <(cd "$work/whole" && losses) <(losses) || { echo "error: losses differ"; exit 1; }
for file in model optimizer; do
  cmp "$work"/whole/runs/*/checkpoints/step-00000200/$file.safetensors \
    runs/*/checkpoints/step-00000200/$file.safetensors
done
echo "$done_kills kills ($partial while a checkpoint was being written): $(losses | wc -l) lines of metrics" \
  "and the final weights are bit-identical"
