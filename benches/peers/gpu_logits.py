"""PyTorch's logits of given weights and a given input, for another program to compare its own with.

In `f32` without TensorFloat-32, which keeps ten bits of a factor. What PyTorch's own `bf16` is away
from that is printed: nobody else's `bf16` can be expected to be nearer.
"""

import json

import torch
from safetensors.torch import load_file, save_file

from networks import load


def exactly():
    """Switches off what trades bits for speed."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def distance(x, reference):
    """The norm of the difference, over the reference's."""
    return ((x.double() - reference.double()).norm() / reference.double().norm()).item()


@torch.inference_mode()
def write(folder, device):
    """Reads `weights.safetensors`, a checkpoint of this project, and `input.safetensors`, with the
    normalised pictures as `x`; writes `torch-logits.safetensors` with `logits`."""
    exactly()
    network = load(folder / "weights.safetensors").float().eval().to(device)
    x = load_file(folder / "input.safetensors")["x"].float().to(device)
    outputs = {name: value.float() for name, value in network(x).items()}
    with torch.autocast(device, torch.bfloat16):
        halves = network(x)["logits"].float()
    logits = outputs["logits"]
    path = folder / "torch-logits.safetensors"
    save_file({name: value.cpu().contiguous() for name, value in outputs.items()}, path)
    print(json.dumps({
        "written": str(path),
        "shape": list(logits.shape),
        "finite": bool(logits.isfinite().all()),
        "largest": logits.abs().max().item(),
        "torch_bf16_distance": distance(halves, logits),
        "torch_bf16_agreement": (halves.argmax(1) == logits.argmax(1)).float().mean().item(),
    }))
