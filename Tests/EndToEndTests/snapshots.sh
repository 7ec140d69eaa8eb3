#!/bin/sh
# Makes the help snapshots again: Tests/EndToEndTests/snapshots.sh .build/release/lra-data
set -e
tool=$1
folder=$(dirname "$0")/Snapshots
rm -f "$folder"/lra-data*.txt
export COLUMNS=80
"$tool" --help > "$folder/lra-data.txt"
for task in listops pathfinder; do "$tool" gen $task --help > "$folder/lra-data-gen-$task.txt"; done
for command in gen ls show stats verify build manifest diff rm; do
  "$tool" $command --help > "$folder/lra-data-$command.txt"
done
