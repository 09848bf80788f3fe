"""Draws random polygons with ImageDraw and writes their fills, for tests/golden_pillow.rs.

Run it once under each Pillow to be covered, for the fill rule differs between releases:

    python make_pillow_goldens.py pillow_5_4_and_6_2 polygons.json

The first argument is the key of the fills. If the file exists, its polygons are filled again and
the key is added or replaced; if not, new polygons are drawn first. Canet follows Pillow <= 6.2 (tested
with 6.2.2, whose wheels end with Python 3.8; under a newer one pip compiles it, and the interpreter
may abort when it exits, after the file is written). The committed file holds 150 polygons under three keys, for
the three families of releases named in them; its first key must come out the same under 6.2.2.
"""

import json
import math
import pathlib
import random
import sys
from itertools import groupby

import PIL
from PIL import Image, ImageDraw

FORMAT = (
    "row-major run lengths, alternating 0,1,0,1... starting with 0; "
    "drawn with ImageDraw.polygon(fill=1) on mode L zeros"
)


def points(kind, w, h, rng):
    """The corners of one random polygon of a kind that has its own pitfalls."""
    n = rng.randint(3, 12)
    inside = [[rng.uniform(0, w), rng.uniform(0, h)] for _ in range(n)]
    whole = [[int(x), int(y)] for x, y in inside]
    if kind == "int":
        return whole
    if kind == "float":
        return inside
    if kind == "closed":
        return whole + whole[:1]
    if kind == "oob":  # corners outside the picture
        return [[rng.uniform(-w, 2 * w), rng.uniform(-h, 2 * h)] for _ in range(n)]
    if kind == "thin":  # nearly horizontal, many corners on few rows
        return [[x, rng.randint(0, 3)] for x, _ in whole]
    if kind == "axis":  # only horizontal and vertical sides
        corners = [whole[0]]
        for x, y in whole[1:]:
            corners += [[x, corners[-1][1]], [x, y]]
        return corners
    if kind == "blob":  # as people outline things
        radius = rng.uniform(3, min(w, h) / 2)
        turns = [2 * math.pi * i / 40 for i in range(40)]
        radii = [radius * rng.uniform(0.7, 1.0) for _ in turns]
        return [[w / 2 + r * math.cos(t), h / 2 + r * math.sin(t)] for r, t in zip(radii, turns)]
    raise ValueError(kind)


def fill(case):
    """The run lengths of one filled polygon."""
    image = Image.new("L", (case["w"], case["h"]), 0)
    ImageDraw.Draw(image).polygon([tuple(p) for p in case["pts"]], fill=1)
    runs = [(value, len(list(run))) for value, run in groupby(image.tobytes())]
    return [0] * (runs[0][0] == 1) + [length for _, length in runs]


def new_cases(count=150, seed=6):
    rng = random.Random(seed)
    kinds = ["int", "float", "closed", "oob", "thin", "axis", "blob"]
    for index in range(count):
        kind, w, h = kinds[index % len(kinds)], rng.randint(8, 64), rng.randint(8, 64)
        corners = [[round(x, 3), round(y, 3)] for x, y in points(kind, w, h, rng)]
        yield {"kind": kind, "w": w, "h": h, "pts": corners}


def main(key, path):
    path = pathlib.Path(path)
    if path.exists():
        goldens = json.loads(path.read_text())
    else:
        goldens = {"format": FORMAT, "cases": list(new_cases())}
    changed = 0
    for case in goldens["cases"]:
        runs = fill(case)
        changed += case.get(key) != runs
        case[key] = runs
    path.write_text(json.dumps(goldens, separators=(",", ":")))
    print(f"Pillow {PIL.__version__}: {len(goldens['cases'])} polygons, {changed} fills changed")


if __name__ == "__main__":
    main(*sys.argv[1:])
