#!/bin/bash
# The user's files under kill -9, by hand: Tests/kill-faults.sh [KILLS [SEED]]
#
# Kills convert, rm, merge and gen KILLS times (default 200) at random moments that SEED (default 1) decides, in
# a folder that is full of files that the tool did not write, beside a second database of the same names. After
# every kill not one byte of those files may differ; after every 10 kills each command is run to its end: the
# digests must be those of an undisturbed run, and rm must leave what is not ours and nothing else.
# Needs .build/release/lra-data, or TOOL. Prints a line per check that failed and a summary; exits 1 when one did.
set -u
kills=${1:-200}
seed=${2:-1}
root=$(cd "$(dirname "$0")/.." && pwd)
tool=$(realpath "${TOOL:-$root/.build/release/lra-data}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failures=0
RANDOM=$seed

fail() { echo "FAILED   $1"; failures=$((failures + 1)); }
run() { "$tool" "$@" --quiet > /dev/null 2> error; }
digest() { "$tool" ls --json --db "$1" | grep -o "\"content_digest\":\"[0-9a-f]*\"[^{]*\"name\":\"$2\"" | cut -d'"' -f4; }

sizes=(--len 64 --train 1600 --validation 0 --test 0 --shard-examples 20 --threads 2)
awk 'BEGIN { for (i = 0; i < 1600; i++) printf "%d\ttext of example %d\n", i % 3, i }' > mine.tsv
command_of() {  # operation
  case $1 in
    convert) echo convert tsv --from mine.tsv --task mine --shard-examples 20 --threads 2 ;;
    gen) echo gen listops --name made "${sizes[@]}" ;;
    merge) echo merge w1/data.sqlite w2/data.sqlite --threads 2 ;;
    rm-*) echo rm "${1#rm-}" --yes ;;
  esac
}
names=(mine made merged)

# What is not ours: the other database and its shards too.
mkdir -p w1 w2
for number in 1 2; do
  run gen listops --name merged "${sizes[@]}" --worker $number/2 --db w$number/data.sqlite || exit 1
done
for name in "${names[@]}"; do
  mkdir -p "data/$name/deep/er"
  echo "notes on $name" > "data/$name/notes.txt"
  echo "mine, not yours" > "data/$name/.train-00001.npy.17-ab.partial"
  echo "a backup" > "data/$name/train-00000.npy.bak"
  head -c 3000 /dev/urandom > "data/$name/deep/er/archive.bin"
  printf '0\tmy table\n' > "data/$name/train-99999.tsv"
done
mkdir data/taken
cp mine.tsv data/taken/train-00000.tsv
echo "loose" > data/loose.txt
for operation in convert gen merge; do
  # shellcheck disable=SC2046
  run $(command_of $operation) --db b.sqlite || { cat error; exit 1; }
done
foreign_files() { find . -type f -not -path './data.sqlite*' -not -path ./error; }
foreign_files | LC_ALL=C sort | xargs -d '\n' sha256sum > "$folder.foreign"
trap 'rm -rf "$folder" "$folder.foreign"' EXIT
count_foreign=$(wc -l < "$folder.foreign")

# How long each takes, and what it gives.
declare -A duration expected ours
for operation in convert gen merge rm-mine rm-made rm-merged; do
  start=$(date +%s%3N)
  # shellcheck disable=SC2046
  run $(command_of $operation) || { cat error; exit 1; }
  duration[$operation]=$(($(date +%s%3N) - start))
  if [ $operation = merge ]; then for name in "${names[@]}"; do
    expected[$name]=$(digest data.sqlite $name)
    ours[$name]=$("$tool" rm $name --dry-run --json | grep -o '"files":\[[^]]*\]' | tr -d '[]"' | sed 's/files://' | tr , '\n' | sort | xargs sha256sum | sha256sum)
  done; fi
done
operations=("${!duration[@]}")
echo "$count_foreign foreign files; undisturbed: $(for o in "${operations[@]}"; do printf '%s %s ms, ' "$o" "${duration[$o]}"; done)seed $seed"

check_foreign() {
  sha256sum --check --quiet "$folder.foreign" > changed 2>&1 || fail "foreign files after $1: $(head -3 changed)"
  rm -f changed
}

finish_all() {  # when
  local name operation
  for operation in convert gen merge; do
    # shellcheck disable=SC2046
    run $(command_of $operation) || fail "$operation $1: $(head -2 error)"
  done
  for name in "${names[@]}"; do
    [ "$(digest data.sqlite $name)" = "${expected[$name]}" ] || fail "digest of $name $1"
    found=$("$tool" rm $name --dry-run --json | grep -o '"files":\[[^]]*\]' | tr -d '[]"' | sed 's/files://' | tr , '\n' | sort | xargs sha256sum | sha256sum)
    [ "$found" = "${ours[$name]}" ] || fail "shards of $name $1"
  done
  run verify || fail "verify $1"
  if [ $((RANDOM % 2)) = 0 ]; then
    for name in "${names[@]}"; do run rm $name --yes || fail "rm $name $1: $(head -2 error)"; done
    left=$(foreign_files | wc -l)
    [ "$left" = "$count_foreign" ] || fail "$left files after rm, $count_foreign are not ours: $1"
  fi
  check_foreign "all commands $1"
}

declare -A killed
count=0
while [ $count -lt "$kills" ]; do
  operation=${operations[$((RANDOM % ${#operations[@]}))]}
  # shellcheck disable=SC2046
  "$tool" $(command_of $operation) --quiet > /dev/null 2>&1 &
  sleep "$(awk -v d="${duration[$operation]}" -v r=$RANDOM 'BEGIN { printf "%.3f", d / 1000 * r / 32768 }')"
  kill -9 $! 2> /dev/null
  wait $! 2> /dev/null
  [ $? = 137 ] || continue
  count=$((count + 1))
  killed[$operation]=$((${killed[$operation]:-0} + 1))
  check_foreign "kill $count, of $operation"
  run convert tsv --from data/taken/train-00000.tsv --task taken
  [ $? = 7 ] || fail "a source in a shard's place, after kill $count"
  if [ $((count % 10)) = 0 ]; then finish_all "after kill $count"; echo "$count kills, $failures checks failed" >&2; fi
done
finish_all "at the end"
run verify --db b.sqlite || fail "the other database"
[ "$(find data -name '*.partial' -not -name .train-00001.npy.17-ab.partial | wc -l)" = 0 ] || fail "partial files are left"
echo "$count kills: $(for o in "${!killed[@]}"; do printf '%s %s, ' "$o" "${killed[$o]}"; done)$failures checks failed"
exit $((failures > 0))
