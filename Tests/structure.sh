#!/usr/bin/env bash
# What no compiler checks: import direction, file length, the one way of writing files, two places per mechanism.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0
complain() { printf 'error: %s\n' "$1" >&2; status=1; }

# Imports may only point down: a module's file may not import what stands after the colon.
forbid() {
  local module=$1 pattern=$2
  if grep -rnE "^(@testable )?import ($pattern)\$" "Sources/$module" --include='*.swift'; then
    complain "Sources/$module imports what it may not"
  fi
}
forbid Tokenizers '.*'
forbid Datasets 'Console|CTorch|Tensors|Attention|Train|ArgumentParser'
forbid Console 'Tokenizers|Datasets|CTorch|Tensors|Attention|Train|ArgumentParser'
forbid Tensors 'Console|Tokenizers|Datasets|Attention|Train|ArgumentParser'
forbid Attention 'Console|Tokenizers|Datasets|CTorch|Train|ArgumentParser'
forbid Train 'Console|CTorch|ArgumentParser'
forbid lra-data 'CTorch|Tensors|Attention|Train'
forbid lra-train 'CTorch|GRDB'

# A file holds one concept: at most 400 lines.
while read -r lines file; do
  [ "$file" = total ] || [ "$lines" -le 400 ] || complain "$file has $lines lines; split it by concept"
done < <(git ls-files 'Sources/*.swift' 'Sources/*.cpp' 'Sources/*.h' 'Sources/*.inc' 'Tests/*.swift' | xargs wc -l)

# Files are written by Publication and AppendLog only.
if grep -rnE 'O_WRONLY|O_RDWR|createFile\(|\.write\(to:|write\(toFile|FileHandle\(for(Writing|Updating)|fopen\(' Sources --include='*.swift' \
  | grep -vE 'Shards/(Publication|AppendLog)\.swift|WriterLock\.swift'; then
  complain "a file is written past Publication and AppendLog"
fi

# A mechanism is its file and one line of the registry.
for file in $(grep -lE ': Mixer \{' Sources/Attention/Mixers/*.swift); do
  type=$(basename "$file" .swift)
  places=$(grep -rE "\b$type\.self|\b$type\(" Sources --include='*.swift' | grep -vc "^$file" || true)
  [ "$places" = 1 ] || complain "$type is named in $places places besides its own file; the registry alone should name it"
done
exit $status
