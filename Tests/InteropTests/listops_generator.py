"""ListOps from its documented draw order, with NumPy's Philox: listops_generator.py MIN MAX DEPTH ARGS SEED COUNT.

Prints the first COUNT examples of each split as JSON: [[label, tokens], ...] by split.
"""
import hashlib
import json
import math
import sys

import numpy as np

minimum, maximum, depth_limit, max_args, seed, count = map(int, sys.argv[1:])
parameters = json.dumps(
    {"max_args": max_args, "max_depth": depth_limit, "max_length": maximum, "min_length": minimum},
    separators=(",", ":"))
identity = f"lra-rng-1\nlistops\n1\n{parameters}\n{seed}"
key = np.frombuffer(hashlib.sha256(identity.encode()).digest()[:16], "<u8").astype(np.uint64)
bound = math.lcm(40, 16 * (max_args - 1))


def tree(random, depth, budget):
    """Tokens (ids) and value of one node; None when it grows too long."""
    if depth == depth_limit:
        digit = int(random.integers(0, 10, dtype=np.uint32))
        return [digit + 1], digit
    draw = int(random.integers(0, bound, dtype=np.uint32))
    if draw < bound * 3 // 4:
        return [draw % 10 + 1], draw % 10
    rest = draw - bound * 3 // 4
    operator = rest % 4
    tokens, values = [11 + operator], []
    for _ in range(2 + rest // 4 % (max_args - 1)):
        child = tree(random, depth + 1, budget - len(tokens))
        if child is None or len(tokens) + len(child[0]) >= budget:
            return None
        tokens += child[0]
        values.append(child[1])
    tokens.append(15)
    return tokens, [min, max, lambda v: int(np.median(v)), lambda v: sum(v) % 10][operator](values)


def example(split, position):
    attempt = 0
    while True:
        random = np.random.Generator(np.random.Philox(
            counter=np.array([0, attempt, position, split], np.uint64), key=key))
        grown = tree(random, 1, maximum)
        if grown is not None and minimum < len(grown[0]) < maximum:
            return [grown[1], grown[0]]
        attempt += 1


print(json.dumps([[example(split, position) for position in range(count)] for split in range(3)]))
