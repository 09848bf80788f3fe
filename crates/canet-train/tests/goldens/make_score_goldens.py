"""Figures of the official scorers on made-up masks, for src/metrics/goldens.rs.

    python make_score_goldens.py PUBLIC_CODE BOUNDARY_IOU SEGMENTATION_MODELS > score-goldens.json

The three folders are checkouts of AutoNUE/public-code, bowenc0221/boundary-iou-api and
qubvel/segmentation_models; besides, it needs cityscapesScripts, numpy, Pillow, opencv-python-headless,
matplotlib and tqdm from PyPI. None of this code is part of this project: it is only run here, unchanged.
Masks and logits come from a formula that the Rust side has, too.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import types
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

WORD = (1 << 64) - 1


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def draw(*key):
    h = 0
    for part in key:
        h = mix((h + part + 0x9E3779B97F4A7C15) & WORD)
    return h


def pair(case, frame):
    """Truth and prediction of a frame, as class ids; void is 255, or 200 in some predictions."""
    (width, height), n, seed = case["frames"][frame], case["classes"], case["seed"]
    truth = np.zeros((height, width), np.uint8)
    prediction = np.zeros((height, width), np.uint8)
    absent = case["absent"]
    name = lambda c, void: void if c == n else (c + 1) % n if c == absent else c
    for y in range(height):
        for x in range(width):
            t = draw(seed, frame, 0, y // 6, x // 8) % (n + 1)
            hit = draw(seed, frame, 1, y // 3, x // 5) % 8 < 5
            p = t if hit else draw(seed, frame, 2, y // 4, x // 4) % (n + 1)
            truth[y, x] = name(t, 255)
            prediction[y, x] = name(p, 200 if case["junk"] and (x + y) % 2 else 255)
    return truth, prediction


def masks(case):
    return [pair(case, frame) for frame in range(len(case["frames"]))]


def figures(values):
    """nan has no form in JSON."""
    return [None if np.isnan(v) else float(v) for v in values]


def autonue(case, script, suffix, prefix):
    """Runs a script of AutoNUE's on files, and reads what it saved and printed."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for kind, at in (("gt", 0), ("pred", 1)):
            (folder / kind / "0").mkdir(parents=True)
            for i, both in enumerate(masks(case)):
                Image.fromarray(both[at]).save(folder / kind / "0" / f"{i}{suffix}")
        command = [sys.executable, str(script), "--gts", str(folder / "gt"), "--preds",
                   str(folder / "pred"), "--res", str(case["res"]), "--num-workers", "1"]
        environment = dict(os.environ, MPLBACKEND="Agg")
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        saved = lambda name: np.load(folder / "eval_results" / f"{prefix}{name}_{case['res']}.npy")
        case["matrix"] = saved("cm").astype(int).tolist()
        case["printed"] = figures(float(m) for m in re.findall(r"mIoU\s*:\s*(\S+)", done.stdout))
        for name in ("ious", "ious_l2", "ious_l1"):
            if (folder / "eval_results" / f"{prefix}{name}_{case['res']}.npy").exists():
                case[name] = figures(saved(name))
    return case


def cityscapes(case):
    """cityscapesScripts on files of label ids."""
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as scorer
    from cityscapesscripts.helpers.labels import trainId2label

    ids = np.zeros(256, np.uint8)
    for train_id in range(19):
        ids[train_id] = trainId2label[train_id].id
    ids[255] = 4  # "static", which is not scored
    with tempfile.TemporaryDirectory() as folder:
        lists = [[], []]
        for i, both in enumerate(masks(case)):
            for at, kind in enumerate(("gt", "pred")):
                lists[at].append(f"{folder}/{i}_{kind}.png")
                Image.fromarray(ids[both[at]]).save(lists[at][-1])
        args = scorer.args
        args.evalInstLevelScore, args.JSONOutput, args.quiet = False, False, True
        args.evalPixelAccuracy = True
        if not hasattr(np, "in1d"):  # gone in numpy 2.4
            np.in1d = np.isin
        scores = scorer.evaluateImgLists(lists[1], lists[0], args)
        names = [trainId2label[i].name for i in range(19)]
        case["ious"] = figures(scores["classScores"][name] for name in names)
        case["miou"] = scores["averageScoreClasses"]
        names = ["flat", "construction", "object", "nature", "sky", "human", "vehicle"]
        case["categories"] = figures(scores["categoryScores"][name] for name in names)
        case["miou_categories"] = scores["averageScoreCategories"]
        totals = [scores["perImageScores"][p] for p in lists[1]]
        case["nb_not_ignored_pixels"] = int(sum(t["nbNotIgnoredPixels"] for t in totals))
        case["nb_correct_pixels"] = int(sum(t["nbCorrectPixels"] for t in totals))
    return case


