"""What is timed on a GPU: each row makes a step, a function that does its work once.

Speed hardly depends on values, so weights, pictures and targets are drawn. All that a step needs
lies on the GPU before it is timed.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

import flops
import pictures
import weights
from networks import CONFIGS, build

AUX_WEIGHT = 0.4  # as the Rust trainer's `loss.aux_weight` is if nothing else is said
VOID = 255
BF16 = 2  # bytes


@dataclass(frozen=True)
class Row:
    kind: str  # "train", "infer", "matmul" or "copy"
    network: str = ""
    height: int = 0
    width: int = 0
    batch: int = 0
    optimizer: str = ""
    compiled: bool = False


ROWS = {
    "matmul": Row("matmul"),
    "copy": Row("copy"),
    "train-r50": Row("train", "r50", 480, 480, 16, "sgd"),
    "train-r101": Row("train", "r101", 480, 480, 16, "sgd"),
    "train-assignment": Row("train", "assignment", 512, 512, 8, "adam"),
    "infer-r50-b1": Row("infer", "r50", 720, 1280, 1),
    "infer-r50-b8": Row("infer", "r50", 720, 1280, 8),
}


@dataclass
class Work:
    """A row that is ready to run."""

    step: callable
    facts: dict  # for the JSON file
    gflop: float = 0.0  # of a step
    moved: int = 0  # bytes that a step reads and writes
    loss: callable = None  # of the newest step


def make(row, options):
    kinds = {"train": train, "infer": infer, "matmul": matmul, "copy": copy}
    return kinds[row.kind](row, options)


def configuration(row, options):
    """The network's settings. The auxiliary head has its part in training alone."""
    config = {**CONFIGS[row.network], "classes": options.classes}
    if config["network"] == "canet":
        config["stem"] = options.stem
        config["aux"] = row.kind == "train" and options.aux == "on"
    return config


def network_of(config, options):
    """A network with drawn weights."""
    network = build(config)
    weights.draw(network)
    return network.to(options.device, memory_format=options.memory_format)


def pixels(row, options):
    """Random bytes, normalised."""
    shape = (row.batch, 3, row.height, row.width)
    x = torch.randint(0, 256, shape, dtype=torch.uint8, device=options.device)
    mean, std = pictures.MEAN.to(options.device), pictures.STD.to(options.device)
    return ((x / 255 - mean) / std).contiguous(memory_format=options.memory_format)


def random_targets(row, options):
    shape = (row.batch, row.height, row.width)
    ids = torch.randint(0, options.classes, shape, device=options.device)
    void = torch.rand(shape, device=options.device) < 0.05
    return ids.masked_fill(void, VOID)


def optimizer_of(network, name):
    """As in the Rust trainer, only the weights of convolutions decay."""
    groups = [
        {"params": [p for p in network.parameters() if p.dim() > 1], "weight_decay": 1e-4},
        {"params": [p for p in network.parameters() if p.dim() == 1], "weight_decay": 0.0},
    ]
    if name == "adam":
        return torch.optim.AdamW(groups, lr=1e-3, fused=True)
    return torch.optim.SGD(groups, lr=1e-3, momentum=0.9, fused=True)


def train(row, options):
    """Forward, loss, backward, update; weights in `f32`, the rest as autocast has it in `bf16`.

    The loss stays on the GPU: reading it would make the next step's launches wait.
    """
    config = configuration(row, options)
    network = network_of(config, options).train()
    optimizer = optimizer_of(network, row.optimizer)
    x, targets = pixels(row, options), random_targets(row, options)
    last = None

    def forward(x, targets):
        outputs = network(x)
        loss = F.cross_entropy(outputs["logits"], targets, ignore_index=VOID)
        if "aux" in outputs:
            aux = F.cross_entropy(outputs["aux"], targets, ignore_index=VOID)
            loss = loss + AUX_WEIGHT * aux
        return loss

    if row.compiled:
        forward = torch.compile(forward)

    def step():
        nonlocal last
        with torch.autocast(options.device, torch.bfloat16):
            loss = forward(x, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        last = loss.detach()

    # Both gradients of a convolution do as much arithmetic, and see as many values, as the forward pass.
    gflop, values = (3 * n for n in flops.counted(config, row.height, row.width, row.batch))
    facts = {"config": config, "least_bytes": BF16 * values}
    return Work(step, facts, gflop, loss=lambda: last.item())


class Mask(nn.Module):
    """From pictures to a class for each pixel, in bytes."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)["logits"].argmax(1).to(torch.uint8)


def infer(row, options):
    """From a normalised `bf16` picture to its mask, both on the GPU; all in `bf16`."""
    config = configuration(row, options)
    model = Mask(network_of(config, options)).eval().requires_grad_(False).to(torch.bfloat16)
    x = pixels(row, options).to(torch.bfloat16)
    if row.compiled:
        # Weights are constants, unless told otherwise. One picture's kernels are done sooner than
        # they are launched one by one, hence a CUDA graph: the mode "reduce-overhead".
        freezing, graph = not options.no_freezing, row.batch == 1
        model = torch.compile(model, options={"freezing": freezing, "triton.cudagraphs": graph})

    @torch.no_grad()  # freezing asks for no_grad rather than inference_mode
    def compiled():
        return model(x)

    @torch.inference_mode()
    def eager():
        return model(x)

    gflop, values = flops.counted(config, row.height, row.width, row.batch)
    facts = {"config": config, "least_bytes": BF16 * values}
    return Work(compiled if row.compiled else eager, facts, gflop)


def matmul(row, options):
    """A large product on random data: zeros draw less power, and with it faster clocks."""
    n = 256 if options.tiny else 8192
    a, b = (torch.randn(n, n, device=options.device, dtype=torch.bfloat16) for _ in range(2))
    c = torch.empty_like(a)
    return Work(lambda: torch.mm(a, b, out=c), {"size": n}, gflop=2 * n**3 / 1e9)


def copy(row, options):
    """A copy far larger than any cache, counted as read and written."""
    size = 1 << 20 if options.tiny else 1 << 31
    source = torch.randint(0, 256, (size,), dtype=torch.uint8, device=options.device)
    target = torch.empty_like(source)
    return Work(lambda: target.copy_(source), {"bytes": size}, moved=2 * size)
