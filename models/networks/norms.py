"""Norms by name."""

from typing import Literal

from torch import nn

Norm = Literal["none", "batch", "group", "layer"]


def group_count(channels: int) -> int:
    """Return the number of groups for group norm: the largest divisor up to 32 with at least two channels a group."""
    most = min(32, max(channels // 2, 1))
    return next(count for count in range(most, 0, -1) if channels % count == 0)


def image_norm(norm: Norm, channels: int) -> nn.Module:
    """Return a norm of feature maps (N, channels, H, W).

    "layer" is group norm with a single group: statistics over channels and positions, one scale for each channel (Wu &
    He, "Group Normalization", ECCV 2018, section 3.1). "none" is the identity.
    """
    if norm == "none":
        return nn.Identity()
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(1 if norm == "layer" else group_count(channels), channels)


def vector_norm(norm: Norm, features: int) -> nn.Module:
    """Return a norm of vectors (N, features); "none" is the identity."""
    if norm == "none":
        return nn.Identity()
    if norm == "batch":
        return nn.BatchNorm1d(features)
    return nn.LayerNorm(features) if norm == "layer" else nn.GroupNorm(group_count(features), features)
