"""The project's two networks in PyTorch.

Their definitions are those of the golden script, which the Rust tests hold against the Rust
networks: one description of a network is enough. That script writes its file when it is run, so
only its definitions are taken from it here.
"""

import ast
import json
import sys
import types
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import nn

SCRIPT = Path(__file__).parents[2] / "crates/canet-model/tests/goldens/make_goldens.py"


def definitions():
    """The golden script as a module, without the statements that do something."""
    tree = ast.parse(SCRIPT.read_text())
    kept = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)
    tree.body = [node for node in tree.body
                 if isinstance(node, kept) or ast.unparse(node).startswith("RESNETS =")]
    module = types.ModuleType("golden_networks")
    sys.modules[module.__name__] = module  # torch.compile looks functions up by their module
    exec(compile(tree, str(SCRIPT), "exec"), module.__dict__)
    return module


golden = definitions()


def same_conv(conv, x):
    """Keras' 'same' padding; where both sides get the same, the convolution does it itself.

    The golden script pads in a step of its own, which is plain but costs a copy.
    """
    low, high = [], []
    for length, k, s in zip(map(int, x.shape[2:]), conv.kernel_size, conv.stride):
        total = max((-(-length // s) - 1) * s + k - length, 0)
        low.append(total // 2)
        high.append(total - total // 2)
    if low == high:
        return F.conv2d(x, conv.weight, conv.bias, conv.stride, low)
    x = F.pad(x, [low[1], high[1], low[0], high[0]])
    return F.conv2d(x, conv.weight, conv.bias, conv.stride)


golden.SameConv.forward = same_conv

# What a checkpoint says about each network; the settings are the Rust defaults.
CONFIGS = {
    "r18": {"network": "canet", "depth": 18, "stem": "v1s", "classes": 26, "aux": False,
            "rates": [2, 4, 8, 16], "dropout": 0.1, "head_dropout": 0.1},
    "r50": {"network": "canet", "depth": 50, "stem": "v1s", "classes": 26, "aux": False,
            "rates": [2, 4, 8, 16], "dropout": 0.1, "head_dropout": 0.1},
    "r101": {"network": "canet", "depth": 101, "stem": "v1s", "classes": 26, "aux": False,
             "rates": [2, 4, 8, 16], "dropout": 0.1, "head_dropout": 0.1},
    "assignment": {"network": "canet-assignment", "classes": 21, "rates": [2, 2, 2]},
}


def build(config):
    """A network in training mode, on the meta device: it waits for weights."""
    with torch.device("meta"):
        if config["network"] == "canet-assignment":
            return golden.CANetAssignment(config["classes"], config["rates"])
        network = golden.CANet(config["depth"], config["stem"], config["classes"], config["aux"],
                               config["rates"])

    def dropout(part, p):
        part.register_forward_hook(
            lambda part, _, y: F.dropout(y, p) if part.training else y)

    dropout(network.fsm, config["dropout"])
    dropout(network.head.cbr, config["head_dropout"])
    if network.aux is not None:
        dropout(network.aux.cbr, config["head_dropout"])
    return network


def load(path):
    """The network of a checkpoint with its weights, in training mode."""
    with safe_open(path, "pt") as file:
        network = build(json.loads(file.metadata()["canet.model"]))
        state = {name: file.get_tensor(name) for name in file.keys()
                 if not name.startswith("training.")}
    missing, unexpected = network.load_state_dict(state, strict=False, assign=True)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    assert not missing and not unexpected, (missing, unexpected)
    for name, counter in list(network.named_buffers()):
        if name.endswith("num_batches_tracked"):
            owner = network.get_submodule(name.rpartition(".")[0])
            owner.num_batches_tracked = torch.tensor(0)
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    return network


class Labels(nn.Module):
    """From pictures to label maps: what every engine is asked for."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        logits = self.network(x)["logits"]
        # The same, but eager PyTorch is three times faster at the first; ONNX knows the second.
        return logits.argmax(1) if torch.onnx.is_in_onnx_export() else logits.max(1).indices
