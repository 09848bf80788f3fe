"""What the numbers were measured on, and how busy it was with other things."""

import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path


def ticks(pids):
    """Ticks of all processors so far: in all, at work, taken by the hypervisor for others, and at
    work for the processes `pids`."""
    user, nice, system, idle, iowait, irq, softirq, steal = (
        int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9])
    busy = user + nice + system + irq + softirq
    own = 0
    for pid in pids:
        if not Path(f"/proc/{pid}/stat").exists():  # it has failed; that is told elsewhere
            continue
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        own += int(fields[11]) + int(fields[12])
    return busy + idle + iowait + steal, busy, steal, own


def disturbance(before, after):
    """The share of the machine that others had between two calls of `ticks`."""
    total, busy, steal, own = (b - a for a, b in zip(before, after))
    return {"other_load": max(0, busy - own) / max(1, total), "stolen": steal / max(1, total)}


def describe():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    memory = Path("/proc/meminfo").read_text().splitlines()[0].split()[1]
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": fields.get("model name"),
        "cpu_family": fields.get("cpu family"),
        "avx512": "avx512f" in fields.get("flags", "").split(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory) / 2**20, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
    }


def measured_peak(ours, threads):
    """GFLOP/s of multiply-adds in registers, as our program measures it."""
    command = [ours, "--task", "peak", "--threads", str(threads)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    word, _, value = answer.strip().partition(" ")
    if word != "gflops":
        raise SystemExit(f"{ours} answers {answer.strip()!r} instead of its peak")
    return float(value)
