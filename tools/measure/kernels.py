"""The kernels: for each, the libraries that have it, as functions that run it once on the GPU.

Operands rotate over more memory than the cache on the chip holds, as the weights of a model do.
Products in eight bits include the cast of their 16-bit input, as layers run them.
"""

# Bytes over which operands rotate; caches hold up to 126 MB (B200).
ROTATED = 512 << 20
MOST_COPIES = 32
# Tiny kernels of one graph.
LAUNCHES = 1000
WORKSPACE = 256 << 20
PAGE = 16


def copies(size):
    """Sets of operands of some bytes that together do not stay in the cache."""
    return int(max(1, min(MOST_COPIES, ROTATED // max(size, 1))))


def rotating(sets, run):
    """A function that runs on the next set every time."""
    state = {"next": 0}

    def once():
        run(*sets[state["next"]])
        state["next"] = (state["next"] + 1) % len(sets)

    once.sets = len(sets)
    return once


def random(torch, *sizes):
    return torch.randn(*sizes, device="cuda", dtype=torch.bfloat16)


def gemm(torch, work):
    m, n, k = work["m"], work["n"], work["k"]
    if work["format"] == "bf16":
        sets = [(random(torch, m, k), random(torch, n, k)) for _ in range(copies(2 * n * k))]
        yield "torch", rotating(sets, lambda a, b: torch.nn.functional.linear(a, b))
        return
    narrow = torch.float8_e4m3fn
    one = torch.ones((), device="cuda", dtype=torch.float32)
    sets = [(random(torch, m, k), random(torch, n, k).to(narrow)) for _ in range(copies(n * k))]

    def run(a, b):
        torch._scaled_mm(a.to(narrow), b.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16)

    yield "torch", rotating(sets, run)


def grouped_gemm(torch, work):
    m, n, k, groups = work["m"], work["n"], work["k"], work["groups"]
    if not hasattr(torch, "_grouped_mm"):
        raise RuntimeError("this torch has no grouped product")
    ends = torch.arange(1, groups + 1, device="cuda", dtype=torch.int32) * (m // groups)
    number = copies(2 * groups * n * k)
    sets = [(random(torch, m, k), random(torch, groups, n, k)) for _ in range(number)]
    yield "torch", rotating(sets, lambda a, b: torch._grouped_mm(a, b.transpose(-2, -1), offs=ends))


def prefill(torch, work):
    batch, query, head = work["batch"], work["query"], work["head"]
    heads, kv_heads = work["heads"], work["kv_heads"]
    number = copies(2 * batch * query * (heads + 2 * kv_heads) * head)

    def operands(order):
        def one(count):
            tokens = random(torch, batch, query, count, head)
            return tokens.transpose(1, 2).contiguous() if order == "heads" else tokens

        return [(one(heads), one(kv_heads), one(kv_heads)) for _ in range(number)]

    def sdpa(q, k, v):
        torch.nn.functional.scaled_dot_product_attention(
            q, k, v, is_causal=True, enable_gqa=heads != kv_heads
        )

    yield "torch", rotating(operands("heads"), sdpa)
    try:
        from flash_attn import flash_attn_func
    except Exception:
        return
    yield "flash_attn", rotating(operands("tokens"), lambda q, k, v: flash_attn_func(q, k, v, causal=True))


def decode(torch, work):
    yield from decode_flash_attn(torch, work)
    yield from decode_flashinfer(torch, work)
    batch, keys, head = work["batch"], work["keys"], work["head"]
    heads, kv_heads = work["heads"], work["kv_heads"]
    number = copies(4 * batch * keys * kv_heads * head)
    cache = lambda: random(torch, batch, kv_heads, keys, head)
    sets = [(random(torch, batch, heads, 1, head), cache(), cache()) for _ in range(number)]

    def sdpa(q, k, v):
        torch.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=heads != kv_heads)

    yield "torch", rotating(sets, sdpa)


def decode_flash_attn(torch, work):
    try:
        from flash_attn import flash_attn_with_kvcache
    except Exception:
        return
    batch, keys, head = work["batch"], work["keys"], work["head"]
    heads, kv_heads = work["heads"], work["kv_heads"]
    cache = lambda: random(torch, batch, keys, kv_heads, head)
    number = copies(4 * batch * keys * kv_heads * head)
    sets = [(random(torch, batch, 1, heads, head), cache(), cache()) for _ in range(number)]
    lengths = torch.full((batch,), keys, device="cuda", dtype=torch.int32)
    yield "flash_attn", rotating(
        sets, lambda q, k, v: flash_attn_with_kvcache(q, k, v, cache_seqlens=lengths, causal=True)
    )


def decode_flashinfer(torch, work):
    try:
        import flashinfer
    except Exception:
        return
    batch, keys, head = work["batch"], work["keys"], work["head"]
    heads, kv_heads = work["heads"], work["kv_heads"]
    pages = -(-keys // PAGE)
    whole = lambda *of: torch.tensor(*of, device="cuda", dtype=torch.int32)
    starts = torch.arange(batch + 1, device="cuda", dtype=torch.int32) * pages
    places = torch.arange(batch * pages, device="cuda", dtype=torch.int32)
    last = whole([keys - (pages - 1) * PAGE] * batch)
    space = torch.empty(WORKSPACE, device="cuda", dtype=torch.uint8)
    wrapper = flashinfer.BatchDecodeWithPagedKVCacheWrapper(space, "NHD")
    kinds = {"q_data_type": torch.bfloat16, "kv_data_type": torch.bfloat16}
    wrapper.plan(starts, places, last, heads, kv_heads, head, PAGE, **kinds)
    number = copies(4 * batch * keys * kv_heads * head)
    cache = lambda: random(torch, batch * pages, 2, PAGE, kv_heads, head)
    sets = [(random(torch, batch, heads, head), cache()) for _ in range(number)]
    yield "flashinfer", rotating(sets, wrapper.run)


def copy(torch, work):
    number = copies(2 * work["bytes"])
    empty = lambda: torch.empty(work["bytes"], device="cuda", dtype=torch.uint8)
    sets = [(empty(), empty()) for _ in range(number)]
    yield "torch", rotating(sets, lambda a, b: b.copy_(a))


def host(torch, work):
    pinned = torch.empty(work["bytes"], dtype=torch.uint8, pin_memory=True)
    device = torch.empty(work["bytes"], device="cuda", dtype=torch.uint8)
    if work["kernel"] == "host_to_device":
        run = lambda: device.copy_(pinned, non_blocking=True)
    else:
        run = lambda: pinned.copy_(device, non_blocking=True)
    yield "torch", rotating([()], run)


def launch(torch, work):
    one = torch.zeros(1, device="cuda")
    yield "torch", rotating([()], lambda: one.add_(1.0))


KERNELS = {
    "gemm": gemm,
    "grouped_gemm": grouped_gemm,
    "prefill": prefill,
    "decode": decode,
    "copy": copy,
    "host_to_device": host,
    "device_to_host": host,
    "launch": launch,
    "launch_graph": launch,
}

# Kernels that are timed as the host starts them; others run as a graph, one after the other.
EAGER = ("launch", "host_to_device", "device_to_host")
