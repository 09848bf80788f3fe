"""Writes a network as ONNX: from a picture to its label map, weights included."""

import warnings

import torch
import torch.nn.functional as F

from networks import Labels, golden, load


def bins(length, parts):
    """The matrix `(parts, length)` that averages adaptive bins: PyTorch's rule."""
    def share(i, at):
        start, end = i * length // parts, -(-(i + 1) * length // parts)
        return 1 / (end - start) if start <= at < end else 0.0

    return torch.tensor([[share(i, at) for at in range(length)] for i in range(parts)])


def pool_by(x, rate):
    """Adaptive pooling, which ONNX has only where the rate divides the size.

    Elsewhere one axis after the other is averaged by a matrix; that is a small part of the work.
    """
    for axis in (3, 2):
        length = int(x.shape[axis])
        parts = max(1, length // rate)
        if length % parts == 0:
            kernel = (1, length // parts) if axis == 3 else (length // parts, 1)
            x = F.avg_pool2d(x, kernel)
        elif axis == 3:
            x = x @ bins(length, parts).T
        else:
            x = bins(length, parts) @ x
    return x


def export(model, path, batch, height, width):
    golden.pool_by = pool_by
    module = Labels(load(model)).eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # that sizes become constants is what is wanted
        # The tracing exporter: it folds the batch norms and leaves plain operators.
        torch.onnx.export(module, (torch.zeros(batch, 3, height, width),), path, dynamo=False,
                          opset_version=17, input_names=["x"], output_names=["labels"])


if __name__ == "__main__":
    import sys

    model, path, *shape = sys.argv[1:]
    export(model, path, *map(int, shape))
