"""Which kernels are measured: the products and attention of the models in data/models.

Every model is taken whole (one chip) and split over eight chips by tensor parallelism, at numbers
of tokens from one decoding sequence to a full prefill chunk. Equal shapes are measured once.
"""

import json
import pathlib

TOKENS = [1, 16, 64, 256, 1024, 4096, 8192]
QUICK_TOKENS = [16, 256, 4096]
SPLITS = [1, 8]
# Batches, and query or key tokens, of attention.
PREFILL = [(1, 1024), (1, 4096), (1, 16384), (8, 1024), (8, 4096)]
DECODE = [(1, 4096), (16, 1024), (16, 8192), (64, 1024), (64, 8192), (256, 2048)]
# Widths of heads that the curves of prompts and of decoding are of.
PREFILL_HEADS = (64, 128)
DECODE_HEAD = 128
COPIES = [16 << 20, 64 << 20, 256 << 20, 1 << 30]
# Largest operand of a product, elements: fits a GPU of 24 GB beside its copies.
LARGEST = 1 << 31


def field(config, *names):
    """The first field that a configuration has, under any of its names."""
    for name in names:
        if config.get(name) is not None:
            return config[name]
    return None


def read_models(folder):
    """Name and the fields of each configuration that shapes follow from."""
    models = []
    for path in sorted(pathlib.Path(folder).glob("*/config.json")):
        config = json.loads(path.read_text(encoding="utf-8"))
        config = config.get("text_config", config)
        hidden = field(config, "hidden_size", "n_embd")
        heads = field(config, "num_attention_heads", "n_head")
        if hidden is None or heads is None:
            continue
        models.append(
            {
                "name": path.parent.name,
                "hidden": hidden,
                "heads": heads,
                "kv_heads": field(config, "num_key_value_heads") or heads,
                "head": field(config, "head_dim") or hidden // heads,
                "inner": field(config, "intermediate_size", "n_inner"),
                "latent": field(config, "kv_lora_rank") is not None,
                "experts": field(
                    config, "n_routed_experts", "num_experts", "num_local_experts"
                ),
                "choices": field(config, "num_experts_per_tok"),
                "expert_inner": field(config, "moe_intermediate_size"),
            }
        )
    return models


def products(model, split):
    """(columns, depth) of the products of a layer."""
    hidden, head = model["hidden"], model["head"]
    shapes = []
    if not model["latent"]:
        heads = model["heads"] // split
        kv_heads = max(model["kv_heads"] // split, 1)
        shapes.append(((heads + 2 * kv_heads) * head, hidden))
        shapes.append((hidden, heads * head))
    dense = model["experts"] is None or model["expert_inner"] is not None
    if model["inner"] is not None and dense:
        inner = model["inner"] // split
        shapes.append((2 * inner, hidden))
        shapes.append((hidden, inner))
    return shapes


def gemms(models, tokens):
    for model in models:
        for split in SPLITS:
            for columns, depth in products(model, split):
                # Eight-bit kernels want sixteenths, and no model has less than 128.
                whole = columns % 16 == 0 and depth % 16 == 0
                if whole and min(columns, depth) >= 128:
                    for rows in tokens:
                        yield {"kernel": "gemm", "m": rows, "n": columns, "k": depth}


def grouped(models, tokens):
    for model in models:
        if model["experts"] is None or model["choices"] is None:
            continue
        inner = model["expert_inner"] or model["inner"]
        if inner is None:
            continue
        experts, choices = model["experts"], model["choices"]
        for columns, depth in ((2 * inner, model["hidden"]), (model["hidden"], inner)):
            for split in SPLITS:
                # Experts of a chip that holds an eighth of them get their share of the rows.
                groups = max(experts // split, 1)
                if groups * columns * depth > LARGEST or columns % 16 or depth % 16:
                    continue
                for number in tokens:
                    rows = number * choices // split
                    if rows >= groups:
                        yield {
                            "kernel": "grouped_gemm",
                            "m": rows // groups * groups,
                            "n": columns,
                            "k": depth,
                            "groups": groups,
                        }


def attention(models):
    for model in models:
        if model["latent"]:
            continue
        for split in SPLITS:
            heads = model["heads"] // split
            kv_heads = max(model["kv_heads"] // split, 1)
            if heads == 0 or heads % kv_heads:
                continue
            sizes = {"heads": heads, "kv_heads": kv_heads, "head": model["head"]}
            if model["head"] in PREFILL_HEADS:
                for batch, query in PREFILL:
                    yield {"kernel": "prefill", "batch": batch, "query": query, **sizes}
            if model["head"] == DECODE_HEAD:
                for batch, keys in DECODE:
                    elements = 2 * batch * keys * kv_heads * model["head"]
                    if elements <= LARGEST:
                        yield {"kernel": "decode", "batch": batch, "keys": keys, **sizes}


def memory():
    yield {"kernel": "launch"}
    yield {"kernel": "launch_graph"}
    for size in COPIES:
        for kernel in ("copy", "host_to_device", "device_to_host"):
            yield {"kernel": kernel, "bytes": size}


def plan(folder, formats, only, quick):
    """All kernels to measure, each once, in an order that does not depend on the machine."""
    models = read_models(folder)
    tokens = QUICK_TOKENS if quick else TOKENS
    if quick:
        models = [model for model in models if model["name"] in ("llama-3.1-8b", "mixtral-8x7b")]
    work = []
    for shape in memory():
        work.append({"format": "bf16", **shape})
    for name in formats:
        for shape in gemms(models, tokens):
            work.append({"format": name, **shape})
    for shape in grouped(models, tokens):
        work.append({"format": "bf16", **shape})
    for shape in attention(models):
        work.append({"format": "bf16", **shape})
    seen, chosen = set(), []
    for shape in work:
        key = tuple(sorted(shape.items()))
        if key not in seen and (not only or shape["kernel"] in only):
            seen.add(key)
            chosen.append(shape)
    return chosen
