"""PyTorch: one training step (forward, cross-entropy, backward, update), eager, with channels last,
or compiled with channels last."""

import torch
import torch.nn.functional as F

from networks import load
from serve import arguments, read_input, read_targets, serve

args = arguments()
torch.set_num_threads(args.threads)
torch.set_num_interop_threads(1)
torch.manual_seed(0)
network = load(args.model).train()
x = torch.from_numpy(read_input(args))
targets = torch.from_numpy(read_targets(args)).long()
if args.engine != "eager":
    network = network.to(memory_format=torch.channels_last)
    x = x.to(memory_format=torch.channels_last)

# As in the Rust trainer, only the weights of convolutions decay.
groups = [
    {"params": [p for p in network.parameters() if p.dim() > 1], "weight_decay": 1e-4},
    {"params": [p for p in network.parameters() if p.dim() == 1], "weight_decay": 0.0},
]
if args.optimizer == "adam":
    optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=True)
else:
    optimizer = torch.optim.SGD(groups, lr=1e-3, momentum=0.9, fused=True)


def forward():
    return F.cross_entropy(network(x)["logits"], targets, ignore_index=255)


if args.engine == "compile":
    forward = torch.compile(forward)


def run():
    loss = forward()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


serve(f"torch {torch.__version__}", run)
