"""Golden values for the tensor operations, computed by PyTorch on the CPU.

    python make_goldens.py        # needs torch, numpy, safetensors

Writes `ops.safetensors` next to this script. A case called `c` stores

    c.x  c.w  c.b               inputs: random, seeded by the case's name, exact in f32
    c.y                         output
    c.gy                        random upstream gradient
    c.gx c.gw c.gb              gradients of sum(y * gy)

and, in the file's metadata, `c` -> JSON with `op` and its parameters. Everything is computed
in f64 and rounded to f32 once, at the end, so a golden is as good as f32 can say it.
"""

from pathlib import Path

import torch
import torch.nn.functional as F

from case import Case, exact, write


def relu_away_from_the_kink(y):
    """ReLU whose every input is clearly positive or negative: rounding must not flip a gradient."""
    assert y.abs().min() > 1e-4, "choose another case name: an input of the ReLU is nearly 0"
    return F.relu(y)


# ------------------------------------------------------------------------------ convolution

def conv2d(name, size, out, kernel, stride=(1, 1), pad=(0, 0, 0, 0), dilation=(1, 1), groups=1,
           bias=False):
    """`size` is (N, C, H, W); `pad` is (top, bottom, left, right)."""
    case = Case(name, "conv2d", stride=stride, pad=pad, dilation=dilation, groups=groups, bias=bias)
    fan_in = size[1] // groups * kernel[0] * kernel[1]
    x = case.normal(*size)
    w = case.normal(out, size[1] // groups, *kernel, scale=fan_in ** -0.5)
    b = case.normal(out) if bias else None
    top, bottom, left, right = pad
    case.run(lambda x, w, b: F.conv2d(F.pad(x, (left, right, top, bottom)), w, b,
                                      stride=stride, dilation=dilation, groups=groups), x, w, b)


def all_around(p):
    return (p, p, p, p)


conv2d("conv_1x1", (2, 7, 3, 5), 8, (1, 1))
conv2d("conv_1x1_bias", (1, 13, 4, 7), 5, (1, 1), bias=True)
conv2d("conv_1x1_on_1x1", (3, 17, 1, 1), 5, (1, 1), bias=True)
conv2d("conv_1x1_stride2_odd", (2, 5, 7, 9), 3, (1, 1), stride=(2, 2))
conv2d("conv_1x1_stride2_even", (1, 8, 6, 9), 7, (1, 1), stride=(2, 2), bias=True)
conv2d("conv_3x3", (2, 3, 6, 7), 5, (3, 3), pad=all_around(1))
conv2d("conv_3x3_bias", (3, 5, 5, 4), 7, (3, 3), pad=all_around(1), bias=True)
conv2d("conv_3x3_unpadded", (1, 5, 6, 5), 3, (3, 3))
conv2d("conv_3x3_dilation2", (2, 3, 7, 8), 5, (3, 3), pad=all_around(2), dilation=(2, 2))
conv2d("conv_3x3_dilation4", (1, 5, 9, 10), 3, (3, 3), pad=all_around(4), dilation=(4, 4))
conv2d("conv_3x3_dilation4_small_map", (2, 3, 3, 4), 5, (3, 3), pad=all_around(4), dilation=(4, 4))
conv2d("conv_3x3_dilation_1_by_3", (1, 3, 5, 9), 5, (3, 3), pad=(1, 1, 3, 3), dilation=(1, 3))
conv2d("conv_3x3_stride2_odd_even", (2, 3, 9, 12), 5, (3, 3), stride=(2, 2), pad=all_around(1))
conv2d("conv_3x3_stride2_even_odd", (1, 5, 8, 11), 3, (3, 3), stride=(2, 2), pad=all_around(1))
conv2d("conv_3x3_stride2_odd", (3, 3, 7, 5), 5, (3, 3), stride=(2, 2), pad=all_around(1), bias=True)
conv2d("conv_3x3_stride2_even", (1, 7, 6, 8), 3, (3, 3), stride=(2, 2), pad=all_around(1))
conv2d("conv_3x3_stride_2_by_1", (1, 3, 7, 6), 5, (3, 3), stride=(2, 1), pad=all_around(1))
conv2d("conv_3x3_stride2_keras_same", (2, 3, 8, 10), 5, (3, 3), stride=(2, 2), pad=(0, 1, 0, 1),
       bias=True)
conv2d("conv_7x7_stride2", (1, 3, 17, 20), 5, (7, 7), stride=(2, 2), pad=all_around(3))
conv2d("conv_7x1", (2, 3, 8, 6), 3, (7, 1), pad=(3, 3, 0, 0), bias=True)
conv2d("conv_1x7", (2, 3, 6, 9), 3, (1, 7), pad=(0, 0, 3, 3), bias=True)
conv2d("conv_3x3_groups2", (2, 6, 5, 4), 8, (3, 3), pad=all_around(1), groups=2)
conv2d("conv_1x1_groups2_bias", (1, 10, 4, 5), 6, (1, 1), groups=2, bias=True)
conv2d("depthwise_3x3", (2, 5, 4, 5), 5, (3, 3), pad=all_around(1), groups=5)
conv2d("depthwise_3x3_bias", (3, 13, 3, 4), 13, (3, 3), pad=all_around(1), groups=13, bias=True)
conv2d("depthwise_3x3_stride2", (2, 5, 7, 8), 5, (3, 3), stride=(2, 2), pad=all_around(1), groups=5)
conv2d("depthwise_3x3_dilation2", (1, 5, 8, 7), 5, (3, 3), pad=all_around(2), dilation=(2, 2),
       groups=5)
conv2d("depthwise_3x3_on_1x1", (2, 17, 1, 1), 17, (3, 3), pad=all_around(1), groups=17)
conv2d("conv_3x3_many_inputs", (1, 70, 4, 5), 5, (3, 3), pad=all_around(1))
conv2d("conv_1x1_many_inputs", (1, 130, 3, 4), 5, (1, 1))
conv2d("conv_3x3_on_1x1", (3, 7, 1, 1), 5, (3, 3), pad=all_around(1))
conv2d("conv_3x3_on_2x1", (1, 5, 2, 1), 8, (3, 3), pad=all_around(1), bias=True)

# ------------------------------------------------------------------------------ batch norm

MOMENTUM = 0.1  # new = 0.9 * old + 0.1 * batch; the running variance takes the unbiased one


def batch_norm(name, size, training, relu, eps=1e-5, spread=1.0):
    op = "batch_norm_train" if training else "batch_norm_frozen"
    extra = {"momentum": MOMENTUM} if training else {}
    case = Case(name, op, eps=eps, **extra, relu=relu)
    channels = size[1]
    x = exact(case.normal(*size, scale=spread) + case.normal(1, channels, 1, 1))
    w = exact(1 + case.normal(channels, scale=0.3))
    b = case.normal(channels, scale=0.5)
    mean = case.normal(channels, scale=0.5)
    var = exact(0.5 + case.normal(channels).abs())
    case.store(rm0=mean, rv0=var)

    def function(x, w, b):
        y = F.batch_norm(x, mean, var, w, b, training=training, momentum=MOMENTUM, eps=eps)
        return relu_away_from_the_kink(y) if relu else y

    case.run(function, x, w, b)
    if training:
        case.store(rm1=mean, rv1=var)


for relu in (False, True):
    tail = "_relu" if relu else ""
    batch_norm(f"bn_train_odd{tail}", (3, 7, 5, 3), True, relu)
    batch_norm(f"bn_train_even{tail}", (2, 5, 2, 6), True, relu, eps=1e-3)
    batch_norm(f"bn_train_batch1{tail}", (1, 13, 3, 5), True, relu)
    # Two values per channel: y is nearly +-w and gx nearly 0. A small spread keeps gx visible.
    batch_norm(f"bn_train_1x1{tail}", (2, 8, 1, 1), True, relu)
    batch_norm(f"bn_train_1x1_small_spread{tail}", (2, 5, 1, 1), True, relu, eps=1e-3, spread=0.05)
    batch_norm(f"bn_frozen_odd{tail}", (3, 7, 5, 3), False, relu)
    batch_norm(f"bn_frozen_1x1{tail}", (2, 5, 1, 1), False, relu, eps=1e-3)

# ------------------------------------------------------------------------------ pooling


def max_pool2d(name, size, kernel, stride, pad, after_relu=False):
    """Padding never wins. Among equal values the first in row-major order gets the gradient."""
    case = Case(name, "max_pool2d", kernel=kernel, stride=stride, pad=pad)
    # Shifted down, so that windows with only negative values are common.
    x = F.relu(case.normal(*size)) if after_relu else exact(case.normal(*size) - 0.5)
    case.run(lambda x, w, b: F.max_pool2d(x, kernel, stride, pad), x)


max_pool2d("max_pool_3_2_1_odd_even", (2, 3, 9, 12), 3, 2, 1)
max_pool2d("max_pool_3_2_1_even_odd", (1, 5, 8, 7), 3, 2, 1)
max_pool2d("max_pool_3_2_1_ties", (2, 3, 9, 8), 3, 2, 1, after_relu=True)
max_pool2d("max_pool_3_2_1_on_1x2", (2, 3, 1, 2), 3, 2, 1)
max_pool2d("max_pool_2_2_0_even", (3, 3, 4, 6), 2, 2, 0)
max_pool2d("max_pool_2_2_0_odd", (2, 3, 7, 9), 2, 2, 0)
max_pool2d("max_pool_2_2_0_ties", (1, 7, 6, 5), 2, 2, 0, after_relu=True)


def adaptive_avg_pool2d(channels, size, out):
    name = "adaptive_avg_pool_{}x{}_to_{}x{}".format(*size, *out)
    case = Case(name, "adaptive_avg_pool2d", out=out)
    case.run(lambda x, w, b: F.adaptive_avg_pool2d(x, out), case.normal(2, channels, *size))


adaptive_avg_pool2d(3, (7, 10), (3, 4))  # bins overlap
adaptive_avg_pool2d(5, (6, 6), (3, 3))
adaptive_avg_pool2d(7, (5, 4), (1, 1))
adaptive_avg_pool2d(3, (3, 3), (3, 3))
adaptive_avg_pool2d(3, (4, 5), (4, 5))

# ------------------------------------------------------------------------------ resizing


def resize_bilinear(channels, size, out):
    for align_corners in (False, True):
        convention = "aligned" if align_corners else "half_pixel"
        name = "resize_{}x{}_to_{}x{}_{}".format(*size, *out, convention)
        case = Case(name, "resize_bilinear", out=out, align_corners=align_corners)
        case.run(lambda x, w, b: F.interpolate(x, out, mode="bilinear",
                                               align_corners=align_corners),
                 case.normal(2, channels, *size))


resize_bilinear(3, (4, 5), (9, 11))
resize_bilinear(1, (8, 8), (16, 16))
resize_bilinear(3, (9, 7), (4, 3))
resize_bilinear(5, (1, 1), (5, 6))
resize_bilinear(3, (3, 4), (3, 4))
resize_bilinear(3, (5, 6), (1, 1))
resize_bilinear(3, (1, 4), (3, 9))

# ------------------------------------------------------------------------------ loss

IGNORE = 255


def cross_entropy(name, size, ignored=0.2, weighted=False):
    """Mean over the valid pixels; with class weights, divided by the sum of their weights.

    There is no upstream gradient: `gx` is the gradient of the loss itself. The class weights `w`
    are constants.
    """
    case = Case(name, "cross_entropy", ignore=IGNORE)
    n, classes, h, w = size
    x = case.normal(*size, scale=2.0).requires_grad_()
    target = case.rng.integers(0, classes, (n, h, w))
    target[case.rng.random((n, h, w)) < ignored] = IGNORE
    target = torch.from_numpy(target)
    weight = exact(0.25 + case.normal(classes).abs()) if weighted else None
    if (target == IGNORE).all():
        # PyTorch divides 0 by 0 here and answers NaN. A batch without a single valid pixel must
        # not destroy the weights, so the loss and its gradient are 0 by our own definition.
        loss, grad = torch.zeros(1), torch.zeros_like(x)
    else:
        loss = F.cross_entropy(x, target, weight, ignore_index=IGNORE).reshape(1)
        loss.backward()
        grad = x.grad
    case.store(x=x, t=target.to(torch.uint8), w=weight, y=loss, gx=grad)


cross_entropy("cross_entropy", (2, 7, 5, 6))
cross_entropy("cross_entropy_all_valid", (1, 5, 4, 3), ignored=0.0)
cross_entropy("cross_entropy_mostly_ignored", (2, 26, 3, 4), ignored=0.9)
cross_entropy("cross_entropy_weighted", (2, 5, 4, 7), weighted=True)
cross_entropy("cross_entropy_all_ignored", (2, 3, 3, 4), ignored=1.0)

write(Path(__file__).with_name("ops.safetensors"))
