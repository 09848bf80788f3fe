"""Opens the files that canet-data writes with the readers of the tools they are for.

    cargo run -p canet-data --example write_formats -- OUT
    python -m venv VENV && VENV/bin/pip install -r requirements.txt
    QT_QPA_PLATFORM=offscreen LOGURU_LEVEL=WARNING VENV/bin/python open_written_files.py OUT

Every reader must find the frames, sizes, labels, order and points that OUT/truth.json tells: equal bit
for bit, but for Datumaro, which rounds to two digits by itself. LabelMe's own writer then saves each file
once more, and what it keeps is compared again. Prints one line a tool; any difference ends the program.
"""

import contextlib
import io
import json
import struct
import sys
import tempfile
import xml.etree.ElementTree
from importlib.metadata import version
from pathlib import Path

import numpy as np


def bits(points):
    return [struct.pack("<2d", x, y) for x, y in points]


def same(found, expected, where):
    assert found == expected, f"{where}: {str(found)[:200]} instead of {str(expected)[:200]}"


class Count:
    """What was compared, so that nothing compared is no success."""

    def __init__(self):
        self.frames = self.shapes = self.points = 0

    def frame(self, where, size, shapes, truth, points_of=bits):
        same(size, (truth["width"], truth["height"]), f"{where} size")
        same([s[0] for s in shapes], [o["label"] for o in truth["objects"]], f"{where} labels")
        for n, ((_, points), expected) in enumerate(zip(shapes, truth["objects"], strict=True)):
            same(points_of(points), points_of(expected["points"]), f"{where} points of {n}")
            self.points += len(points)
        self.frames += 1
        self.shapes += len(shapes)

    def tell(self, tool, truth):
        same(self.frames, len(truth["frames"]), f"{tool} frames")
        assert self.shapes > 100 and self.points > 1000, (tool, self.shapes, self.points)
        print(f"{tool}: {self.frames} frames, {self.shapes} polygons, {self.points} points agree")


def cityscapes(out, truth):
    from cityscapesscripts.helpers.annotation import Annotation

    for format in ["idd", "cityscapes"]:
        count = Count()
        for image, expected in truth["frames"].items():
            path = out / format / image.replace(".jpg", "_gtFine_polygons.json")
            annotation = Annotation()
            annotation.fromJsonText(path.read_text())
            assert not any(o.deleted for o in annotation.objects) and all(o.draw for o in annotation.objects)
            shapes = [(o.label, [(p.x, p.y) for p in o.polygon]) for o in annotation.objects]
            size = (annotation.imgWidth, annotation.imgHeight)
            count.frame(path, size, shapes, expected)
            same(json.loads(path.read_text())["canet"], truth["note"], f"{path} note")
        count.tell(f"cityscapesScripts {version('cityscapesScripts')} ({format})", truth)


def labelme(out, truth):
    from labelme._label_file import LabelFile

    count, saved = Count(), Count()
    for image, expected in truth["frames"].items():
        path = out / "labelme" / image.replace(".jpg", ".json")
        # Opens the image, too, and compares its size with the file's.
        file = LabelFile(str(path))
        shapes = [(s["label"], s["points"]) for s in file.shapes]
        same({s["shape_type"] for s in file.shapes}, {"polygon"}, path)
        size = (expected["width"], expected["height"])
        same((json.loads(path.read_text())["imageWidth"], json.loads(path.read_text())["imageHeight"]), size, path)
        count.frame(path, size, shapes, expected)
        same(file.other_data, {"canet": truth["note"]}, f"{path} note")
        with tempfile.NamedTemporaryFile("r", suffix=".json") as copy:
            plain = [{k: v for k, v in s.items() if k not in ("other_data", "mask")} for s in file.shapes]
            file.save(copy.name, plain, file.image_path, size[1], size[0], None, file.other_data, file.flags)
            again = json.loads(Path(copy.name).read_text())
        same(again["canet"], truth["note"], f"{path} note as saved")
        size = (again["imageWidth"], again["imageHeight"])
        saved.frame(path, size, [(s["label"], s["points"]) for s in again["shapes"]], expected)
    count.tell(f"labelme {version('labelme')}", truth)
    saved.tell(f"labelme {version('labelme')}, saved again", truth)


def cvat(out, truth):
    from datumaro.plugins.data_formats.cvat.base import CvatBase

    path = out / "annotations.xml"
    rounded = lambda points: np.array(points, dtype=np.float32).round(2).tolist()
    base = CvatBase(str(path))
    names = [c.name for c in base.categories()[next(k for k in base.categories() if k.name == "label")].items]
    count = Count()
    for item in base:
        shapes = sorted(item.annotations, key=lambda a: a.z_order)
        same([a.z_order for a in shapes], list(range(len(shapes))), f"{item.id} z_order")
        shapes = [(names[a.label], np.array(a.points).reshape(-1, 2).tolist()) for a in shapes]
        height, width = item.media.size
        expected = truth["frames"][item.id + ".jpg"]
        count.frame(item.id, (width, height), shapes, expected, rounded)
    count.tell(f"datumaro {version('datumaro')} (cvat, two digits)", truth)

    # The tags and attributes of CVAT's description of "CVAT for images 1.1", exactly.
    root = xml.etree.ElementTree.parse(path).getroot()
    same((root.tag, root[0].tag, root[0].text, root[1].tag), ("annotations", "version", "1.1", "meta"), path)
    count = Count()
    for n, image in enumerate(root.findall("image")):
        same((list(image.attrib), image.get("id")), (["id", "name", "width", "height"], str(n)), path)
        shapes = []
        for polygon in image:
            keys = ["label", "source", "occluded", "points", "z_order"]
            same((polygon.tag, list(polygon.attrib)), ("polygon", keys), path)
            points = [tuple(map(float, pair.split(","))) for pair in polygon.get("points").split(";")]
            shapes.append((polygon.get("label"), points))
        size = (int(image.get("width")), int(image.get("height")))
        count.frame(image.get("name"), size, shapes, truth["frames"][image.get("name")])
    count.tell("ElementTree (cvat)", truth)


def coco(out, truth):
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        data = COCO(str(out / "instances.json"))
    same(len(data.imgs), len(truth["frames"]), "images")
    count, pixels = Count(), 0
    for image in data.loadImgs(data.getImgIds()):
        annotations = data.loadAnns(sorted(data.getAnnIds(imgIds=[image["id"]])))
        expected = truth["frames"][image["file_name"]]
        shapes = []
        for annotation in annotations:
            (flat,) = annotation["segmentation"]
            shapes.append((data.cats[annotation["category_id"]]["name"], list(zip(flat[::2], flat[1::2]))))
            xs, ys = flat[::2], flat[1::2]
            same(annotation["bbox"], [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)], "bbox")
            area = abs(sum(a * d - c * b for (a, b), (c, d) in zip(shapes[-1][1], shapes[-1][1][1:] + shapes[-1][1][:1]))) / 2
            assert abs(area - annotation["area"]) <= 1e-6 * max(area, 1.0), (area, annotation["area"])
            mask = data.annToMask(annotation)
            same(mask.shape, (expected["height"], expected["width"]), "mask")
            pixels += int(mask.sum())
        same(image["canet"], truth["note"], "note")
        count.frame(image["file_name"], (image["width"], image["height"]), shapes, expected)
    assert pixels > 100_000, pixels
    count.tell(f"pycocotools {version('pycocotools')}", truth)


def main():
    out = Path(sys.argv[1])
    truth = json.loads((out / "truth.json").read_text())
    for reader in [cityscapes, labelme, cvat, coco]:
        reader(out, truth)


if __name__ == "__main__":
    main()
