"""Joins what `canet-gpu-check` and `gpu.py` measured on one GPU; `cargo xtask gpu-check` packs it.

    python gpu_report.py WORK RESULTS

Reads what is there of WORK's files, and writes RESULTS/gpu-report.json and RESULTS/gpu-report.md.
"""

import json
import sys
from pathlib import Path

ROWS = ["train-r50", "train-r101", "train-assignment", "infer-r50-b1", "infer-r50-b8"]


def read(path):
    """A file of JSON; nothing if the part that writes it came to nothing."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def joined(canet, torch):
    """Each row with what each side says about it, and our time over the better of PyTorch's."""
    rows = {}
    for name in ROWS:
        sides = {"canet": canet.get(name), "eager": torch.get(name),
                 "compiled": torch.get(f"{name}-compile")}
        row = {side: found for side, found in sides.items() if found is not None}
        theirs = [row[side]["median_ms"] for side in ("eager", "compiled")
                  if "median_ms" in row.get(side, {})]
        ours = row.get("canet", {}).get("ms")
        if ours is not None and theirs:
            row["ours_to_better"] = ours / min(theirs)
        rows[name] = row
    return rows


def variants(canet, deterministic):
    """Our rows that PyTorch has no part in: predictions in f16, and steps of the same bits in every run."""
    halves = {name: row for name, row in canet.items() if name.endswith("-f16")}
    return {**halves, **{f"{name}, deterministic": row for name, row in deterministic.items()}}


def collected(work):
    """All that is known, for the JSON file."""
    canet, peer = (read(work / name) for name in ("canet.json", "torch.json"))
    torch = peer.get("rows", {})
    parts = [line.split("\t") for line in lines(work / "parts.tsv")]
    return {
        "gpu": ", ".join(lines(work / "gpu.txt")[:1]) or peer.get("gpu"),
        "pytorch": {key: peer[key] for key in ("torch", "cuda", "cudnn") if key in peer},
        "parts": [{"part": name, "ended": how, "seconds": int(seconds)}
                  for name, how, seconds in parts],
        "rows": joined(canet, torch),
        "variants": variants(canet, read(work / "deterministic.json")),
        "checks": {"ops": canet.get("ops"), "networks": canet.get("networks"),
                   "logits": read(work / "logits.json").get("logits")},
        "limits": {name: torch.get(name) for name in ("matmul", "copy")},
        "training": [{key: epoch.get(key) for key in ("epoch", "step", "loss", "seconds_per_step")}
                     for epoch in map(json.loads, lines(work / "run/metrics.jsonl"))],
    }


def table(head, rows):
    """Markdown, with figures in all columns but the first."""
    rule = "|".join(["---"] + ["--:"] * (len(head) - 1))
    return ["", f"| {' | '.join(head)} |", f"|{rule}|"] + [f"| {' | '.join(row)} |" for row in rows]


def figure(found, key, form):
    """A cell: `-` is what nobody measured."""
    if not found:
        return "-"
    if "error" in found:
        return "failed"
    return form.format(found[key]) if found.get(key) is not None else "-"


def speeds(rows):
    cells = []
    for name, row in rows.items():
        canet, eager, compiled = (row.get(side) for side in ("canet", "eager", "compiled"))
        ratio = row.get("ours_to_better")
        cells.append([
            name, figure(canet, "ms", "{:.2f}"), figure(eager, "median_ms", "{:.2f}"),
            figure(compiled, "median_ms", "{:.2f}"), f"{ratio:.2f}" if ratio else "-",
            figure(canet, "images_per_second", "{:.1f}"), figure(canet, "used_mib", "{:.0f}"),
            figure(eager, "allocated_mib", "{:.0f}"), figure(compiled, "allocated_mib", "{:.0f}"),
        ])
    head = ["row", "CANet ms", "eager ms", "compiled ms", "ours / better", "CANet images/s",
            "CANet MiB", "eager MiB", "compiled MiB"]
    return table(head, cells)


