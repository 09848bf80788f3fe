"""Reads a packed folder with WebDataset and with tarfile, and compares every sample with the manifest.

    python check.py FOLDER      # made by `cargo xtask download-and-prepare --shards SIZE`
"""

import hashlib
import io
import json
import pathlib
import sys
import tarfile

import webdataset
from PIL import Image


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def main(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    shards = [folder / shard["file"] for shard in manifest["shards"]]
    assert shards, "this folder has no shards"
    for shard, path in zip(manifest["shards"], shards):
        data = path.read_bytes()
        assert (len(data), sha256(data)) == (shard["bytes"], shard["sha256"]), path
        with tarfile.open(path) as tar:
            members = tar.getmembers()
        assert len(members) == 3 * shard["frames"], path
        assert all((m.mtime, m.uid, m.gid, m.mode) == (0, 0, 0, 0o644) for m in members), path

    expected = {(split, e["drive"], e["frame"]): e for split, es in manifest["splits"].items() for e in es}
    seen = 0
    urls = [str(path) for path in shards]
    for sample in webdataset.WebDataset(urls, shardshuffle=False):
        about = json.loads(sample["json"])
        entry = expected.pop((about["split"], about["drive"], about["frame"]))
        image = next(sample[key] for key in ("jpg", "jpeg", "frame.png") if key in sample)
        assert sha256(image) == entry["image_sha256"] == about["image_sha256"]
        assert sha256(sample["png"]) == entry["mask_sha256"] == about["mask_sha256"]
        size = (entry["width"], entry["height"])
        assert Image.open(io.BytesIO(image)).size == Image.open(io.BytesIO(sample["png"])).size == size
        packed = entry["packed"]
        for part, data in (("image", image), ("mask", sample["png"])):
            with open(shards[packed["shard"]], "rb") as file:
                file.seek(packed[part]["at"])
                assert file.read(packed[part]["bytes"]) == data
        seen += 1
    assert seen and not expected, (seen, len(expected))
    print(f"{seen} samples in {len(shards)} shards, all as the manifest says")


main(pathlib.Path(sys.argv[1]))
