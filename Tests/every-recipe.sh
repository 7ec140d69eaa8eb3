#!/usr/bin/env bash
# One real training step of every recipe (task x protocol x model) on sequences as long as the recipe's
# max_length, one example at a time: a line for each with its seconds, its peak memory and how it ended.
# A result that is there is not made again, so the script goes on where it stopped; a model that the
# machine cannot hold is refused in words, which is no failure.
#   Tests/every-recipe.sh [folder of the results] [folder with lra-data and lra-train]
# TASKS, RECIPES and MODELS choose some ("listops image"), SECONDS_EACH limits one recipe (900).
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-.build/every-recipe}
bin=$(cd "${2:-.build/release}" && pwd)
export OMP_WAIT_POLICY=passive
mkdir -p "$out"
out=$(cd "$out" && pwd)
results=$out/results.tsv
touch "$results"
tasks=${TASKS:-listops image text pathfinder retrieval pathx}
recipes=${RECIPES:-small modern paper released}
models=${MODELS:-$("$bin/lra-train" models --task listops 2> /dev/null |
  awk 'NF == 0 {exit} NR > 2 {print $1}')}

# Tiny datasets with full sequences: two examples to train on, one or two of the other splits.
bytes() { # count of bytes without tabs and line ends
  head -c "$1" /dev/zero | tr '\0' "$2"
}
make_data() {
  local db=$out/$1.sqlite files=$out/files-$1
  [ -e "$out/$1.ready" ] && return
  rm -rf "$db" "$files"
  mkdir -p "$files"
  case $1 in
    listops) "$bin/lra-data" gen listops --min-length 1900 --max-length 2000 --train 2 \
      --validation 1 --test 1 --db "$db" --quiet ;;
    image)
      for batch in data_batch_{1,2,3,4,5} test_batch; do
        for label in 1 2; do
          printf "\\x0$label"
          head -c 3072 <(yes "$label 3f9a $batch 0c" | tr -d '\n')
        done > "$files/$batch.bin"
      done
      "$bin/lra-data" convert cifar10 --from "$files" --validation 1 --db "$db" --quiet ;;
    text)
      for part in train test; do
        for class in pos neg; do
          mkdir -p "$files/aclImdb/$part/$class"
          for id in 0 1 2; do
            bytes 4100 "$(printf %s "${class:0:1}")" > "$files/aclImdb/$part/$class/${id}_7.txt"
            echo "$part $id" >> "$files/aclImdb/$part/$class/${id}_7.txt"
          done
        done
      done
      "$bin/lra-data" convert imdb --from "$files/aclImdb" --validation 2 --db "$db" --quiet ;;
    retrieval)
      for part in train eval test; do
        for pair in 1 2; do
          printf '%s.0\t%s%s\t%s%s\t%s\t%s\n' $((pair - 1)) "$part" "a$pair" "$part" "b$pair" \
            "$part a $pair $(bytes 4100 a)" "$part b $pair $(bytes 4100 b)"
        done > "$files/new_aan_pairs.$part.tsv"
      done
      "$bin/lra-data" convert aan --from "$files" --db "$db" --quiet ;;
    pathfinder) "$bin/lra-data" gen pathfinder --len 1k --train 2 --validation 1 --test 1 \
      --db "$db" --quiet ;;
    pathx) "$bin/lra-data" gen pathfinder --len 16k --train 2 --validation 1 --test 1 \
      --db "$db" --quiet ;;
  esac
  rm -rf "$files"
  touch "$out/$1.ready"
}

field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p" <<< "$2" | head -1; }

one() { # task recipe model: a line of the results
  local runs=$out/runs begin seconds json code=0 state verdict memory
  rm -rf "$runs"
  begin=$(date +%s.%N)
  json=$(timeout "${SECONDS_EACH:-900}" "$bin/lra-train" --db "$out/$1.sqlite" --task "$1" \
    --recipe "$2" --model "$3" --out "$runs" --json --quiet --set train.num_train_steps=1 \
    --set train.batch_size=1 --set train.accumulate=1 2> "$out/stderr.txt") || code=$?
  seconds=$(awk -v a="$begin" -v b="$(date +%s.%N)" 'BEGIN {printf "%.1f", b - a}')
  rm -rf "$runs"
  state=$(field state "$json")
  memory=$(field peak_bytes "$json" | awk '{printf "%.0f MB", $1 / 1e6}')
  case $code:$state in
    0:finished | 0:plateau) verdict=ok ;;
    64: | 1:) verdict="refused: $(field message "$json")" ;;
    124:) verdict="FAILED: no end after ${SECONDS_EACH:-900} s" ;;
    *) verdict="FAILED: exit $code: $(field message "$json") $(tail -1 "$out/stderr.txt")" ;;
  esac
  case $verdict in
    refused:*"holds matrices of"*) ;;
    refused:*) verdict="FAILED: ${verdict#refused: }" ;;
  esac
  printf '%s\t%s\t%s\t%s s\t%s\t%s\n' "$1" "$2" "$3" "$seconds" "${memory:--}" "$verdict"
}

ok=0 refused=0 failed=0
for task in $tasks; do
  make_data "$task"
  for recipe in $recipes; do
    for model in $models; do
      key=$(printf '%s\t%s\t%s\t' "$task" "$recipe" "$model")
      line=$(grep -F "$key" "$results" | grep -v FAILED | tail -1 || true)
      if [ -z "$line" ]; then
        line=$(one "$task" "$recipe" "$model")
        printf '%s\n' "$line" >> "$results"
      fi
      IFS=$'\t' read -r _ _ _ seconds memory verdict <<< "$line"
      printf '%-11s %-9s %-20s %9s %10s  %s\n' \
        "$task" "$recipe" "$model" "$seconds" "$memory" "$verdict"
      case $verdict in
        ok) ok=$((ok + 1)) ;;
        refused*) refused=$((refused + 1)) ;;
        *) failed=$((failed + 1)) ;;
      esac
    done
  done
done
echo "$((ok + refused + failed)) recipes: $ok ok, $refused refused, $failed failed"
[ "$failed" = 0 ]
