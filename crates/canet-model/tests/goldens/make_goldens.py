"""Golden logits and gradients of both networks, from an independent implementation in PyTorch.

    python make_goldens.py        # needs torch, numpy, safetensors; about 1 GB of memory

Writes `networks.safetensors` next to this script: for each case the tensor `<case>.logits` (and
`<case>.aux` with an auxiliary head), and in the file's metadata `<case>` -> JSON configuration.
Of the flattened (N, classes, H, W) tensor only every `every`-th value is stored.

And `gradients.safetensors`: for each case of a training pass the tensor `<case>`, with a row for
each entry of the state in the order of the names. The entry is the parameter's gradient, or the
running statistic after the pass; the row is its norm and its product with noise.

No weights are stored. Both sides compute them, and the input image, from the parameter's name and
the flat index: see `uniform` and `parameter`. The networks run in f64, so that what is
stored is rounded to f32 just once.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import nn

# ------------------------------------------------------------------------------ the weights


def uniform(name, shape):
    """Values in [0, 1) with 24 bits: splitmix64 started at the FNV-1a hash of `name`."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    u64 = np.uint64
    z = u64(seed) + np.arange(1, math.prod(shape) + 1, dtype=u64) * u64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> u64(30))) * u64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> u64(27))) * u64(0x94D049BB133111EB)
    z = z ^ (z >> u64(31))
    return torch.from_numpy((z >> u64(40)).astype(np.float64) / 2**24).reshape(shape)


def exact(values):
    """`values` rounded to f32, but held as f64."""
    return values.float().double()


def parameter(name, shape):
    """A parameter or BN statistic; its name and shape tell what it is."""
    u = uniform(name, shape)
    if name.endswith("weight") and len(shape) == 4:  # convolution
        fan_in = math.prod(shape[1:])
        return exact((2 * u - 1) * math.sqrt(3 / fan_in))
    if name.endswith(("weight", "running_var")):  # BN
        return exact(0.5 + u)
    assert name.endswith(("bias", "running_mean")), name
    return exact(0.1 * (2 * u - 1))


def image(batch, size):
    return exact(4 * uniform("input", (batch, 3, *size)) - 2)


# ------------------------------------------------------------------------------ shared parts


def global_average(x):
    return x.mean((2, 3), keepdim=True)


