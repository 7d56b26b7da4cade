"""Orders of an epoch other than a plain permutation."""

import torch
from torch import Tensor


def balanced_order(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return an order in which every class occurs equally often, give or take one.

    Samples of rare classes repeat, none a second time before each has occurred once; of frequent classes a part is left
    out, a different one each epoch.

    Args:
        labels: Label of each sample, (n,).
        generator: Source of the order.

    Returns:
        Positions in `labels`, (n,).
    """
    classes = labels.bincount().nonzero().flatten()
    classes = classes[torch.randperm(len(classes), generator=generator)]  # the first ones get one more
    count, more = divmod(len(labels), len(classes))
    chosen = []
    for rank, label in enumerate(classes):
        members, wanted = (labels == label).nonzero().flatten(), count + (rank < more)
        rounds = -(-wanted // len(members))
        orders = [members[torch.randperm(len(members), generator=generator)] for _ in range(rounds)]
        chosen.append(torch.cat(orders)[:wanted] if orders else members[:0])
    order = torch.cat(chosen)
    return order[torch.randperm(len(order), generator=generator)]
