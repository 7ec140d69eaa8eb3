#!/bin/sh
# Makes the help snapshots again: Tests/EndToEndTests/snapshots.sh .build/release/lra-data
set -e
tool=$1
folder=$(dirname "$0")/Snapshots
rm -f "$folder"/lra-data*.txt
export COLUMNS=80
"$tool" --help > "$folder/lra-data.txt"
"$tool" gen listops --help > "$folder/lra-data-gen-listops.txt"
for command in gen ls show stats verify build manifest diff rm; do
  "$tool" $command --help > "$folder/lra-data-$command.txt"
done