def boundary(case, folder):
    """Sums over frames of the boundary pixels of truth and prediction and of both, by class."""
    sys.modules["pycocotools"] = types.ModuleType("pycocotools")
    sys.modules["pycocotools.mask"] = types.ModuleType("pycocotools.mask")
    sys.modules["pycocotools"].mask = sys.modules["pycocotools.mask"]
    sys.path.insert(0, str(folder / "boundary_iou" / "utils"))
    from boundary_utils import mask_to_boundary

    case["counts"] = []
    for c in range(case["classes"]):
        sums = [0, 0, 0]
        for truth, prediction in masks(case):
            prediction = np.where(truth == 255, 255, prediction)
            t, p = (mask_to_boundary((m == c).astype(np.uint8)) for m in (truth, prediction))
            sums = [int(s + m.sum()) for s, m in zip(sums, (t & p, t, p))]
        case["counts"].append(sums)
    return case


def iou_score(case, folder):
    """The metric of segmentation_models, its backend played by numpy."""
    source = (folder / "segmentation_models" / "base" / "functional.py").read_text()
    module = types.ModuleType("functional")
    exec(compile(source, "functional.py", "exec"), module.__dict__)
    axes = lambda f: lambda x, axis=None: f(x, axis=None if axis is None else tuple(np.atleast_1d(axis)))
    backend = types.SimpleNamespace(
        image_data_format=lambda: "channels_last", sum=axes(np.sum), mean=axes(np.mean),
        greater=np.greater, cast=lambda x, kind: x.astype(kind), floatx=lambda: "float64")
    n = case["classes"]
    truths, probabilities = [], []
    for frame, (truth, _) in enumerate(masks(case)):
        height, width = truth.shape
        logits = np.zeros((height, width, n))
        for y in range(height):
            for x in range(width):
                for c in range(n):
                    h = draw(case["seed"], frame, 3, y, x, c) % 4001
                    logits[y, x, c] = (h - 2000) / 1000 + (2.5 if truth[y, x] == c else 0)
        e = np.exp(logits)
        known = (truth != 255)[..., None]  # the metric has no void: such pixels are left out
        probabilities.append(known * e / e.sum(axis=-1, keepdims=True))
        truths.append(known * np.eye(n)[np.where(truth == 255, 0, truth)])
    truths, probabilities = np.stack(truths), np.stack(probabilities)
    for name, per_image, threshold in (
        ("per_image", True, 0.5), ("per_batch", False, 0.5),
        ("soft_per_image", True, None), ("soft_per_batch", False, None),
    ):
        score = lambda pr, threshold: float(np.mean([
            module.iou_score(truths[i:i + case["batch"]], pr[i:i + case["batch"]],
                             per_image=per_image, threshold=threshold, backend=backend)
            for i in range(0, len(truths), case["batch"])]))
        case[name] = score(probabilities, threshold)
        if threshold:
            case[name + "_floor"] = score(np.zeros_like(probabilities), threshold)
    return case


def main():
    public_code, boundary_iou, segmentation_models = map(Path, sys.argv[1:4])

    def case(scorer, classes, frames, seed, absent=None, junk=True, **more):
        return dict(scorer=scorer, classes=classes, frames=frames, seed=seed, absent=absent, junk=junk, **more)

    small = [[96, 54], [131, 77], [160, 90]]
    big = [[1000, 301], [64, 48]]
    idd = lambda seed, frames, res, size, absent=None: autonue(
        case("evaluate_mIoU.py", 26, frames, seed, absent, res=res, resolution=size),
        public_code / "evaluation" / "evaluate_mIoU.py", "_gtFine_labellevel3Ids.png", "")
    lite = lambda seed, frames, absent=None: autonue(
        case("idd_lite_evaluate_mIoU.py", 7, frames, seed, absent, res=128, resolution=[256, 128]),
        public_code / "evaluation" / "idd_lite_evaluate_mIoU.py", "_label.png", "lite_")
    found = {
        "versions": {name: version(name) for name in ("cityscapesScripts", "numpy", "Pillow")},
        "cases": [
            idd(1, small, 720, [1280, 720]),
            idd(2, big, 480, [858, 480]),
            idd(3, big, 240, [426, 240], absent=7),
            lite(4, [[320, 227], [300, 200], [256, 128]]),
            lite(5, [[320, 227]], absent=2),
            cityscapes(case("cityscapes", 19, small, 6, junk=False)),
            cityscapes(case("cityscapes", 19, small, 7, absent=4, junk=False)),
            boundary(case("boundary", 5, [[96, 54], [150, 140], [40, 9]], 8, junk=False), boundary_iou),
            iou_score(case("iou_score", 7, [[24, 18]] * 6, 9, absent=3, junk=False, batch=3), segmentation_models),
        ],
    }
    print("{")
    print(f'"versions": {json.dumps(found["versions"])},')
    print('"cases": [')
    print(",\n".join(json.dumps(case) for case in found["cases"]))
    print("]\n}")


main()
