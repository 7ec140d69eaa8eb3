#!/usr/bin/env bash
# Kills a training many times (-9) and resumes it until it ends, then compares the bits of every loss and the final
# weights, moments and masks with those of an uninterrupted run.
#   Tests/long-train-faults.sh [kills, default 20] [folder with lra-data and lra-train]
# Of four kills one falls while a checkpoint is being written, one at the end of an epoch, two anywhere: between
# the parts of a batch (accumulate), in an evaluation, ... Dropout is on. MODELS chooses among transformer (all
# losses), reformer (new LSH rotations every step), performer (new features every step) and pruned.
set -euo pipefail
cd "$(dirname "$0")/.."
kills=${1:-20}
bin=$(cd "${2:-.build/release}" && pwd)
export OMP_WAIT_POLICY=passive
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
steps=400 epoch=38  # 300 examples in batches of 8
common=(--quiet --threads 2 --set train.num_train_steps=$steps --set eval.eval_frequency=15
  --set eval.checkpoint_freq=2 --set train.batch_size=8 --set train.accumulate=4 --set data.bucket_batches=4
  --set schedule.warmup=10 --set optimizer.learning_rate=0.003 --set optimizer.weight_decay=0.01)

settings() { # model: its options
  case $1 in
    transformer) ;;
    reformer) echo --model reformer --set model.mixer.chunk_length=16 ;;
    performer) echo --model performer --set model.mixer.redraw_features=true ;;
    pruned) echo --set train.pruning=magnitude --set train.pruning_every=7 ;;
    *) echo "error: no settings for $1" >&2; return 64 ;;
  esac
}

last_step() { { tail -n 1 runs/*/metrics.jsonl 2> /dev/null || true; } | sed -n 's/^{"step": \([0-9]*\),.*/\1/p'; }
losses() { sed 's/, "seconds".*//' runs/*/metrics.jsonl; }
is_saving() { compgen -G 'runs/*/checkpoints/.*.partial' > /dev/null; }

check() { # model: kills and resumes until the end, then compares
  local model=$1 code=0 last=0 done_kills=0 saving=0 boundary=0 target pid step
  local options=("${common[@]}" $(settings "$1"))
  for name in whole killed; do
    mkdir -p "$work/$model/$name"
    (cd "$work/$model/$name" &&
      "$bin/lra-data" gen listops --len 128 --train 300 --validation 40 --test 40 --quiet > /dev/null)
  done
  cd "$work/$model/whole"
  "$bin/lra-train" "${options[@]}" > log.txt 2>&1 || code=$?
  [ -e runs/*/result.json ] || { cat log.txt; return 1; }
  cd "$work/$model/killed"
  while [ "$done_kills" -lt "$kills" ]; do
    step=$(last_step)
    step=${step:-0}
    "$bin/lra-train" "${options[@]}" > log.txt 2>&1 &
    pid=$!
    case $((done_kills % 4)) in
      0) target=$((step + 1)) ;;
      1) target=$(((step / epoch + 1) * epoch)) ;;
      *) target=$((step + RANDOM % 6 + 1)) ;;
    esac
    # The resumed run repeats the steps since its checkpoint, so the log may be shorter for a moment.
    await_step "$pid" "$target"
    if [ $((done_kills % 4)) = 0 ]; then
      while kill -0 $pid 2> /dev/null && ! is_saving; do :; done
    elif [ $((done_kills % 4)) != 1 ]; then
      for ((spin = RANDOM % 60; spin > 0; spin--)); do [ -e runs ] || true; done
    fi
    kill -9 $pid 2> /dev/null || { echo "error: the run ended after $done_kills kills"; cat log.txt; return 1; }
    wait $pid 2> /dev/null || true
    done_kills=$((done_kills + 1))
    if is_saving; then saving=$((saving + 1)); fi
    step=$(last_step)
    case $((${step:-0} % epoch)) in 0 | 1 | $((epoch - 1))) boundary=$((boundary + 1)) ;; esac
  done
  "$bin/lra-train" "${options[@]}" > log.txt 2>&1 || last=$?
  [ "$code" = "$last" ] || { echo "error: $model: exit $last instead of $code"; cat log.txt; return 1; }
  diff <(cd ../whole && losses) <(losses) || { echo "error: $model: losses differ"; return 1; }
  local name
  name=$(printf 'step-%08d' "$steps")
  for file in model optimizer; do
    cmp ../whole/runs/*/checkpoints/"$name/$file.safetensors" runs/*/checkpoints/"$name/$file.safetensors"
  done
  echo "$model: $done_kills kills, $saving while a checkpoint was being written, $boundary within a step of an" \
    "epoch's end: $(losses | wc -l) lines of metrics and the final weights and moments are bit-identical"
}

await_step() { # process, step: waits until the log has the step, or the process is gone
  local now
  while kill -0 "$1" 2> /dev/null; do
    now=$(last_step)
    [ "${now:-0}" -lt "$2" ] || return 0
  done
}

for model in ${MODELS:-transformer reformer performer pruned}; do
  (check "$model")
done
