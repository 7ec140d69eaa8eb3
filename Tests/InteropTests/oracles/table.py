"""Prints the results of rebuild.py as a table: table.py RESULTS.jsonl..."""
import json
import re
import sys


def folded(names):
    """Names with {i} for their numbers, each once."""
    return sorted({re.sub(r"(?<=\.)\d+", "{i}", name) for name in names})


rows = [json.loads(line) for path in sys.argv[1:] for line in open(path, encoding="utf-8")]
rows.sort(key=lambda row: row["run"])
print("| model | largest difference | largest logit | examples | ties | tensors | least effect | without effect |")
print("|---|---|---|---|---|---|---|---|")
for row in rows:
    name = row["run"].split("/")[-2]
    nothing = folded(row["without_effect"]) + [f"{one} (not read)" for one in folded(row["unused"])]
    nothing = ", ".join(nothing) or "none"
    print(f"| {name} | {row['difference']:.1e} | {row['largest']:.2f} | {row['examples']} | {row['ties']} |"
          f" {row['tensors']} | {row['least_effect']:.1e} | {nothing} |")
worst = max(rows, key=lambda row: row["difference"])
print(f"\n{len(rows)} models, largest difference {worst['difference']:.1e} ({worst['run'].split('/')[-2]})")
