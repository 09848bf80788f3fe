"""Opens a run's event files with TensorBoard's own readers, and compares them with what else the run left.

    pip install -r requirements.txt
    python open_events.py RUN

Scalars must be those of metrics.jsonl, step by step and each once; pictures those of pictures/, but for what JPEG
loses; histograms those of the weights in the last checkpoint. RUN may have been killed and resumed; it must
be finished, and validated after every epoch.
"""

import io
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator, event_file_loader


def same(a, b, what):
    assert a == b, f"{what}: {a} is not {b}"


def near(a, b, what, relative=1e-6):
    assert abs(a - b) <= relative * max(abs(a), abs(b), 1e-30), f"{what}: {a} is not {b}"


def weights(path):
    """The tensors of a safetensors file."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    tensors = {}
    for name, about in header.items():
        if name != "__metadata__" and about["dtype"] == "F32":
            start, end = (8 + size + at for at in about["data_offsets"])
            tensors[name] = np.frombuffer(data[start:end], "<f4")
    return tensors


def scalars(board, records):
    count = 0
    steps = [e.step for e in board.Scalars("train/loss")]
    same(steps, list(range(1, records[-1]["step"] + 1)), "steps of train/loss")
    for tag in ["train/rate", "train/gradient_norm", "train/frames_per_second"]:
        same([e.step for e in board.Scalars(tag)], steps, tag)
    losses = [e.value for e in board.Scalars("train/loss")]
    rates = [e.value for e in board.Scalars("train/rate")]
    first = 0
    for record in records:
        near(np.mean(losses[first : record["step"]]), record["loss"], "mean of train/loss", 1e-5)
        near(rates[record["step"] - 1], record["rate"], "train/rate")
        first = record["step"]
    expected = {"val/miou": {}, "val/pixel_accuracy": {}, "epoch/loss": {}}
    for record in records:
        step, scores = record["step"], record["scores"]
        expected["val/miou"][step] = scores["miou"]
        expected["val/pixel_accuracy"][step] = scores["pixel_accuracy"]
        expected["epoch/loss"][step] = record["loss"]
        for line in scores["classes"]:
            if line["iou"] is not None:
                expected.setdefault(f"val_iou/{line['class']}", {})[step] = line["iou"]
    for tag, values in expected.items():
        events = board.Scalars(tag)
        same([e.step for e in events], list(values), f"steps of {tag}")
        for event in events:
            near(event.value, values[event.step], tag)
            count += 1
    return count + 4 * len(steps)


def images(board, records, run):
    events = board.Images("val/strips")
    same([e.step for e in events], [r["step"] for r in records], "steps of val/strips")
    for event, record in zip(events, records):
        picture = Image.open(io.BytesIO(event.encoded_image_string)).convert("RGB")
        same(picture.size, (event.width, event.height), "size")
        exact = Image.open(run / f"pictures/epoch-{record['epoch']:03}.png").convert("RGB").resize(picture.size)
        error = np.abs(np.asarray(picture, float) - np.asarray(exact, float)).mean()
        assert error < 8, f"epoch {record['epoch']}: the pictures differ by {error} on average"
    return len(events)


def histograms(board, records, run):
    tensors = weights(run / "checkpoints/last.safetensors")
    count = 0
    for tag in board.Tags()["histograms"]:
        events = board.Histograms(tag)
        same([e.step for e in events], [r["step"] for r in records], f"steps of {tag}")
        values = tensors[tag.removeprefix("weights/")].astype(float)
        written = events[-1].histogram_value
        same(written.num, len(values), f"number of {tag}")
        same((written.min, written.max), (values.min(), values.max()), f"ends of {tag}")
        near(written.sum, values.sum(), tag, 1e-6 + 1e-9 * np.abs(values).sum() / max(abs(values.sum()), 1e-30))
        near(written.sum_squares, (values**2).sum(), tag)
        edges = [written.min, *written.bucket_limit]
        counts, _ = np.histogram(values, edges) if len(edges) > 2 else ([len(values)], None)
        # A value that lies on an edge may fall to either side of it.
        assert np.abs(np.array(written.bucket) - counts).sum() <= 2, f"buckets of {tag}"
        count += 1
    assert count > 20, count
    return count


def main():
    run = Path(sys.argv[1])
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    events = 0
    files = sorted((run / "tensorboard").iterdir())
    for path in files:
        for _ in event_file_loader.EventFileLoader(str(path)).Load():
            events += 1
    everything = dict.fromkeys(event_accumulator.DEFAULT_SIZE_GUIDANCE, 0)
    board = event_accumulator.EventAccumulator(str(run / "tensorboard"), size_guidance=everything)
    board.Reload()
    counts = scalars(board, records), images(board, records, run), histograms(board, records, run)
    assert "config" in board.Tags()["tensors"], board.Tags()
    text = board.Tensors("config")[0].tensor_proto.string_val[0].decode()
    assert "epochs = " in text, text
    print(
        f"tensorboard {version('tensorboard')}: {events} events in {len(files)} files; "
        f"{counts[0]} scalars, {counts[1]} pictures, {counts[2]} layers' histograms, 0 differ"
    )


if __name__ == "__main__":
    main()
