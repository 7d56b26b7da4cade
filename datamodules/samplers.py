"""Orders of an epoch other than a plain permutation."""

import torch
from torch import Tensor


def balanced_order(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return an order in which every class comes equally often, give or take one.

    Rare classes repeat, each sample once before any a second time; of frequent ones a part is left out, another each
    epoch.

    Args:
        labels: Label of each sample, (n,).
        generator: Draws the order.

    Returns:
        Positions in `labels`, (n,).
    """
    classes = labels.bincount().nonzero().flatten()
    classes = classes[torch.randperm(len(classes), generator=generator)]  # which ones get one more
    count, more = divmod(len(labels), len(classes))
    chosen = []
    for rank, label in enumerate(classes):
        members, wanted = (labels == label).nonzero().flatten(), count + (rank < more)
        rounds = -(-wanted // len(members))
        orders = [members[torch.randperm(len(members), generator=generator)] for _ in range(rounds)]
        chosen.append(torch.cat(orders)[:wanted] if orders else members[:0])
    order = torch.cat(chosen)
    return order[torch.randperm(len(order), generator=generator)]
