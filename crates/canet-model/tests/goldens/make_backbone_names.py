"""The parameters of published backbones, as timm names and shapes them.

    python make_backbone_names.py        # needs timm and torchvision besides what make_goldens.py needs

Writes `backbone_names.txt` next to this script: for each model a line `model depth stem`, then a line
`name shape` for each entry of its state. No weights are fetched.

Names and shapes say that a file can be loaded, not that it means the same. So timm's own network at
output stride 8, with drawn weights, is compared with the ResNet of make_goldens.py, with which
golden_logits.rs compares ours.
"""

from pathlib import Path

import timm
import torch

here = Path(__file__).parent
source = (here / "make_goldens.py").read_text()
golden = {}
exec(source[:source.index("# ------------------------------------------------------------------------------ checks")],
     golden)

MODELS = [
    ("resnet18.tv_in1k", 18, "classic"),
    ("resnet34.tv_in1k", 34, "classic"),
    ("resnet50.tv_in1k", 50, "classic"),
    ("resnet101.tv_in1k", 101, "classic"),
    ("resnet50s.gluon_in1k", 50, "v1s"),
    ("resnet101s.gluon_in1k", 101, "v1s"),
]


def draw(state):
    return {name: value if name.endswith("num_batches_tracked")
            else golden["parameter"](name, value.shape) for name, value in state.items()}


def check_meaning(model, depth, stem):
    theirs = timm.create_model(model, pretrained=False, features_only=True, output_stride=8).double()
    weights = draw(theirs.state_dict())
    ours = golden["ResNet"](depth, stem).double()
    theirs.load_state_dict(weights)
    ours.load_state_dict(weights)
    x = golden["image"](1, (49, 65))
    with torch.no_grad():
        features = theirs.eval()(x)
        _, c3, c4 = ours.eval()(x)
        c1 = ours.eval()(x)[0]
    for name, a, b in [("c1", features[1], c1), ("c3", features[3], c3), ("c4", features[4], c4)]:
        difference = ((a - b).abs().max() / b.abs().max()).item()
        print(f"{model} {name} {tuple(b.shape)}: largest difference {difference:.1e} of the largest value")
        assert difference < 1e-12


lines = []
for model, depth, stem in MODELS:
    state = timm.create_model(model, pretrained=False).state_dict()
    lines.append(f"{model} {depth} {stem}")
    lines += [f"  {name} {'x'.join(map(str, value.shape))}".rstrip() for name, value in state.items()]
    check_meaning(model, depth, stem)
(here / "backbone_names.txt").write_text("\n".join(lines) + "\n")