def others(rows):
    cells = [[name, figure(row, "ms", "{:.2f}"), figure(row, "images_per_second", "{:.1f}")]
             for name, row in rows.items()]
    return table(["row", "CANet ms", "CANet images/s"], cells) if cells else []


def checks(found):
    """Distances: the norm of the difference over the reference's."""
    text = []
    ops, networks, logits = (found[key] or {} for key in ("ops", "networks", "logits"))
    if "compared" in ops:
        text += ["", f"Operations: {ops['compared']} comparisons with the CPU,"
                 f" {len(ops['failures'])} wrong; the furthest that is right"
                 f" {ops['worst_f32']:.1e} in f32, {ops['worst_bf16']:.1e} in bf16."]
    keys = ["logits", "frozen", "gradients"]
    rows = [[name] + [figure(row, key, "{:.1e}") for key in keys]
            for name, row in networks.items() if name != "error"]
    if rows:
        text += table(["network, against the CPU", *keys], rows)
    if "f32" in logits:
        text += ["", f"Logits against PyTorch's in f32: {logits['f32']:.1e} in f32,"
                 f" {logits['bf16']:.1e} in bf16."]
    return text


def floors(report):
    """Each row's arithmetic at the pace of a large product, and the least that its convolutions read
    and write at that of a large copy: milliseconds that nobody can go below."""
    pace = {"gflop": ("matmul", "tflop_per_s", 1), "least_bytes": ("copy", "gb_per_s", 1e6)}
    cells = []
    for name, row in report["rows"].items():
        known = {**(row.get("compiled") or {}), **(row.get("eager") or {})}
        cell = [name]
        for amount, (limit, rate, unit) in pace.items():
            rate = (report["limits"][limit] or {}).get(rate)
            cell.append(f"{known[amount] / unit / rate:.2f}" if rate and amount in known else "-")
        cells.append(cell)
    return table(["row", "arithmetic alone, ms", "memory alone, ms"], cells)


def limits(found):
    """What the GPU can do at best."""
    matmul, copy = found["matmul"] or {}, found["copy"] or {}
    both = []
    if "tflop_per_s" in matmul:
        both.append(f"a large product {matmul['tflop_per_s']:.0f} TFLOP/s")
    if "gb_per_s" in copy:
        both.append(f"a large copy {copy['gb_per_s']:.0f} GB/s")
    return ["", f"The GPU's limits, by PyTorch: {', '.join(both)}."] if both else []


def errors(report):
    """Of each thing that failed, the first line of why."""
    found = list(report["checks"].items()) + list(report["limits"].items())
    found += [(f"{name}, {side}", result) for name, row in report["rows"].items()
              for side, result in row.items() if side != "ours_to_better"]
    failed = [(name, result["error"]) for name, result in found if result and "error" in result]
    return ["", *(f"- {name}: {error.splitlines()[0][:300]}" for name, error in failed)]


def markdown(report):
    versions = ", ".join(f"{name} {version}" for name, version in report["pytorch"].items())
    text = [f"**{report['gpu'] or 'A GPU without a name'}**"]
    text += ["", f"PyTorch: {versions}"] if versions else []
    text += speeds(report["rows"]) + others(report["variants"]) + checks(report["checks"])
    text += limits(report["limits"]) + floors(report)
    if training := report["training"]:
        losses = ", ".join(f"{epoch['loss']:.4f}" for epoch in training)
        pace = ", ".join(f"{1e3 * epoch['seconds_per_step']:.1f}" for epoch in training
                         if epoch["seconds_per_step"])
        text += ["", f"Training: the losses of its epochs are {losses}; a step took {pace} ms."]
    text += table(["part", "ended", "seconds"],
                  [[part["part"], part["ended"], str(part["seconds"])] for part in report["parts"]])
    return "\n".join(text + errors(report)).rstrip() + "\n"


def main():
    work, results = (Path(argument) for argument in sys.argv[1:3])
    report = collected(work)
    results.mkdir(parents=True, exist_ok=True)
    (results / "gpu-report.json").write_text(json.dumps(report, indent=1) + "\n")
    text = markdown(report)
    (results / "gpu-report.md").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
