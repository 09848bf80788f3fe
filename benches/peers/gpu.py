"""Times the project's networks in PyTorch on one NVIDIA GPU; ../README.md says what is timed.

    python gpu.py --out gpu.json [--only NAME ...] [--compile]
    python gpu.py --logits DIR
"""

import argparse
import dataclasses
import gc
import json
import statistics
import time
import traceback
from pathlib import Path

import torch

import gpu_logits
import gpu_rows
import gpu_time

EAGER_SECONDS, COMPILED_SECONDS = 12, 60  # a row's budget


def rows():
    """Every row by its name: as PyTorch is, and where there is something to compile, compiled next,
    which then finds the algorithms of cuDNN that the first has tried."""
    found = {}
    for name, row in gpu_rows.ROWS.items():
        found[name] = row
        if row.network:
            found[f"{name}-compile"] = dataclasses.replace(row, compiled=True)
    return found


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="JSON file; written anew after each row")
    parser.add_argument("--only", nargs="*", default=[], choices=list(rows()), metavar="NAME",
                        help=f"these rows: {', '.join(rows())}")
    parser.add_argument("--compile", action="store_true", help="torch.compile's rows as well")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of measuring a row, about")
    parser.add_argument("--total", type=float, default=540, help="no row starts after so many seconds")
    parser.add_argument("--benchmark-limit", type=int, default=10,
                        help="algorithms that cuDNN tries a convolution (10 is PyTorch's default)")
    parser.add_argument("--patience", type=float, default=2,
                        help=f"a row is given up after so many times its budget of {EAGER_SECONDS} s,"
                             f" or {COMPILED_SECONDS} s if compiled")
    parser.add_argument("--classes", type=int, default=7)
    parser.add_argument("--stem", choices=["v1s", "classic"], default="v1s")
    parser.add_argument("--aux", choices=["on", "off"], default="on", help="CANet's head, in training")
    parser.add_argument("--batch", type=int, help="of the training rows, instead of their own")
    parser.add_argument("--nchw", action="store_true", help="PyTorch's first layout, not channels last")
    parser.add_argument("--no-freezing", action="store_true",
                        help="compiled inference keeps its weights variable")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to try the script itself")
    parser.add_argument("--logits", type=Path, metavar="DIR",
                        help="times nothing: writes the logits of DIR's weights and input")
    args = parser.parse_args()
    args.memory_format = torch.contiguous_format if args.nchw else torch.channels_last
    return args


def chosen(args):
    """The rows that `--only` names, in its order, or all; compiled ones by their own names, or by
    their eager ones' with `--compile`."""
    known = rows()
    names = args.only or [name for name, row in known.items() if not row.compiled]
    if args.compile:
        names = [each for name in names for each in (name, f"{name}-compile") if each in known]
    for name in dict.fromkeys(names):
        row = known[name]
        if args.batch and row.kind == "train":
            row = dataclasses.replace(row, batch=args.batch)
        if args.tiny and row.network:
            row = dataclasses.replace(row, height=64, width=96, batch=min(row.batch, 2))
        yield name, row


def memory(args):
    """The most that tensors took, and what PyTorch holds of the GPU, in MiB."""
    if args.device == "cpu":
        return {}
    return {"allocated_mib": torch.cuda.max_memory_allocated() / 2**20,
            "reserved_mib": torch.cuda.max_memory_reserved() / 2**20}


def forget(args, compiled):
    """Leaves nothing of the last row in memory, nor, before one to compile, among the compiled."""
    if compiled:
        torch.compiler.reset()
    gc.collect()
    if args.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def measure(row, args):
    """One row: a dictionary for the JSON file.

    The libraries try algorithms in the first steps, some with large workspaces, so memory has two
    values: with the warm-up, and of the steps after it.
    """
    start = time.perf_counter()
    budget = COMPILED_SECONDS if row.compiled else EAGER_SECONDS
    torch.manual_seed(0)
    work = gpu_rows.make(row, args)
    losses = {}
    if work.loss:  # eager and compiled have drawn the same: the first losses tell if they agree
        work.step()
        losses["first_loss"] = work.loss()
    prepared = time.perf_counter() - start
    warm = gpu_time.warm_up(work.step, args.device, 0.1 if args.tiny else 1.0)
    first = memory(args)
    if args.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    times, steps = gpu_time.rounds(work.step, args.device, args.rounds, args.seconds, start + budget)
    ms = statistics.median(times)
    found = {**dataclasses.asdict(row), **work.facts, "median_ms": ms, "min_ms": min(times),
             "rounds_ms": times, "steps_a_round": steps, **memory(args), "warm_up": first,
             "prepare_s": prepared, "warm_up_s": warm}
    if row.batch:
        found["images_per_s"] = row.batch * 1e3 / ms
    if work.gflop:
        found |= {"gflop": work.gflop, "tflop_per_s": work.gflop / ms}
    if work.moved:
        found["gb_per_s"] = work.moved / ms / 1e6
    if work.loss:
        losses["last_loss"] = work.loss()
    return found | losses | {"seconds": time.perf_counter() - start}


def attempt(row, args):
    """A row's result, or why there is none: the others are wanted all the same."""
    budget = COMPILED_SECONDS if row.compiled else EAGER_SECONDS
    try:
        with gpu_time.limit(budget * args.patience):
            return measure(row, args)
    except (Exception, gpu_time.TooLong) as error:
        return {**dataclasses.asdict(row), "error": f"{type(error).__name__}: {error}"[:2000],
                "trace": traceback.format_exc()[-4000:]}


def where(args):
    found = {"torch": torch.__version__, "cuda": torch.version.cuda, "device": args.device}
    if args.device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found |= {"gpu": properties.name, "multiprocessors": properties.multi_processor_count,
                  "memory_mib": properties.total_memory / 2**20,
                  "cudnn": torch.backends.cudnn.version()}
    return found


def line(name, found):
    """A row of the Markdown table."""
    def cell(key, form="{:.1f}"):
        return form.format(found[key]) if key in found else ""

    if "error" in found:
        return f"| {name} | failed: {found['error'].splitlines()[0][:120]} |"
    rate = f"{found['gb_per_s']:.0f} GB/s" if "gb_per_s" in found else cell("tflop_per_s")
    cells = [name, cell("median_ms", "{:.3f}"), cell("min_ms", "{:.3f}"), cell("images_per_s"), rate,
             cell("allocated_mib", "{:.0f}"), cell("reserved_mib", "{:.0f}"),
             f"{cell('first_loss', '{:.4f}')} {cell('last_loss', '{:.4f}')}".strip(), cell("seconds")]
    return "| " + " | ".join(cells) + " |"


def main():
    args = arguments()
    if args.logits:
        gpu_logits.write(args.logits, args.device)
        return
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.benchmark_limit = args.benchmark_limit
    start = time.perf_counter()
    torch.zeros(1, device=args.device)  # the first use of a GPU takes seconds; no row's
    settings = {key: str(value) for key, value in vars(args).items()}
    results = {}
    print(json.dumps(where(args)))
    print("| row | median ms | min ms | images/s | TFLOP/s | allocated MiB | reserved MiB | losses "
          "| took s |\n|---|---|---|---|---|---|---|---|---|", flush=True)
    for name, row in chosen(args):
        if time.perf_counter() - start > args.total:
            results[name] = {"error": f"not begun: {args.total:.0f} s had passed"}
        else:
            forget(args, row.compiled)
            results[name] = attempt(row, args)
        print(line(name, results[name]), flush=True)
        if args.out:
            found = {**where(args), "settings": settings, "rows": results}
            args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
