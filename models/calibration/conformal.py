"""Split conformal prediction (Vovk et al., 2005; Sadinle, Lei & Wasserman, 2019, for sets of classes).

A score says how badly a target fits its prediction. The scores of N validation samples give a threshold that the score
of one more sample, drawn alike, stays below with the stated probability: whatever the network, and exactly so in a
finite sample. All targets whose score does not exceed it make the prediction set, or interval.
"""

import math

import torch
from torch import Tensor

from models.metrics.mean_loss import SUM_DTYPE


def conformal_threshold(scores: Tensor, coverage: float) -> float:
    """Return the score that a new sample's score does not exceed with a probability of at least `coverage`.

    It is the k-th smallest of the N scores, k = ⌈(N + 1) · coverage⌉.

    Args:
        scores: (N,).
        coverage: In (0, 1).

    Raises:
        ValueError: There are too few scores for that coverage.
    """
    rank = math.ceil(round((len(scores) + 1) * coverage, 9))
    if rank > len(scores):
        fewest = math.ceil(round(coverage / (1 - coverage), 9))
        raise ValueError(f"a coverage of {coverage:g} needs {fewest} validation samples or more, not {len(scores)}")
    return float(scores.double().sort().values[rank - 1])


def class_probabilities(logits: Tensor) -> Tensor:
    """Return the probabilities of classes, (N, C), float32, of logits (N, C)."""
    return torch.softmax(logits.float(), dim=-1)


def label_probabilities(logits: Tensor) -> Tensor:
    """Return the probabilities of yes/no labels, (N, L), float32, of logits (N, L)."""
    return logits.float().sigmoid()


def class_scores(logits: Tensor, targets: Tensor) -> Tensor:
    """Return 1 minus the probability of the true class, (N,), in double precision.

    Args:
        logits: (N, C).
        targets: Labels, (N,).
    """
    true = class_probabilities(logits).gather(1, targets.unsqueeze(1)).squeeze(1)
    return (1 - true.to(SUM_DTYPE)).clamp_min(0)


def label_scores(logits: Tensor, targets: Tensor) -> Tensor:
    """Return 1 minus the smallest probability of a sample's true labels, (N,); 0 if it has none.

    A set of labels that this score admits holds all true labels.

    Args:
        logits: (N, L).
        targets: (N, L), bool.
    """
    missing = 1 - label_probabilities(logits).to(SUM_DTYPE)
    return missing.masked_fill(~targets.bool(), 0).amax(1).clamp_min(0)


def interval_scores(predictions: Tensor, targets: Tensor, scale: Tensor) -> Tensor:
    """Return the largest error of a sample's outputs, each in units of its scale, (N,).

    Args:
        predictions: (N, outputs).
        targets: (N, outputs).
        scale: (outputs,), above 0.
    """
    return ((predictions - targets).abs() / scale).amax(1)


def prediction_sets(probabilities: Tensor, threshold: float) -> Tensor:
    """Return which classes or labels are in each sample's set, (N, C), bool.

    Args:
        probabilities: (N, C).
        threshold: Largest score, as from `conformal_threshold`.
    """
    return 1 - probabilities.to(SUM_DTYPE) <= threshold
