"""Splits, subsets, duplicates, label noise, imbalance and the manifest: pure functions on arrays."""
