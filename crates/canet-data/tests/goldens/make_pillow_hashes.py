"""Writes hashes of what Pillow fills, for tests/raster_hashes.rs.

The outlines and frames come from a seed, so only hashes are kept:

    cargo run -p canet-data --example raster_inputs -- DIR
    python make_pillow_hashes.py pillow-6 DIR       (under Pillow 6.2.2)
    python make_pillow_hashes.py pillow-11 DIR      (under Pillow 11.3.0)

Lines of the rule named first are replaced in pillow-outline-hashes.txt (a line per outline: its number,
its kind, and a column a rule) and in frame-hashes.txt (a line per frame and rule). The hash is SHA-256 of the
bytes of the mask, of outlines its first 16 digits. Object number k of a frame has the value k mod 251 + 1.
pip compiles 6.2.2 under a newer Python; the interpreter may abort when it exits, after the files are written.
"""

import hashlib
import json
import pathlib
import sys

import PIL
from PIL import Image, ImageDraw

HERE = pathlib.Path(__file__).parent
RULES = ["pillow-6", "pillow-11"]


def fill(width, height, polygons):
    image = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(image)
    for value, points in polygons:
        draw.polygon([tuple(point) for point in points], fill=value)
    return hashlib.sha256(image.tobytes()).hexdigest()


def outlines(rule, folder):
    path = HERE / "pillow-outline-hashes.txt"
    old = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    lines, changed = [], 0
    for number, case in enumerate(json.loads((folder / "outlines.json").read_text())):
        columns = old[number][2:] if number < len(old) else ["-"] * len(RULES)
        digest = fill(case["w"], case["h"], [(1, case["pts"])])[:16]
        changed += columns[RULES.index(rule)] != digest
        columns[RULES.index(rule)] = digest
        lines.append(" ".join([str(number), case["kind"], *columns]) + "\n")
    path.write_text("".join(lines))
    return len(lines), changed


def frames(rule, folder):
    path = HERE / "frame-hashes.txt"
    old = path.read_text().splitlines() if path.exists() else []
    lines = {tuple(line.split()[:2]): line.split()[2] for line in old}
    count = changed = 0
    for file in sorted((folder / "frames").rglob("*.json")):
        name = file.relative_to(folder / "frames").with_suffix("").as_posix()
        frame = json.loads(file.read_text())
        polygons = [(k % 251 + 1, o["polygon"]) for k, o in enumerate(frame["objects"])]
        digest = fill(frame["imgWidth"], frame["imgHeight"], polygons)
        count, changed = count + 1, changed + (lines.get((name, rule)) != digest)
        lines[name, rule] = digest
    path.write_text("".join(f"{' '.join(key)} {digest}\n" for key, digest in sorted(lines.items())))
    return count, changed


if __name__ == "__main__":
    rule, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    for what, (count, changed) in [("outlines", outlines(rule, folder)), ("frames", frames(rule, folder))]:
        print(f"Pillow {PIL.__version__}: {count} {what}, {changed} hashes changed")
