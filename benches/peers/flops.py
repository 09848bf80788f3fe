"""The arithmetic of a network, counted as direct convolution: two operations a multiply-add; and the
values that its convolutions must at least read and write.

Algorithms such as Winograd's need fewer, so a share of the machine's peak can exceed 100 %. Pooling,
resizing, batch norms and the rest are left out; they cost time, but hardly any arithmetic.
"""

import torch
from torch import nn

from networks import CONFIGS, build


def forward(name, height, width, batch):
    """GFLOP of one forward pass of a network with the settings that it has for its name."""
    return forward_of(CONFIGS[name], height, width, batch)


def forward_of(config, height, width, batch):
    """GFLOP of one forward pass."""
    return counted(config, height, width, batch)[0]


def counted(config, height, width, batch):
    """GFLOP of one forward pass, and how many values its convolutions read and write in it: input,
    weights and output of each, once. Nothing is computed, so any size is quick."""
    network, operations, values = build(config).eval(), 0, 0

    def count(conv, x, y):
        nonlocal operations, values
        operations += 2 * y.numel() * conv.weight[0].numel()
        values += x[0].numel() + conv.weight.numel() + y.numel()

    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            part.register_forward_hook(count)
    network(torch.empty(batch, 3, height, width, device="meta"))
    return operations / 1e9, values


def step(name, height, width, batch):
    """GFLOP of one training step: the gradients of the input and of the weights cost a forward
    pass each, but nobody wants the picture's gradient."""
    network = build(CONFIGS[name])
    first = next(part for part in network.modules() if isinstance(part, nn.Conv2d))
    stride = first.stride[0] * first.stride[1]
    picture = 2 * first.weight.numel() * batch * height * width / stride / 1e9
    return 3 * forward(name, height, width, batch) - picture


if __name__ == "__main__":
    for name, height, width in [("r50", 512, 512), ("r50", 720, 1280), ("r18", 512, 512),
                                ("assignment", 512, 512)]:
        print(f"{name} {height}x{width}: {forward(name, height, width, 1):.2f} GFLOP")
    print(f"train assignment 512x512 b4: {step('assignment', 512, 512, 4):.2f} GFLOP")
    print(f"train r50 240x320 b2: {step('r50', 240, 320, 2):.2f} GFLOP")
