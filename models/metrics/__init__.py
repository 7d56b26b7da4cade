"""Metrics of each task, from torchmetrics, on clean targets."""
