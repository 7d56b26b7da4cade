"""Metrics of a model in half precision are those of its predictions, not rounded again while they are summed."""

import pytest
import torch
import torch.nn.functional as F

from models.metrics import classification, regression


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_conversion_of_the_model_does_not_round_the_sums(dtype):
    logits, labels = torch.randn(40, 64, 10), torch.randint(10, (40, 64))
    metrics = classification.evaluation_metrics(10).to(dtype)
    for batch, targets in zip(logits, labels, strict=True):
        metrics.update(batch, targets)
    exact = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
    torch.testing.assert_close(metrics.compute()["loss"].float(), exact)


def test_conversion_of_the_model_does_not_round_squared_errors():
    predictions, targets = torch.randn(2, 40, 64, 1)
    metrics = regression.evaluation_metrics().to(torch.bfloat16)
    for batch in zip(predictions, targets, strict=True):
        metrics.update(*batch)
    exact = F.mse_loss(predictions, targets).double()
    torch.testing.assert_close(metrics.compute()["loss"].double(), exact)
