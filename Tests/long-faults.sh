#!/bin/bash
# The fault runs on the full default ListOps, by hand: Tests/long-faults.sh [KILLS]
#
# Needs .build/release/lra-data; a debug binary at .build/debug/lra-data is compared too when it is there.
# Prints one line per check and exits 1 when a content digest or a file differs.
set -u
kills=${1:-20}
root=$(cd "$(dirname "$0")/.." && pwd)
tool=$root/.build/release/lra-data
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failures=0

digest() { "$tool" ls --json --db "$1" | grep -o '"content_digest":"[0-9a-f]*"' | cut -d'"' -f4; }
# Names and bytes of shards and side tables, and every row of the index.
fingerprint() {
  (cd "$(dirname "$1")/data/listops-2k" && find . -type f | LC_ALL=C sort | xargs sha256sum) | sha256sum
}
check() {  # what, found, expected
  if [ "$2" = "$3" ]; then echo "ok       $1"; else
    echo "DIFFERS  $1: $2, expected $3"; failures=$((failures + 1)); fi
}
milliseconds() { date +%s%3N; }

mkdir reference
start=$(milliseconds)
"$tool" gen listops --db reference/data.sqlite --quiet > /dev/null || exit 1
middle=$(milliseconds)
"$tool" verify --db reference/data.sqlite --quiet > /dev/null || exit 1
end=$(milliseconds)
expected=$(digest reference/data.sqlite)
files=$(fingerprint reference/data.sqlite)
echo "content digest $expected"
echo "gen $((middle - start)) ms, verify $((end - middle)) ms, $(nproc) cores"
manifest=$(grep -o '"content_digest" : "[0-9a-f]*"' "$root/manifests/listops-2k.json" | head -1 | cut -d'"' -f4)
check "manifests/listops-2k.json" "$manifest" "$expected"

for threads in 1 2 8; do
  mkdir "t$threads"
  "$tool" gen listops --threads $threads --db "t$threads/data.sqlite" --quiet > /dev/null
  check "digest with $threads threads" "$(digest "t$threads/data.sqlite")" "$expected"
  check "files with $threads threads" "$(fingerprint "t$threads/data.sqlite")" "$files"
  rm -rf "t$threads"
done
for size in 100 1000 100000; do
  mkdir "s$size"
  "$tool" gen listops --shard-examples $size --db "s$size/data.sqlite" --quiet > /dev/null
  check "digest with $size examples per shard" "$(digest "s$size/data.sqlite")" "$expected"
  rm -rf "s$size"
done

mkdir killed
count=0
duration=$((middle - start))
while [ $count -lt "$kills" ]; do
  "$tool" gen listops --db killed/data.sqlite --quiet > /dev/null 2>&1 &
  # Each run is killed at a random moment; the runs together would make the dataset several times.
  sleep "$(awk -v d=$duration -v r=$RANDOM 'BEGIN { printf "%.3f", d / 1000 * r / 32768 / 3 }')"
  if kill -9 $! 2> /dev/null; then count=$((count + 1)); fi
  wait $! 2> /dev/null
  if [ "$(digest killed/data.sqlite 2> /dev/null)" = "$expected" ]; then
    # Complete: the next kills hit a new one.
    check "files after kill -9" "$(fingerprint killed/data.sqlite)" "$files"
    rm -rf killed; mkdir killed
  fi
done
"$tool" gen listops --db killed/data.sqlite --quiet > /dev/null
check "digest after kill -9 at $count random moments and resume" "$(digest killed/data.sqlite)" "$expected"
check "files after kill -9 at $count random moments and resume" "$(fingerprint killed/data.sqlite)" "$files"
check "no partial file is left" "$(find killed -name '*.partial' | wc -l)" 0
"$tool" verify --db killed/data.sqlite --quiet > /dev/null
check "verify after it" $? 0
rm -rf killed

mkdir larger
"$tool" gen listops --test 20000 --db larger/data.sqlite --quiet > /dev/null
a=$("$tool" show listops-2k 0 --split test --count 2000 --json --db larger/data.sqlite | sha256sum)
b=$("$tool" show listops-2k 0 --split test --count 2000 --json --db reference/data.sqlite | sha256sum)
check "the first 2 000 of --test 20000" "$a" "$b"
rm -rf larger

debug=$root/.build/debug/lra-data
if [ -x "$debug" ]; then
  mkdir debug
  "$debug" gen listops --db debug/data.sqlite --quiet > /dev/null
  check "digest of the debug build" "$(digest debug/data.sqlite)" "$expected"
  check "files of the debug build" "$(fingerprint debug/data.sqlite)" "$files"
else
  echo "skipped  the debug build: swift build --product lra-data makes it"
fi
[ $failures = 0 ] && echo "all equal"
exit $((failures > 0))
