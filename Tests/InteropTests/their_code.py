"""Loss and gradients of mlpen/Nystromformer's own LRA code from our weights, on the same batch.

  their_code.py CHECKOUT FOLDER...

CHECKOUT is a clone of that repository; its modules are imported as they are, with the configuration of its
lra_config.py but for dropout (0), mixed precision (off) and the length. A FOLDER holds case.json, our
model.safetensors and gradients.safetensors. Prints one JSON object a folder: both losses, the largest difference
of a gradient over the largest gradient of its tensor, and how many tensors were compared.
"""
import importlib
import json
import sys
import warnings

import numpy as np
import torch

from oracles import files

warnings.simplefilter("ignore")  # torch.cuda.amp is deprecated


def configuration(lra_config, case):
    task = lra_config.config[case["their_task"]]
    model = {**task["model"], **task["extra_attn_config"][case["their_model"]]}
    model.update(
        mixed_precision=False, attn_type=case["their_model"], max_seq_len=case["padded_length"],
        seq_len=case["padded_length"],  # read by attention_nystrom.py, set nowhere
        dropout_prob=0.0, attention_dropout=0.0)
    return model


def their_name(name, case):
    """The name there of a tensor of ours."""
    parts = name.split(".")
    if parts[0] == "embed":
        return "model.embeddings.%s_embeddings.weight" % {"token": "word", "position": "position"}[parts[1]]
    if parts[0] == "norm":
        return f"model.{name}"
    if parts[0] == "head":
        return "seq_classifer.mlpblock.%s.%s" % ({"hidden": 0, "out": 2}[parts[1]], parts[2])
    block, rest = f"model.transformer_{parts[1]}", ".".join(parts[2:])
    for ours, theirs in case["names"].items():
        if rest == ours:
            return f"{block}.{theirs}"
    if parts[2] == "attn":
        return "%s.mha.%s.%s" % (block, {"q": "W_q", "k": "W_k", "v": "W_v", "out": "ff"}[parts[3]], parts[4])
    if parts[2] == "mlp":
        return "%s.mlpblock.%s.%s" % (block, {"up": 0, "down": 3}[parts[3]], parts[4])
    return f"{block}.{rest}"


def compare(folder):
    import attention_linformer
    import lra_config
    import model_wrapper

    case = json.load(open(folder + "/case.json"))
    attention_linformer.LinformerAttention.projection_matrix = None  # shared by all models of a process
    pairs = "ids_1" in case
    model = (model_wrapper.ModelForSCDual if pairs else model_wrapper.ModelForSC)(configuration(lra_config, case))
    theirs = dict(model.named_parameters())
    ours = files.safetensors(folder + "/model.safetensors")
    places = {}
    with torch.no_grad():
        for name, value in ours.items():
            target = theirs[their_name(name, case)]
            # Their tables have rows that no id of ours reaches.
            places[name] = (target, tuple(slice(0, n) for n in value.shape))
            value = torch.from_numpy(value).float()
            target[places[name][1]] = value.reshape(value.shape + (1,) * (target.dim() - value.dim()))

    def padded(rows):
        ids = torch.zeros(len(rows), case["padded_length"], dtype=torch.long)
        for row, tokens in enumerate(rows):
            ids[row, :len(tokens)] = torch.tensor(tokens)
        return ids, (ids != 0).float()

    ids, mask = padded(case["ids"])
    labels = torch.tensor(case["labels"])
    if pairs:
        ids1, mask1 = padded(case["ids_1"])
        found = model(ids, ids1, mask, mask1, labels)
    else:
        found = model(ids, mask, labels)
    loss = found["loss"].mean()
    loss.backward()
    gradients = files.safetensors(folder + "/gradients.safetensors")
    worst, where = 0.0, ""
    for name, value in gradients.items():
        target, place = places[name]
        mine = target.grad[place].numpy().reshape(value.shape)
        largest = np.abs(mine).max()
        if largest < case["floor"]:  # the bias of keys under softmax: only rounding
            continue
        difference = float(np.abs(mine - value).max() / largest)
        if difference > worst:
            worst, where = difference, name
    reached = {id(places[name][0]) for name in gradients}
    return {"name": case["name"], "loss": float(loss), "ours": case["loss"], "worst": worst, "where": where,
            "tensors": len(gradients),
            "missing": [name for name, value in theirs.items() if value.grad is not None and id(value) not in reached]}


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1] + "/LRA/code")
    torch.set_num_threads(2)
    for folder in sys.argv[2:]:
        print(json.dumps(compare(folder)))
