"""Drawn pictures and targets: blobs of all sizes, as a street has them, and no data set needed."""

import torch
import torch.nn.functional as F

MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def blobs(channels, height, width, seed):
    """Smooth noise in [0, 1], `(1, channels, height, width)`, with some grain."""
    generator = torch.Generator().manual_seed(seed)
    size = (height, width)
    total = 0.1 * torch.randn(1, channels, *size, generator=generator)
    for side in (2, 4, 8, 16, 32):
        noise = torch.randn(1, channels, side, side, generator=generator)
        total += F.interpolate(noise, size, mode="bilinear", align_corners=True) / side**0.5
    return torch.sigmoid(total)


def picture(height, width, seed):
    """`(1, 3, height, width)`: bytes, normalised as the checkpoint says."""
    pixels = (blobs(3, height, width, seed) * 255).round() / 255
    return (pixels - MEAN) / STD


def targets(height, width, classes, seed):
    """`(1, height, width)` bytes: the classes, and a share of void."""
    field = blobs(1, height, width, seed + 1000)[0]
    ids = (field * (classes + 1)).long().clamp(max=classes)
    return torch.where(ids == classes, 255, ids).to(torch.uint8)
