"""Times the project's engine against others; ../README.md says how.

    python run.py --work DIR [--ours PROGRAM] [--task NAME ...] [--growth]
"""

import argparse
import dataclasses
import json
from pathlib import Path

import machine
from measure import measure
from report import growth_table, table
from tasks import TASKS, Task


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for files and results")
    parser.add_argument("--ours", type=Path, help="our server; without it only peers are timed")
    parser.add_argument("--task", nargs="*", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--threads", type=int, help="instead of the tasks' 2")
    parser.add_argument("--only", nargs="*", help="these peers instead of all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a backend's turn, about")
    parser.add_argument("--peak", type=float, nargs=2, metavar=("ONE", "TWO"),
                        help="the machine's GFLOP/s with 1 and 2 threads; else our program's word")
    parser.add_argument("--growth", action="store_true",
                        help="sizes, batches and threads instead of the tasks")
    parser.add_argument("--peer", default="openvino", help="the peer of --growth")
    parser.add_argument("--network", default="r50", choices=["r18", "r50", "assignment"],
                        help="the network of --growth")
    return parser.parse_args()


def growth_tasks(network):
    """One thing grows at a time, from 512x512, batch 1, 2 threads."""
    sides = [Task("segment", network, side, side, 1) for side in (256, 384, 512, 768, 1024)]
    batches = [Task("segment", network, 512, 512, batch) for batch in (2, 4, 8)]
    return [*sides, *batches, Task("segment", network, 512, 512, 1, threads=1)]


def peaks(args):
    if args.peak:
        return dict(zip((1, 2), args.peak))
    if args.ours:
        return {threads: machine.measured_peak(args.ours, threads) for threads in (1, 2)}
    return {}


def write(args, name, found, text):
    (args.work / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    (args.work / f"{name}.md").write_text(text)
    print(text, flush=True)


def main():
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    found = {"machine": machine.describe(), "peak_gflops": peaks(args)}
    if args.growth:
        args.only = [args.peer]
        rows = [(task, measure(task, args)) for task in growth_tasks(args.network)]
        write(args, f"growth-{args.network}", {**found, "tasks": [m for _, m in rows]},
              growth_table(rows))
        return
    for name in args.task:
        task = TASKS[name]
        if args.threads:
            task = dataclasses.replace(task, threads=args.threads)
            name = f"{name}-t{args.threads}"
        measured = measure(task, args)
        write(args, name, {**found, **measured}, table(measured, found["peak_gflops"]))


if __name__ == "__main__":
    main()
