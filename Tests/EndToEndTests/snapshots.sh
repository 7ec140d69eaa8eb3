#!/bin/sh
# Makes the help snapshots again: Tests/EndToEndTests/snapshots.sh .build/release/lra-data
# and those of lra-train when it stands beside.
set -e
tool=$1
folder=$(dirname "$0")/Snapshots
rm -f "$folder"/lra-data*.txt
export COLUMNS=80
"$tool" --help > "$folder/lra-data.txt"
for task in listops pathfinder; do "$tool" gen $task --help > "$folder/lra-data-gen-$task.txt"; done
for kind in imdb aan cifar10 lra-release npy tsv csv jsonl; do "$tool" convert $kind --help > "$folder/lra-data-convert-$kind.txt"; done
for command in gen merge fetch convert export ls show stats verify build manifest diff rm; do
  "$tool" $command --help > "$folder/lra-data-$command.txt"
done
train=$(dirname "$tool")/lra-train
[ -x "$train" ] || exit 0
rm -f "$folder"/lra-train*.txt
"$train" --help > "$folder/lra-train.txt"
for command in train resume eval predict score sweep reproduce bench span report models recipe; do
  "$train" $command --help > "$folder/lra-train-$command.txt"
done
