"""scikit-learn's digits with several labels each, and with weights."""

from dataclasses import replace

import torch

from datamodules import Digits, Samples

LABELS = ("even", "from_five", "prime")
RULES = (lambda digit: digit % 2 == 0, lambda digit: digit >= 5, lambda digit: digit in (2, 3, 5, 7))


def labels_of(digits):
    """Return (N, 3), bool."""
    return torch.tensor([[rule(digit) for rule in RULES] for digit in digits.tolist()])


class DigitLabels(Digits):
    """Digits with three labels: even, 5 or more, prime."""

    class_names = LABELS

    def load(self) -> Samples:
        samples = super().load()
        return replace(samples, targets=labels_of(samples.targets))


class OneLabel(Digits):
    """Digits with one label: prime."""

    class_names = ("prime",)

    def load(self) -> Samples:
        samples = super().load()
        return replace(samples, targets=labels_of(samples.targets)[:, 2:])


def weights_of(digits):
    """Return (N,): 3 for digits from 5, 1 for the others, 0 for 0."""
    return torch.where(digits >= 5, 3.0, (digits > 0).float())


class WeightedDigits(Digits):
    """Digits with weights."""

    def load(self) -> Samples:
        samples = super().load()
        return replace(samples, weights=weights_of(samples.targets))


class WeightedDigitLabels(DigitLabels):
    """Digits with three labels, and with weights."""

    def load(self) -> Samples:
        samples, digits = super().load(), Digits.load(self).targets
        return replace(samples, weights=weights_of(digits))
