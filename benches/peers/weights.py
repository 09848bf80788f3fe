"""Draws the weights that all engines are given, as one of the project's checkpoints.

Speed hardly depends on the values, but two things do: activations must neither vanish nor overflow
(denormal numbers are slow), and the label map must be a picture of many classes, or else comparing
label maps would prove nothing. So the batch norms get the statistics of drawn pictures, and the
classifier's logits are centred.
"""

import json
import math

import torch
from safetensors.torch import save_file
from torch import nn

from networks import CONFIGS, build
from pictures import picture


def draw(network):
    """He's normal weights, and batch norms that are not the identity."""
    generator = torch.Generator().manual_seed(1)
    network.to_empty(device="cpu")
    with torch.no_grad():
        for name, p in network.named_parameters():
            if p.dim() == 4:
                p.normal_(0, math.sqrt(2 / math.prod(p.shape[1:])), generator=generator)
            elif name.endswith("weight"):
                p.uniform_(0.5, 1.5, generator=generator)
            else:
                p.uniform_(-0.1, 0.1, generator=generator)
        for name, buffer in network.named_buffers():
            buffer.fill_(1 if name.endswith("running_var") else 0)
        for block in network.modules():  # a trained residual branch adds little to its input
            last = getattr(block, "bn3", None) or getattr(block, "bn2", None)
            if last is not None:
                last.weight.mul_(0.3)


def calibrate(network):
    """Statistics and logits as training leaves them, from eight pictures."""
    pictures = torch.cat([picture(256, 256, seed) for seed in range(8)])
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = 1.0
        network.train()(pictures)
        for norm in norms:
            # The mean square, and no channel far below the others: some are silent in so few
            # pictures, and a tiny variance would blow them up in the next.
            var = norm.running_var.add_(norm.running_mean.square())
            var.clamp_(min=0.2 * var.mean())
        logits = network.eval()(pictures)["logits"]
        classifier = getattr(network, "classifier", None) or network.head.classifier
        scale = 2 / logits.std((0, 2, 3))
        classifier.weight.mul_(scale[:, None, None, None])
        classifier.bias.sub_(logits.mean((0, 2, 3))).mul_(scale)


def write(name, path):
    config = CONFIGS[name]
    network = build(config)
    draw(network)
    calibrate(network)
    classes = [{"name": f"class {i}", "color": f"#{i * 9:02x}{255 - i * 9:02x}80"}
               for i in range(config["classes"])]
    metadata = {
        "canet.format": "1",
        "canet.model": json.dumps(config),
        "canet.classes": json.dumps({"name": "bench", "classes": classes}),
        "canet.normalisation": json.dumps({"mean": [0.485, 0.456, 0.406],
                                           "std": [0.229, 0.224, 0.225]}),
        "canet.input": "null",
        "canet.training": "null",
    }
    state = {name: value.contiguous() for name, value in network.state_dict().items()
             if not name.endswith("num_batches_tracked")}
    save_file(state, path, metadata)
