#!/usr/bin/env bash
# Builds lra-train for a machine that has a GPU and torch but no Swift, carries it there with a small data set, and
# checks it: four training steps of every model on the device and on the CPU (losses side by side, no dropout,
# which the two draw differently), then bench on the device.
#   Tests/gpu.sh [cuda|cpu] [user@host]
# LIBTORCH is the torch to build against: the same version as there (default: ./setup's). TORCH_THERE is its folder
# there (default: asked of python3). Without a host everything runs here. BIN=FOLDER takes built binaries, MODELS and
# LENGTHS choose some. `cpu` tests this script where there is no GPU: it compares the kernel tiers best and portable.
#
# Never run so far: `cuda`, since no machine with a GPU was lent; the way by ssh; the build of its own, with Swift's
# libraries linked statically (it began, but was not waited for). Run: `cpu` with BIN, here.
set -euo pipefail

compare() { # device, folder of the package: what runs on the other machine
  local device=$1 here=$2 torch=$3 failed=0 model first second
  export LD_LIBRARY_PATH=$torch/lib OMP_WAIT_POLICY=passive
  cd "$here"
  first=cpu second=$device
  local name=$device
  [ "$device" = cpu ] && name=portable
  models=${MODELS:-$(./lra-train models --task listops 2> /dev/null | awk 'NF == 0 {exit} NR > 2 {print $1}')}
  printf '%-24s %12s %12s %10s   %s\n' model cpu "$name" difference "largest of all losses, relative"
  for model in $models; do
    local a b line
    a=$(losses "$model" "$first" '') || a=failed
    b=$(losses "$model" "$second" "$([ "$device" = cpu ] && echo portable || true)") || b=failed
    line=$(paste <(printf '%s\n' $a) <(printf '%s\n' $b) | awk -v model="$model" '
      NF < 2 || $1 == "failed" || $2 == "failed" {bad = 1}
      {d = ($1 - $2) / ($1 == 0 ? 1 : $1); if (d < 0) d = -d; if (d > most) most = d
       if (NR == 1) {x = substr($1, 1, 9); y = substr($2, 1, 9); if (d > 1e-4) bad = 1} else if (d > 1e-2) bad = 1}
      END {printf "%-24s %12s %12s %10.1e   %s\n", model, x, y, most, bad || NR < 6 ? "DIFFERS" : "ok"}')
    echo "$line"
    case $line in *DIFFERS) failed=$((failed + 1)) ;; esac
  done
  echo "$failed models differ"
  ./lra-train bench --device "$device" --models "${BENCH_MODELS:-transformer,linear,local}" \
    --lengths "${LENGTHS:-1k,2k}" --steps 3 || failed=$((failed + 1))
  [ "$failed" = 0 ]
}

losses() { # model, device, kernel tier: the losses of four steps and both evaluations, one a line
  rm -rf runs
  LRA_CPU=$3
  [ -n "$LRA_CPU" ] && export LRA_CPU || unset LRA_CPU
  ./lra-train --model "$1" --device "$2" --quiet --json --set train.num_train_steps=4 \
    --set train.batch_size=8 --set model.dropout_rate=0 --set model.attention_dropout_rate=0 \
    --set optimizer.learning_rate=0.001 --set schedule.factors=constant > out.txt 2>&1 ||
    { tail -3 out.txt >&2; return 1; }
  sed -n 's/.*"loss": \([^,]*\),.*/\1/p' runs/*/metrics.jsonl
}

if [ "${1:-}" = --there ]; then
  torch=${TORCH_THERE:-$(python3 -c 'import os, torch; print(os.path.dirname(torch.__file__))')}
  compare "$2" "$3" "$torch"
  exit
fi

device=${1:-cuda} host=${2:-}
case $device in cuda | cpu) ;; *) echo "error: $device is neither cuda nor cpu" >&2; exit 64 ;; esac
cd "$(dirname "$0")/.."
torch=${LIBTORCH:-$PWD/.deps/libtorch}
[ -e "$torch/lib/libtorch_cpu.so" ] || { echo "error: $torch holds no libtorch; run ./setup" >&2; exit 64; }
if [ -z "${BIN:-}" ]; then
  for product in lra-data lra-train; do
    LIBTORCH=$torch swift build -c release --static-swift-stdlib --scratch-path .build/gpu --product $product >&2
  done
  BIN=.build/gpu/release
fi
package=$(mktemp -d)
trap 'rm -rf "$package"' EXIT
cp "$BIN/lra-train" "$BIN/lra-data" Tests/gpu.sh "$package"
(cd "$package" && ./lra-data gen listops --len 128 --train 32 --validation 8 --test 8 --quiet > /dev/null)
if [ -z "$host" ]; then
  TORCH_THERE=${TORCH_THERE:-$torch} bash "$package/gpu.sh" --there "$device" "$package"
else
  there=$(ssh "$host" mktemp -d)
  tar -C "$package" -cz . | ssh "$host" "tar -C $there -xz"
  code=0
  ssh "$host" "${TORCH_THERE:+TORCH_THERE=$TORCH_THERE} bash $there/gpu.sh --there $device $there" || code=$?
  ssh "$host" "rm -rf $there"
  exit $code
fi