def pool_by(x, rate):
    """Adaptive average pooling to 1/rate of the actual size, but to at least one pixel."""
    return F.adaptive_avg_pool2d(x, [max(1, length // rate) for length in x.shape[2:]])


# ------------------------------------------------------------------------------ canet


def resize_aligned(x, size):
    return F.interpolate(x, size, mode="bilinear", align_corners=True)


def conv(i, o, k, stride=1, dilation=1, groups=1):
    return nn.Conv2d(i, o, k, stride, dilation * (k // 2), dilation, groups, bias=False)


class Cbr(nn.Module):
    """Convolution, BN, ReLU."""

    def __init__(self, i, o, k, groups=1):
        super().__init__()
        self.conv, self.bn = conv(i, o, k, groups=groups), nn.BatchNorm2d(o)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Block(nn.Module):
    """Residual block of two or three convolutions, with a projection where the shape changes."""

    def __init__(self, i, convs, stride):
        super().__init__()
        self.count = len(convs)
        for k, c in enumerate(convs, 1):
            setattr(self, f"conv{k}", c)
            setattr(self, f"bn{k}", nn.BatchNorm2d(c.out_channels))
        o = convs[-1].out_channels
        self.downsample = None
        if stride != 1 or i != o:
            self.downsample = nn.Sequential(conv(i, o, 1, stride), nn.BatchNorm2d(o))

    def forward(self, x):
        y = x
        for k in range(1, self.count + 1):
            y = getattr(self, f"bn{k}")(getattr(self, f"conv{k}")(y))
            if k < self.count:
                y = F.relu(y)
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def basic_block(i, planes, stride, dilation, stage_dilation):
    return Block(i, [conv(i, planes, 3, stride, dilation),
                     conv(planes, planes, 3, 1, stage_dilation)], stride)


def bottleneck(i, planes, stride, dilation, stage_dilation):
    return Block(i, [conv(i, planes, 1),
                     conv(planes, planes, 3, stride, dilation),
                     conv(planes, 4 * planes, 1)], stride)


RESNETS = {  # depth -> block, expansion, blocks per layer
    18: (basic_block, 1, (2, 2, 2, 2)),
    34: (basic_block, 1, (3, 4, 6, 3)),
    50: (bottleneck, 4, (3, 4, 6, 3)),
    101: (bottleneck, 4, (3, 4, 23, 3)),
}


class ResNet(nn.Module):
    """Dilated ResNet with output stride 8; returns C1, C3 and C4."""

    def __init__(self, depth, stem):
        super().__init__()
        if stem == "v1s":
            width = 128
            self.conv1 = nn.Sequential(
                conv(3, 64, 3, 2), nn.BatchNorm2d(64), nn.ReLU(),
                conv(64, 64, 3), nn.BatchNorm2d(64), nn.ReLU(),
                conv(64, width, 3))
        else:
            width = 64
            self.conv1 = conv(3, width, 7, 2)
        self.bn1 = nn.BatchNorm2d(width)
        block, expansion, blocks = RESNETS[depth]
        strides, dilations, first_dilations = (1, 2, 1, 1), (1, 1, 2, 4), (1, 1, 1, 2)
        self.channels = []
        for layer in range(4):
            planes, members = 64 << layer, []
            for index in range(blocks[layer]):
                first = index == 0
                members.append(block(width, planes,
                                     strides[layer] if first else 1,
                                     (first_dilations if first else dilations)[layer],
                                     dilations[layer]))
                width = planes * expansion
            setattr(self, f"layer{layer + 1}", nn.Sequential(*members))
            self.channels.append(width)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        c1 = self.layer1(x)
        c3 = self.layer3(self.layer2(c1))
        return c1, c3, self.layer4(c3)


class ContextFlow(nn.Module):
    def __init__(self, c4, rate):
        super().__init__()
        self.rate, i = rate, c4 + 512
        self.depthwise1, self.pointwise1 = Cbr(i, i, 3, groups=i), Cbr(i, 512, 1)
        self.depthwise2, self.pointwise2 = Cbr(512, 512, 3, groups=512), Cbr(512, 512, 1)

    def forward(self, c4, previous):
        x = pool_by(torch.cat([c4, previous], 1), self.rate)
        x = self.pointwise1(self.depthwise1(x))
        x = self.pointwise2(self.depthwise2(x))
        return resize_aligned(x, c4.shape[2:])


class Fsm(nn.Module):
    """Feature selection: X*g + X with a gate g per channel."""

    def __init__(self):
        super().__init__()
        self.cbr = Cbr(512, 256, 3)
        self.gate = nn.ModuleDict({"conv": conv(256, 256, 1), "bn": nn.BatchNorm2d(256)})

    def forward(self, x):
        x = self.cbr(x)
        gate = torch.sigmoid(self.gate["bn"](self.gate["conv"](global_average(x))))
        return x * gate + x


class Head(nn.Module):
    def __init__(self, i, width, classes):
        super().__init__()
        self.cbr, self.classifier = Cbr(i, width, 3), nn.Conv2d(width, classes, 1)

    def forward(self, x):
        return self.classifier(self.cbr(x))


class CANet(nn.Module):
    def __init__(self, depth, stem, classes, aux, rates):
        super().__init__()
        self.backbone = ResNet(depth, stem)
        c1, _, c3, c4 = self.backbone.channels
        self.global_flow = Cbr(c4, 512, 1)
        self.context_flows = nn.ModuleList(ContextFlow(c4, rate) for rate in rates)
        self.fsm = Fsm()
        self.low = Cbr(c1, 48, 3)
        self.fuse = Cbr(256 + 48, 256, 3)
        self.head = Head(256, 256, classes)
        self.aux = Head(c3, c3 // 4, classes) if aux else None

    def forward(self, x):
        size = x.shape[2:]
        c1, c3, c4 = self.backbone(x)
        flow = self.global_flow(global_average(c4)).expand(-1, -1, *c4.shape[2:])
        total = flow
        for context_flow in self.context_flows:
            flow = context_flow(c4, flow)
            total = total + flow
        cam = resize_aligned(self.fsm(total), c1.shape[2:])
        logits = self.head(self.fuse(torch.cat([cam, self.low(c1)], 1)))
        outputs = {"logits": resize_aligned(logits, size)}
        if self.aux is not None:
            outputs["aux"] = resize_aligned(self.aux(c3), size)
        return outputs


# ------------------------------------------------------------------------------ canet-assignment


def resize_half_pixel(x, size):
    return F.interpolate(x, size, mode="bilinear", align_corners=False)


class SameConv(nn.Conv2d):
    """Convolution with bias and Keras 'same' padding: an odd total puts the larger half last."""

    def forward(self, x):
        pad = []
        for length, k, s in reversed(list(zip(x.shape[2:], self.kernel_size, self.stride))):
            total = max((math.ceil(length / s) - 1) * s + k - length, 0)
            pad += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pad))  # F.pad wants left, right, top, bottom


def keras_bn(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class ConvBn(nn.Module):
    def __init__(self, i, o, k, stride=1):
        super().__init__()
        self.conv, self.bn = SameConv(i, o, k, stride), keras_bn(o)

    def forward(self, x):
        return self.bn(self.conv(x))


class KerasBlock(nn.Module):
    """1x1, 3x3, 1x1 plus a shortcut: the input (identity block) or a 3x3 convolution."""

    def __init__(self, i, filters, stride=1, shortcut=False):
        super().__init__()
        f1, f2, f3 = filters
        self.conv1, self.bn1 = SameConv(i, f1, 1), keras_bn(f1)
        self.conv2, self.bn2 = SameConv(f1, f2, 3, stride), keras_bn(f2)
        self.conv3, self.bn3 = SameConv(f2, f3, 1), keras_bn(f3)
        self.shortcut = ConvBn(i, f3, 3, stride) if shortcut else None

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.shortcut is None else F.relu(self.shortcut(x))))


class Stage(nn.Module):
    """Returns the outputs of the conv block and of the identity blocks after it."""

    def __init__(self, i, filters, stride, identity_blocks):
        super().__init__()
        self.conv_block = KerasBlock(i, filters, stride, shortcut=True)
        self.identity_blocks = nn.Sequential(
            *(KerasBlock(filters[-1], filters) for _ in range(identity_blocks)))

    def forward(self, x):
        x = self.conv_block(x)
        return x, self.identity_blocks(x)


class KerasContextFlow(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.rate = rate
        self.conv1, self.conv2 = SameConv(64 + 32, 32, 3), SameConv(32, 32, 3)
        self.refine1, self.refine2 = SameConv(32, 32, 1), SameConv(32, 32, 1)

    def forward(self, c4, previous):
        x = pool_by(torch.cat([c4, previous], 1), self.rate)
        x = self.conv2(self.conv1(x))
        y = x * torch.sigmoid(self.refine2(F.relu(self.refine1(x)))) + x
        return resize_half_pixel(y, c4.shape[2:])


class Agcn(nn.Module):
    """Two separable 7x7 paths, and a residual 3x3 refinement of their sum."""

    def __init__(self, i):
        super().__init__()
        self.left = nn.Sequential(SameConv(i, 32, (7, 1)), SameConv(32, 32, (1, 7)))
        self.right = nn.Sequential(SameConv(i, 32, (1, 7)), SameConv(32, 32, (7, 1)))
        self.refine = SameConv(32, 32, 3)

    def forward(self, x):
        s = self.left(x) + self.right(x)
        return s + self.refine(s)


class CANetAssignment(nn.Module):
    def __init__(self, classes, rates):
        super().__init__()
        self.stem = ConvBn(3, 64, 3)
        self.c1 = Stage(64, (4, 4, 8), 2, 1)
        self.c2 = Stage(8, (8, 8, 16), 2, 2)
        self.c3 = Stage(16, (16, 16, 32), 1, 3)
        self.c4 = Stage(32, (32, 32, 64), 1, 4)
        self.global_flow = nn.ModuleDict({"bn": keras_bn(64), "conv": SameConv(64, 32, 1)})
        self.context_flows = nn.ModuleList(KerasContextFlow(rate) for rate in rates)
        self.fsm = nn.ModuleDict({"conv": SameConv(32, 32, 3), "gate": ConvBn(32, 32, 1)})
        self.agcn = Agcn(8)
        self.classifier = SameConv(32 + 32, classes, 3)

    def forward(self, x):
        size = x.shape[2:]
        x = F.max_pool2d(F.relu(self.stem(x)), 2, 2)
        c1_conv_block, c1 = self.c1(x)
        _, c2 = self.c2(c1)
        _, c3 = self.c3(c2)
        _, c4 = self.c4(c3)

        flow = self.global_flow["conv"](F.relu(self.global_flow["bn"](global_average(c4))))
        flow = flow.expand(-1, -1, *c4.shape[2:])
        total = flow
        for context_flow in self.context_flows:
            flow = context_flow(c4, flow)
            total = total + flow

        fsm = self.fsm["conv"](total)
        fsm = fsm * torch.sigmoid(self.fsm["gate"](global_average(fsm)))
        fsm = resize_half_pixel(fsm, c1.shape[2:])
        logits = self.classifier(torch.cat([fsm, self.agcn(c1_conv_block)], 1))
        return {"logits": resize_half_pixel(logits, size)}


# ------------------------------------------------------------------------------ checks, cases


def build(network, **config):
    """The network without any storage; `fill` gives it its weights."""
    with torch.device("meta"):
        return {"canet": CANet, "canet-assignment": CANetAssignment}[network](**config).eval()


def fill(model):
    state = {name: parameter(name, value.shape) for name, value in model.state_dict().items()
             if not name.endswith("num_batches_tracked")}  # a counter that eval mode ignores
    model.load_state_dict(state, strict=False, assign=True)
    return model


def check_count(expected, network, **config):
    count = sum(p.numel() for p in build(network, **config).parameters())
    print(f"{count:>11,} trainable parameters  {network} {config}")
    assert count == expected, f"expected {expected:,}"


RATES = [2, 4, 8, 16]
for depth, stem, aux, expected in [
    (50, "v1s", False, 33_771_066), (50, "v1s", True, 36_137_556),
    (101, "v1s", False, 52_763_194), (101, "v1s", True, 55_129_684),
    (50, "classic", False, 33_647_290), (101, "classic", False, 52_639_418),
]:
    check_count(expected, "canet", depth=depth, stem=stem, classes=26, aux=aux, rates=RATES)
check_count(32_162_362, "canet", depth=50, stem="v1s", classes=26, aux=False, rates=RATES[:3])
check_count(284_925, "canet-assignment", classes=21, rates=[2, 2, 2])
check_count(287_810, "canet-assignment", classes=26, rates=[2, 2, 2])

tensors, metadata = {}, {}


def case(name, network, size, every, batch=2, **config):
    # Coprime, or else the stored values would always come from the same few columns.
    assert math.gcd(every, size[1]) == 1
    metadata[name] = json.dumps(
        {"network": network, **config, "batch": batch, "size": size, "every": every})
    with torch.no_grad():
        outputs = fill(build(network, **config))(image(batch, size))
    for key, value in outputs.items():
        assert value.shape == (batch, config["classes"], *size)
        largest = value.abs().max().item()
        print(f"{name}.{key}: largest |logit| {largest:.4f}")
        assert 0.5 < largest < 100
        tensors[f"{name}.{key}"] = value.flatten()[::every].float().contiguous()


case("canet_r50_v1s", "canet", [65, 97], every=7,
     depth=50, stem="v1s", classes=26, aux=False, rates=RATES)
case("canet_r18_classic", "canet", [40, 56], every=5,
     depth=18, stem="classic", classes=7, aux=False, rates=RATES)
case("canet_r34_v1s_aux", "canet", [33, 47], every=5,
     depth=34, stem="v1s", classes=5, aux=True, rates=[1, 2, 3])
case("canet_r101_classic", "canet", [32, 32], every=1,
     depth=101, stem="classic", classes=4, aux=False, rates=RATES)
case("assignment_64x64", "canet-assignment", [64, 64], every=7, classes=21, rates=[2, 2, 2])
case("assignment_45x75", "canet-assignment", [45, 75], every=7, classes=21, rates=[2, 2, 2])


gradient_tensors, gradient_metadata = {}, {}


def gradient_case(name, network, size, batch, **config):
    """A training pass without dropout. The loss is the mean of all scores, weighted by noise.

    In other arithmetic a few values next to 0 fall on the other side of a ReLU: PyTorch's own f32
    is up to 5 % away from its f64 in single entries.
    """
    gradient_metadata[name] = json.dumps(
        {"network": network, **config, "batch": batch, "size": size, "every": 1})
    model = fill(build(network, **config)).train()
    outputs = model(image(batch, size))
    noise = {key: uniform(f"loss.{key}", value.shape) - 0.5 for key, value in outputs.items()}
    sum((value * noise[key]).mean() for key, value in outputs.items()).backward()
    entries = {key: parameter.grad for key, parameter in model.named_parameters()}
    entries |= {key: statistic for key, statistic in model.named_buffers()
                if not key.endswith("num_batches_tracked")}
    rows = [[entry.norm(), (entry * (uniform(f"noise.{key}", entry.shape) - 0.5)).sum()]
            for key, entry in sorted(entries.items())]
    gradient_tensors[name] = torch.tensor(rows).float()
    print(f"{name}: {len(rows)} entries")


gradient_case("canet_r18_classic_aux", "canet", [48, 64], 4,
              depth=18, stem="classic", classes=5, aux=True, rates=[2, 4])
gradient_case("canet_r50_v1s", "canet", [33, 47], 3,
              depth=50, stem="v1s", classes=4, aux=False, rates=[1, 2])
gradient_case("assignment_45x75", "canet-assignment", [45, 75], 3, classes=6, rates=[2, 2, 2])

# ------------------------------------------------------------------------------ the files


def sorted_header(file):
    """The same safetensors file with its JSON header sorted, so that every run gives equal bytes."""
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.dumps(json.loads(file[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + file[end:]


def write(name, tensors, metadata):
    path = Path(__file__).with_name(name)
    path.write_bytes(sorted_header(save(tensors, metadata)))
    print(f"wrote {name}: {len(metadata)} cases, {len(tensors)} tensors, {path.stat().st_size} bytes")


write("networks.safetensors", tensors, metadata)
write("gradients.safetensors", gradient_tensors, gradient_metadata)
