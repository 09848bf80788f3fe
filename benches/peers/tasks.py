"""What is timed, and by whom."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    kind: str  # "segment" or "train"
    network: str  # "r18", "r50" or "assignment"
    height: int
    width: int
    batch: int
    threads: int = 2
    optimizer: str = ""

    @property
    def title(self):
        parts = [self.kind, self.network, f"{self.height}x{self.width}", f"batch {self.batch}",
                 self.optimizer, f"{self.threads} thread{'s' * (self.threads > 1)}"]
        return ", ".join(part for part in parts if part)


TASKS = {
    "r50-512": Task("segment", "r50", 512, 512, 1),
    "r50-720p": Task("segment", "r50", 720, 1280, 1),
    "r18-512": Task("segment", "r18", 512, 512, 1),
    "assignment-512": Task("segment", "assignment", 512, 512, 1),
    "train-assignment": Task("train", "assignment", 512, 512, 4, optimizer="adam"),
    "train-r50": Task("train", "r50", 240, 320, 2, optimizer="sgd"),
}

# glibc returns large blocks to the system and gets them back page by page, zeroed. On a small
# network that can be most of the time, so every peer gets a malloc that keeps what it has.
KEEPING = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "67108864",
}


@dataclass(frozen=True)
class Backend:
    script: str
    engine: str = ""
    keeping: bool = True


SEGMENT = {
    "eager, plain malloc": Backend("torch_segment.py", "eager", keeping=False),
    "eager": Backend("torch_segment.py", "eager"),
    "channels-last": Backend("torch_segment.py", "channels-last"),
    "compile": Backend("torch_segment.py", "compile"),
    "onnxruntime": Backend("onnxruntime_segment.py"),
    "openvino": Backend("openvino_segment.py"),
}
TRAIN = {
    "eager, plain malloc": Backend("torch_train.py", "eager", keeping=False),
    "eager": Backend("torch_train.py", "eager"),
    "channels-last": Backend("torch_train.py", "channels-last"),
    "compile": Backend("torch_train.py", "compile"),
}


def backends(task):
    return SEGMENT if task.kind == "segment" else TRAIN
