"""Sequence datasets."""
