"""Opens an exported file with ONNX's own checker and runs it with ONNX Runtime, on frames whose masks
`canet segment` made of the same model. Prints the share of equal labels; exits with 1 if it is below
99.99 %, or if the file is not what it should be. (The weights of a file of half precision are not quite
the model's; there 99 % are enough.)

    canet export --model M --onnx M.onnx
    canet segment --model M --out masks frames/
    python onnxruntime_labels.py M.onnx frames masks

The frames are PNG files: two decoders of JPEG do not give the same pixels. Their size is that of the
file, if it has one, and the model has no input size of its own, since `segment` would resize them.
Needs requirements.txt.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image

LEAST = {"f32": 0.9999, "f16": 0.99}


def check(path: Path) -> str:
    """The file is valid, its shapes can be inferred, and its metadata can be read; returns its precision."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    assert model.producer_name == "canet", model.producer_name
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    classes = json.loads(metadata["canet.classes"])["classes"]
    for key in ("canet.model", "canet.normalisation", "canet.input"):
        json.loads(metadata[key])
    assert len(metadata["canet.weights"]) == 64
    (frame,) = model.graph.input
    outputs = [output.name for output in model.graph.output]
    print(f"{path.name}: {len(model.graph.node)} nodes, {path.stat().st_size} bytes, opset "
          f"{model.opset_import[0].version}, {len(classes)} classes, {metadata['canet.precision']}, "
          f"{len(inferred.graph.value_info)} shapes inferred, {frame.name} -> {', '.join(outputs)}")
    return metadata["canet.precision"]


def labels(session: onnxruntime.InferenceSession, frames: np.ndarray) -> np.ndarray:
    """The classes (N, H, W) of frames (N, 3, H, W); a file with both outputs has to agree with itself."""
    names = [output.name for output in session.get_outputs()]
    results = dict(zip(names, session.run(names, {"frame": frames})))
    if "logits" not in results:
        return results["labels"]
    best = results["logits"].argmax(axis=1).astype(np.uint8)
    assert "labels" not in results or np.array_equal(best, results["labels"])
    return best


def main() -> int:
    path, frames, masks = (Path(argument) for argument in sys.argv[1:4])
    precision = check(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    equal = pixels = 0
    seen: set[int] = set()
    pictures = sorted(frames.glob("*.png"))
    assert pictures, f"no PNG frames in {frames}"
    for picture in pictures:
        frame = np.asarray(Image.open(picture).convert("RGB"), dtype=np.float32).transpose(2, 0, 1)
        expected = np.asarray(Image.open(masks / f"{picture.stem}_mask.png"))
        # Two of them, of which the second is the first from the right: a batch is no more than its frames.
        batch = np.stack([frame, frame[:, :, ::-1]])
        found = labels(session, batch)
        assert found.shape == (2, *expected.shape), (found.shape, expected.shape)
        assert np.array_equal(found[0], labels(session, batch[:1])[0])
        equal += int((found[0] == expected).sum())
        pixels += expected.size
        seen.update(np.unique(expected).tolist())
    share = equal / pixels
    print(f"{len(pictures)} frames, {len(seen)} classes in their masks: {pixels - equal} of {pixels} labels "
          f"differ, {100 * share:.4f} % are equal")
    return 0 if share >= LEAST[precision] else 1


if __name__ == "__main__":
    sys.exit(main())
