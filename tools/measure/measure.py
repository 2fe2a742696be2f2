#!/usr/bin/env python3
"""Measures kernels on an NVIDIA GPU and writes them as CSV for `chokepoint validate --kernels`.

Each kernel is warmed up, captured as a CUDA graph where it can be, and timed by CUDA events;
the time is the median over repeats, each of which lasts long enough for the clock of events.
"""

import argparse
import contextlib
import csv
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import kernels  # noqa: E402
import machine  # noqa: E402
import shapes  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIZES = ["m", "n", "k", "groups", "batch", "query", "keys", "heads", "kv_heads", "head", "bytes"]
FOUND = ["seconds", "low_seconds", "high_seconds", "repeats", "power_watts", "sm_mhz", "memory_mhz"]
COLUMNS = ["kernel", "format", "library", *SIZES, *FOUND]
# Shortest time of a repeat, seconds: the clock of events counts half microseconds.
LEAST = 0.01
WARM_UP = 5


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="list what would be measured, as the CSV without times; needs no GPU")
    parser.add_argument("--chip", help="id of the chip in Chokepoint's catalogue, written to the header, such as h100-sxm")
    parser.add_argument("--output", help="CSV file; standard output when absent")
    parser.add_argument("--models", default=str(ROOT / "data" / "models"), help="folder of Hugging Face configurations (default: data/models)")
    parser.add_argument("--formats", default="bf16,fp8", help="formats of products: bf16, fp8 (default: both; fp8 is left out where the GPU has none)")
    parser.add_argument("--only", default="", help="kernels to measure, separated by commas: " + ", ".join(kernels.KERNELS))
    parser.add_argument("--quick", action="store_true", help="a dense model and a mixture, fewer numbers of tokens")
    parser.add_argument("--repeats", type=int, default=20, help="repeats of which the median counts (default: 20)")
    parser.add_argument("--power-seconds", type=float, default=3.0, help="seconds that each kernel runs for its power; 0 measures none (default: 3)")
    parser.add_argument("--device", type=int, default=0, help="index of the GPU (default: 0)")
    found = parser.parse_args()
    found.formats = [word for word in found.formats.split(",") if word]
    found.only = [word for word in found.only.split(",") if word]
    for word in found.formats:
        if word not in ("bf16", "fp8"):
            parser.error(f"--formats: {word} is neither bf16 nor fp8")
    for word in found.only:
        if word not in kernels.KERNELS:
            parser.error(f"--only: there is no kernel {word}; expected {', '.join(kernels.KERNELS)}")
    if found.repeats < 1:
        parser.error("--repeats must be at least 1")
    return found


class Timer:
    """Times functions that run a kernel once."""

    def __init__(self, torch, repeats):
        self.torch = torch
        self.repeats = repeats

    def graph(self, once):
        """A function that runs a kernel on every set of its operands, as a graph where it can be; and how often that is."""
        torch, count = self.torch, max(once.sets, 1)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(count):
                once()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                for _ in range(count):
                    once()
        except RuntimeError as problem:
            left_out(problem, "a graph is")
            torch.cuda.synchronize()
            return once, 1
        return graph.replay, count

    def seconds(self, run):
        """Times of one run in each repeat."""
        for _ in range(WARM_UP):
            run()
        number = 1
        while True:
            took = self.once(run, number)
            if took >= LEAST:
                break
            number = max(2 * number, int(number * 1.2 * LEAST / max(took, 1e-6)))
        return [self.once(run, number) / number for _ in range(self.repeats)], number

    def once(self, run, number):
        torch = self.torch
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        start.record()
        for _ in range(number):
            run()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / 1e3


def measured(torch, timer, meter, work, options):
    """Rows of one kernel, one for each library that has it and runs it."""
    for library, once in kernels.KERNELS[work["kernel"]](torch, work):
        try:
            yield one(torch, timer, meter, {**work, "library": library}, once, options)
        except Exception as problem:  # The next library may still run it.
            left_out(problem, library)


def one(torch, timer, meter, work, once, options):
    """The row of a kernel of a library."""
    if work["kernel"] == "launch_graph":
        once.sets = kernels.LAUNCHES
    run, inner = (once, 1) if work["kernel"] in kernels.EAGER else timer.graph(once)
    times, number = timer.seconds(run)
    times = sorted(time / inner for time in times)
    row = {
        **work,
        "seconds": f"{statistics.median(times):.9g}",
        "low_seconds": f"{times[0]:.9g}",
        "high_seconds": f"{times[-1]:.9g}",
        "repeats": len(times),
    }

    def many():
        for _ in range(number):
            run()
        torch.cuda.synchronize()

    found = meter.during(many, options.power_seconds) if options.power_seconds > 0 else None
    if found is not None:
        words = (f"{value:.1f}" for value in found)
        row.update(zip(("power_watts", "sm_mhz", "memory_mhz"), words))
    return row


def left_out(problem, what):
    first = (str(problem).splitlines() or [type(problem).__name__])[0]
    print(f"  {what} left out: {first}", file=sys.stderr)


def narrow(torch, device):
    """Whether a GPU multiplies in eight-bit floating point: compute capability 8.9 and later."""
    return torch.cuda.get_device_capability(device) >= (8, 9)


def measure(options, out):
    try:
        import torch
    except ImportError:
        sys.exit("measure.py: PyTorch is not installed; --dry-run needs none")
    if not torch.cuda.is_available():
        sys.exit("measure.py: torch sees no CUDA GPU; --dry-run needs none")
    torch.cuda.set_device(options.device)
    formats = [name for name in options.formats if name != "fp8" or narrow(torch, options.device)]
    plan = shapes.plan(options.models, formats, options.only, options.quick)
    for name, value in machine.describe(torch, options.device, options.chip):
        out.write(f"# {name}: {value}\n")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    timer, meter = Timer(torch, options.repeats), machine.Meter(options.device)
    for at, work in enumerate(plan):
        print(f"{at + 1}/{len(plan)} {work}", file=sys.stderr)
        try:
            for row in measured(torch, timer, meter, work, options):
                writer.writerow(row)
                out.flush()
        except Exception as problem:  # Out of memory, or a kernel that this GPU or release lacks.
            left_out(problem, work["kernel"])
        torch.cuda.empty_cache()


def dry_run(options, out):
    plan = shapes.plan(options.models, options.formats, options.only, options.quick)
    out.write("# chokepoint kernels: 1\n")
    out.write(f"# chip: {options.chip or ''}\n")
    out.write("# gpu: none, a dry run\n")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(plan)
    print(f"{len(plan)} kernels would be measured", file=sys.stderr)


def main():
    options = arguments()
    with contextlib.ExitStack() as stack:
        out = sys.stdout
        if options.output:
            out = stack.enter_context(open(options.output, "w", encoding="utf-8", newline=""))
        (dry_run if options.dry_run else measure)(options, out)


if __name__ == "__main__":
    main()
