"""Golden values for the losses, computed by PyTorch on the CPU with its own differentiation.

    python make_loss_goldens.py        # needs torch, numpy, safetensors

Writes `losses.safetensors` next to this script; see `make_goldens.py` for the form. There is no
upstream gradient: `gx` is the gradient of the loss itself. `t` are the targets, 255 ignored; the
class weights `w` are constants.
"""

from pathlib import Path

import torch
import torch.nn.functional as F

from case import Case, exact, write

IGNORE = 255


def case(name, op, size, loss, ignored=0.2, weighted=False, absent=(), scale=2.0, **params):
    """`loss(logits, target, weight)` of rows of valid pixels, `(pixels, classes)` and `(pixels)`."""
    case = Case(name, op, **params)
    n, classes, h, w = size
    x = case.normal(*size, scale=scale).requires_grad_()
    target = case.rng.integers(0, classes, (n, h, w))
    for absentee, other in absent:
        target[target == absentee] = other
    target[case.rng.random((n, h, w)) < ignored] = IGNORE
    target = torch.from_numpy(target)
    weight = exact(0.25 + case.normal(classes).abs()) if weighted else None
    valid = target.reshape(-1) != IGNORE
    if valid.any():
        rows = x.permute(0, 2, 3, 1).reshape(-1, classes)[valid]
        value = loss(rows, target.reshape(-1)[valid], weight).reshape(1)
        value.backward()
        grad = x.grad
    else:
        # By our own definition, as with cross-entropy: nothing to learn from.
        value, grad = torch.zeros(1), torch.zeros_like(x)
    case.store(x=x, t=target.to(torch.uint8), w=weight, y=value, gx=grad)


def mean(losses, target, weight):
    """Divided by the sum of the weights, as PyTorch's cross-entropy does it."""
    weight = torch.ones_like(losses) if weight is None else weight[target]
    return (losses * weight).sum() / weight.sum()


# ------------------------------------------------------------------------------ by pixel

def focal(gamma):
    def loss(rows, target, weight):
        log = F.log_softmax(rows, 1).gather(1, target[:, None])[:, 0]
        return mean(-(1 - log.exp()) ** gamma * log, target, weight)
    return loss


for gamma in (0.0, 0.5, 1.0, 2.0, 5.0):
    case(f"focal_{gamma}", "focal", (2, 7, 5, 6), focal(gamma), gamma=gamma)
case("focal_weighted", "focal", (1, 5, 4, 7), focal(2.0), weighted=True, gamma=2.0)
case("focal_sure", "focal", (1, 3, 6, 7), focal(2.0), scale=20.0, gamma=2.0)
case("focal_all_ignored", "focal", (2, 3, 3, 4), focal(2.0), ignored=1.0, gamma=2.0)


def ohem(threshold, min_kept):
    def loss(rows, target, weight):
        losses = F.cross_entropy(rows, target, reduction="none")
        p = F.softmax(rows, 1).gather(1, target[:, None])[:, 0].detach()
        count = -int(-min_kept * len(target) // 1)
        least = p.sort().values[count - 1] if count else -1.0
        kept = (p < threshold) | (p <= least)
        assert 0 < kept.sum() < len(kept), "choose a case where something is kept, and not all"
        # Rounding must not decide: nothing lies next to the threshold.
        assert (p - threshold).abs().min() > 1e-5
        return mean(losses[kept], target[kept], weight)
    return loss


for threshold, min_kept in ((0.7, 0.0), (0.3, 0.1), (0.001, 0.25), (0.02, 0.6)):
    case(f"ohem_{threshold}_{min_kept}", "ohem", (2, 6, 7, 5), ohem(threshold, min_kept),
         threshold=threshold, min_kept=min_kept)
case("ohem_weighted", "ohem", (1, 5, 6, 7), ohem(0.1, 0.4), weighted=True, threshold=0.1,
     min_kept=0.4)
case("ohem_all_ignored", "ohem", (2, 3, 3, 4), ohem(0.7, 0.1), ignored=1.0, threshold=0.7,
     min_kept=0.1)

# ------------------------------------------------------------------------------ by area


def dice(smooth, every_class):
    def loss(rows, target, _):
        p, truth = F.softmax(rows, 1), F.one_hot(target, rows.shape[1]).double()
        common, areas = (p * truth).sum(0), p.sum(0) + truth.sum(0)
        scores = (2 * common + smooth) / (areas + smooth)
        return 1 - (scores if every_class else scores[truth.sum(0) > 0]).mean()
    return loss


for every_class in (False, True):
    which = "all" if every_class else "present"
    for smooth in (1.0, 1e-5):
        case(f"dice_{which}_{smooth}", "dice", (2, 6, 5, 7), dice(smooth, every_class),
             absent=((2, 0), (5, 1)), smooth=smooth, every_class=every_class)
    case(f"dice_{which}_all_ignored", "dice", (2, 3, 3, 4), dice(1.0, every_class), ignored=1.0,
         smooth=1.0, every_class=every_class)


def cce_dice(rows, target, _):
    """`segmentation_models` on channels-last one-hot arrays: both means over whole arrays."""
    p, truth = F.softmax(rows, 1), F.one_hot(target, rows.shape[1]).double()
    cce = -(truth * p.log()).mean()
    true_positive = (truth * p).sum(0)
    false_positive, false_negative = p.sum(0) - true_positive, truth.sum(0) - true_positive
    f1 = (2 * true_positive + 1e-5) / (2 * true_positive + false_negative + false_positive + 1e-5)
    return cce + (1 - f1.mean())


case("cce_dice", "cce_dice", (2, 5, 6, 7), cce_dice, ignored=0.0)
case("cce_dice_void", "cce_dice", (2, 21, 4, 5), cce_dice, absent=((3, 4), (20, 0)))
case("cce_dice_all_ignored", "cce_dice", (2, 3, 3, 4), cce_dice, ignored=1.0)


def lovasz_grad(truth_sorted):
    """As Berman et al. published it: the gradient of the Lovasz extension at sorted errors."""
    total = truth_sorted.sum()
    intersection = total - truth_sorted.cumsum(0)
    union = total + (1 - truth_sorted).cumsum(0)
    jaccard = 1.0 - intersection / union
    jaccard[1:] = jaccard[1:] - jaccard[:-1].clone()
    return jaccard


def lovasz(rows, target, _):
    p, losses = F.softmax(rows, 1), []
    for c in range(rows.shape[1]):
        truth = (target == c).double()
        if truth.sum() > 0:
            errors = (truth - p[:, c]).abs()
            order = errors.detach().argsort(descending=True, stable=True)
            losses.append(torch.dot(errors[order], lovasz_grad(truth[order])))
    return torch.stack(losses).mean()


case("lovasz", "lovasz", (2, 5, 6, 7), lovasz)
case("lovasz_one_image", "lovasz", (1, 3, 9, 4), lovasz, ignored=0.0)
case("lovasz_absent", "lovasz", (3, 8, 4, 5), lovasz, absent=((0, 1), (7, 2)))
case("lovasz_all_ignored", "lovasz", (2, 3, 3, 4), lovasz, ignored=1.0)

write(Path(__file__).with_name("losses.safetensors"))
