#!/bin/bash
# The fault runs by hand, in full: Tests/long-faults.sh [KILLS [FLIPS [PART...]]]
#
# PARTs, all when none is named:
#   listops   the full default ListOps: threads, shard sizes, KILLS times kill -9 (default 20), debug build
#   images    the same kills on Pathfinder with masks
#   merge     the same kills on a merge of three shares
#   memory    the kernel kills a generation that a memory group limits (root, cgroup)
#   calls     every system call fails once, with each error (strace)
#   order     order of writes, short writes (strace, cc)
#   flips     FLIPS flipped bits (default 10000), and a cut at every 512 bytes
# Needs .build/release/lra-data, or TOOL; a debug binary at .build/debug/lra-data is compared too when it is
# there. Prints one line per check and exits 1 when a content digest or a file differs.
set -u
kills=${1:-20}
flips=${2:-10000}
[ $# -gt 2 ] && shift 2 || set -- listops images merge memory calls order flips
parts=" $* "
root=$(cd "$(dirname "$0")/.." && pwd)
tool=$(realpath "${TOOL:-$root/.build/release/lra-data}")
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

# Kills a command at random moments until it was killed KILLS times, then compares files and digest.
# The dataset is taken away when it is complete, so that the next kills hit a new one.
kill_often() {  # what, milliseconds of a whole run, dataset, database, arguments...
  local what=$1 duration=$2 name=$3 database=$4 count=0 complete=0 place
  shift 4
  place=$(dirname "$database")
  local expected_digest expected_files
  "$tool" "$@" --db "$database" --quiet > /dev/null || exit 1
  expected_digest=$(digest "$database")
  expected_files=$(cd "$place/data/$name" && sha256sum -- * | sha256sum)
  rm -rf "$place/data" "$database" "$database.lock"
  while [ $count -lt "$kills" ]; do
    "$tool" "$@" --db "$database" --quiet > /dev/null 2>&1 &
    sleep "$(awk -v d="$duration" -v r=$RANDOM 'BEGIN { printf "%.3f", d / 1000 * r / 32768 / 3 }')"
    kill -9 $! 2> /dev/null
    wait $! 2> /dev/null
    [ $? = 137 ] && count=$((count + 1))
    if [ "$(digest "$database" 2> /dev/null)" = "$expected_digest" ]; then
      complete=$((complete + 1))
      check "$what: files after kill -9" "$(cd "$place/data/$name" && sha256sum -- * | sha256sum)" "$expected_files"
      rm -rf "$place/data" "$database" "$database.lock" "$database-journal"
    fi
  done
  "$tool" "$@" --db "$database" --quiet > /dev/null
  check "$what: digest after kill -9 at $count random moments ($complete times complete)" \
    "$(digest "$database")" "$expected_digest"
  check "$what: files" "$(cd "$place/data/$name" && sha256sum -- * | sha256sum)" "$expected_files"
  check "$what: no partial file is left" "$(find "$place/data" -name '*.partial' | wc -l)" 0
  "$tool" verify --db "$database" --quiet > /dev/null
  check "$what: verify" $? 0
  rm -rf "$place/data" "$database"*
}

has() { case $parts in *" $1 "*) ;; *) return 1 ;; esac; }

listops() {
  local start middle end expected files manifest threads size a b debug
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
  kill_often listops $((middle - start)) listops-2k killed/data.sqlite gen listops

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
  rm -rf reference
}

images() {
  mkdir images
  kill_often images 3000 p images/data.sqlite gen pathfinder --segmentation single --name p \
    --train 20000 --validation 500 --test 500 --shard-examples 500
}

merge() {
  local number
  for number in 1 2 3; do
    mkdir -p "merge/w$number"
    "$tool" gen listops --worker $number/3 --db "merge/w$number/data.sqlite" --quiet > /dev/null || exit 1
  done
  mkdir merge/out
  kill_often merge 1500 listops-2k merge/out/data.sqlite merge merge/w1/data.sqlite \
    merge/w2/data.sqlite merge/w3/data.sqlite
  rm -rf merge
}

memory() {
  local group=/sys/fs/cgroup/memory/lra-faults code
  if ! mkdir $group 2> /dev/null || ! echo 20M > $group/memory.limit_in_bytes; then
    rmdir $group 2> /dev/null
    echo "skipped  memory: no memory group can be made here (root, cgroup v1)"
    return
  fi
  mkdir memory
  (echo $BASHPID > $group/cgroup.procs
    exec "$tool" gen listops --shard-examples 100000 --train 30000 --db memory/data.sqlite --quiet) > /dev/null 2>&1
  code=$?
  check "the kernel kills a generation in 20 MB" $code 137
  rmdir $group
  mkdir other
  "$tool" gen listops --shard-examples 100000 --train 30000 --db memory/data.sqlite --quiet > /dev/null
  "$tool" gen listops --shard-examples 100000 --train 30000 --db other/data.sqlite --quiet > /dev/null
  check "files after it" "$(fingerprint memory/data.sqlite)" "$(fingerprint other/data.sqlite)"
  rm -rf memory other
}

script() {  # file, arguments
  python3 "$root/Tests/FaultTests/$1" "$tool" "${@:2}" || failures=$((failures + 1))
}

for part in listops images merge memory; do
  if has $part; then $part; fi
done
if has calls; then script faulty_calls.py --long; fi
if has order; then script write_order.py; fi
if has flips; then script flipped_bits.py --flips "$flips" --step 512; fi
[ $failures = 0 ] && echo "all equal"
exit $((failures > 0))
