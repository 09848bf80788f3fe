"""Makes the files of a task: checkpoint, picture, targets, ONNX.

It runs as a program of its own and imports PyTorch, so that nothing that is timed has to. What is
there already is kept. The answer is one line of JSON: the GFLOP and the files.
"""

import argparse
import json
from pathlib import Path

import torch

import export
import flops
import pictures
import weights
from networks import CONFIGS


def prepare(args):
    args.work.mkdir(parents=True, exist_ok=True)
    name, size = args.network, (args.height, args.width)
    classes = CONFIGS[name]["classes"]
    shape = f"{args.height}x{args.width}b{args.batch}"
    files = {
        "model": args.work / f"{name}.safetensors",
        "input": args.work / f"{shape}.f32",
        "targets": args.work / f"{shape}c{classes}.u8",
    }
    if not files["model"].exists():
        weights.write(name, files["model"])
    if not files["input"].exists():
        frames = [pictures.picture(*size, seed=100 + i) for i in range(args.batch)]
        torch.cat(frames).numpy().tofile(files["input"])
    if not files["targets"].exists():
        masks = [pictures.targets(*size, classes, seed=100 + i) for i in range(args.batch)]
        torch.cat(masks).numpy().tofile(files["targets"])
    if args.task == "segment":
        files["onnx"] = args.work / f"{name}-{shape}.onnx"
        if not files["onnx"].exists():
            export.export(files["model"], files["onnx"], args.batch, *size)
    count = flops.forward if args.task == "segment" else flops.step
    gflop = count(name, *size, args.batch)
    return {"gflop": gflop, "files": {key: str(path) for key, path in files.items()}}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--task", choices=["segment", "train"], required=True)
    parser.add_argument("--network", choices=list(CONFIGS), required=True)
    for name in ["height", "width", "batch"]:
        parser.add_argument(f"--{name}", type=int, required=True)
    print(json.dumps(prepare(parser.parse_args())))
