#!/usr/bin/env bash
# Coverage-guided fuzzing of every parser of foreign bytes: Tests/fuzz.sh [seconds per target] [target...]
#
# Each target in Tests/Fuzz first runs with a planted fault, which it must find; then it runs clean for so many
# seconds. Built with the toolchain's libFuzzer and AddressSanitizer, apart from the package: the parsers and
# what they use, with a stand-in for swift-crypto. Executions and findings are printed as they come; an input
# that ends the process is kept in the folder that is named, and the exit code is 1.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
targets=${*:-archive png pickle npy listops tsv sidetable manifest}
all=$([ $# -eq 0 ] && echo yes || true)
work=${FUZZ_FOLDER:-$(mktemp -d /tmp/lra-fuzz.XXXXXX)}
build=$work/build
mkdir -p "$build"
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 SWIFT_BACKTRACE=enable=no
root=$(dirname "$(dirname "$(readlink -f "$(command -v swiftc)")")")
clang=$root/bin/clang

# The parsers, and what they need. A new parser gets its files here and a target in Tests/Fuzz.
parsers="DatasetError.swift DatasetError+Conversion.swift CanonicalJSON.swift Manifest.swift
  ArchiveStream.swift PlainFile.swift SourceReader.swift SourceFile.swift SequenceRow.swift NpyArray.swift
  TextLines.swift Digest.swift Records.swift SideTable.swift PNGCodec.swift ListOpsEvaluation.swift
  PickledBatch.swift ReleasedListOps.swift OwnTask.swift OwnExamples.swift LabelledTable.swift
  TokenArrays.swift"
# Pairs of documents.
parsers+=" DatasetError+Pairs.swift LineSplitter.swift AANFile.swift DocumentPool.swift DocumentPair.swift
  MappedShard.swift Guarded.swift"
[ -z "$all" ] || targets+=" aan"

module() {  # NAME FLAGS... -- FILES...: a Swift module of its own
  local name=$1
  shift
  local flags=()
  while [ "$1" != -- ]; do flags+=("$1"); shift; done
  shift
  swiftc -O -wmo -parse-as-library -swift-version 6 -enable-testing -sanitize=address \
    ${flags[@]+"${flags[@]}"} -I "$build" -Xcc -fmodule-map-file="$build/module.modulemap" \
    -module-name "$name" -emit-module -emit-module-path "$build/$name.swiftmodule" \
    -emit-object -o "$build/$name.o" "$@"
}

echo "building in $work"
cat > "$build/module.modulemap" <<MAP
module CPNG { header "$PWD/Sources/CPNG/include/CPNG.h" export * }
module CArchive { header "$PWD/Sources/CArchive/include/CArchive.h" export * }
MAP
for shim in CPNG CArchive; do
  "$clang" -O1 -g -fsanitize=fuzzer-no-link,address -I "Sources/$shim/include" \
    -c "Sources/$shim/$shim.c" -o "$build/$shim.o"
done
module Crypto -- Tests/Fuzz/Crypto.swift
module Tokenizers -- Sources/Tokenizers/*.swift
# shellcheck disable=SC2086
module Datasets -sanitize=fuzzer -- $(for file in $parsers; do find Sources/Datasets -name "$file"; done)

target() {  # NAME OUTPUT FLAGS...
  local name=$1 output=$2
  shift 2
  swiftc -O -parse-as-library -swift-version 6 -sanitize=fuzzer,address -use-ld=lld "$@" -I "$build" \
    -Xcc -fmodule-map-file="$build/module.modulemap" -module-name Fuzz \
    "Tests/Fuzz/$name.swift" Tests/Fuzz/Support.swift "$build"/{Datasets,Tokenizers,Crypto,CPNG,CArchive}.o \
    -lpng -lz -larchive -o "$output"
}

python3 Tests/Fuzz/seeds.py "$work/seeds"
status=0
for name in $targets; do
  mkdir -p "$work/found/$name" "$work/corpus/$name"
  target "$name" "$build/$name-planted" -D PLANTED
  # The planted fault must end the process; two minutes are plenty.
  if (ulimit -c 0; cd "$work/found/$name" && "$build/$name-planted" -max_total_time=120 \
      -max_len=4096 -artifact_prefix=planted- "$work/seeds/$name" > planted.log 2>&1); then
    echo "$name: the planted fault was not found"
    status=1
    continue
  fi
  if ! grep -q 'the planted fault was found' "$work/found/$name/planted.log"; then
    echo "$name: another fault than the planted one, see $work/found/$name/planted.log"
    status=1
    continue
  fi
  planted=$(grep -oE '^#[0-9]+' "$work/found/$name/planted.log" | tail -1 | tr -d '#')
  target "$name" "$build/$name"
  findings=0
  (ulimit -c 0; cd "$work/found/$name" && "$build/$name" -max_total_time="$seconds" -max_len=4096 \
    -timeout=60 -print_final_stats=1 "$work/corpus/$name" "$work/seeds/$name" > run.log 2>&1) || findings=1
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/found/$name/run.log")
  edges=$(grep -oE 'cov: [0-9]+' "$work/found/$name/run.log" | tail -1)
  echo "$name: planted fault found after ${planted:-?} runs; then ${runs:-?} runs in $seconds s, $edges, findings $findings"
  [ "$findings" -eq 0 ] || { status=1; echo "  see $work/found/$name"; }
done
exit $status
