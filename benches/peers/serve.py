"""The line protocol of all servers (../README.md).

It imports no engine: a server's peak memory must be that of its own engine alone.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", default="")
    parser.add_argument("--task", choices=["segment", "train"], required=True)
    parser.add_argument("--network", choices=["r18", "r50", "assignment"], required=True)
    for name in ["height", "width", "batch", "threads"]:
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ["model", "input", "targets", "onnx"]:
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--optimizer", choices=["adam", "sgd"])
    return parser.parse_args()


def read_input(args):
    shape = (args.batch, 3, args.height, args.width)
    return np.fromfile(args.input, "<f4").reshape(shape)


def read_targets(args):
    return np.fromfile(args.targets, np.uint8).reshape(args.batch, args.height, args.width)


def kib(what):
    """A line of the kernel's account of this process: `VmHWM` is the most it ever held."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(what))


def serve(name, run, labels=None):
    """Answers commands until `quit` or the end of the input.

    `run` does the work once; a training step returns its loss. `labels` returns a label map.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever an engine prints must not get between the answers
    last = None

    def say(line):
        print(line, file=answers, flush=True)

    say(f"ready {name}")
    for line in sys.stdin:
        command, _, rest = line.strip().partition(" ")
        try:
            if command == "run":
                start = time.perf_counter()
                last = run()
                say(f"ms {(time.perf_counter() - start) * 1000:.4f}")
            elif command == "loss":
                say(f"loss {last}")
            elif command == "labels":
                labels().astype(np.uint8).tofile(rest)
                say("ok")
            elif command == "peak":
                say(f"kib {kib('VmHWM')}")
            elif command == "quit":
                return
            else:
                say(f"error unknown command {command!r}")
        except Exception as error:
            say(f"error {type(error).__name__}: {error}".replace("\n", " "))
