"""What the machine is, and its power and clocks while a kernel runs (NVML, else nvidia-smi)."""

import datetime
import statistics
import subprocess
import threading
import time

# Seconds between two readings.
INTERVAL = 0.05


class Meter:
    """Power and clocks of one GPU."""

    def __init__(self, index):
        self.index = index
        self.nvml = None
        try:
            import pynvml

            pynvml.nvmlInit()
            self.handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            self.nvml = pynvml
        except Exception:  # Absent, or without rights: nvidia-smi may still answer.
            self.nvml = None

    def read(self):
        """(watts, SM MHz, memory MHz), or nothing."""
        if self.nvml is not None:
            try:
                return (
                    self.nvml.nvmlDeviceGetPowerUsage(self.handle) / 1e3,
                    self.nvml.nvmlDeviceGetClockInfo(self.handle, self.nvml.NVML_CLOCK_SM),
                    self.nvml.nvmlDeviceGetClockInfo(self.handle, self.nvml.NVML_CLOCK_MEM),
                )
            except self.nvml.NVMLError:
                return None
        words = query(self.index, "power.draw,clocks.sm,clocks.mem")
        try:
            return tuple(float(word) for word in words.split(",")) if words else None
        except ValueError:
            return None

    def during(self, run, seconds):
        """Runs something again and again; medians of the readings of the second half.

        NVML averages power over about a second on some GPUs, so that the first half is left out.
        """
        readings, stop = [], threading.Event()
        start = time.monotonic()

        def sample():
            while not stop.wait(INTERVAL):
                found = self.read()
                if found is not None and time.monotonic() - start > seconds / 2:
                    readings.append(found)

        thread = threading.Thread(target=sample, daemon=True)
        thread.start()
        while time.monotonic() - start < seconds:
            run()
        stop.set()
        thread.join()
        if not readings:
            return None
        return tuple(statistics.median(column) for column in zip(*readings))


def query(index, fields):
    """A line of nvidia-smi, or nothing."""
    command = ["nvidia-smi", f"--id={index}", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip()


def version(module):
    """The version of a library, or "none"."""
    try:
        return getattr(__import__(module), "__version__", "unknown")
    except Exception:  # Libraries for other GPUs fail in many ways as they are loaded.
        return "none"


def describe(torch, index, chip):
    """Lines of the header: name and value."""
    limit = query(index, "power.limit,clocks.max.sm,clocks.max.mem,driver_version")
    words = [word.strip() for word in limit.split(",")] if limit else []
    words += ["unknown"] * (4 - len(words))
    return [
        ("chokepoint kernels", "1"),
        ("chip", chip or ""),
        ("gpu", torch.cuda.get_device_name(index)),
        ("driver", words[3]),
        ("cuda", torch.version.cuda),
        ("torch", torch.__version__),
        ("flash_attn", version("flash_attn")),
        ("flashinfer", version("flashinfer")),
        ("power_limit_watts", words[0]),
        ("max_sm_mhz", words[1]),
        ("max_memory_mhz", words[2]),
        ("date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")),
    ]
