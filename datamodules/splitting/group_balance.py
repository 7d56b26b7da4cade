"""Groups dealt out to parts so that every part has its size and its share of every class, as far as groups allow."""

import numpy as np
import numpy.typing as npt

from datamodules.splitting.subsets import Indices

SCALE = 2**20  # costs are whole numbers of 1 / SCALE: sums are then the same in any order, on any machine
ABSENT = 2**48  # cost of a class that a part has too few groups of; above any cost of sizes
PAIRS = 200_000  # values compared at once; bounds the memory
WORK = 20_000_000  # values compared in all; bounds the time
DEALS = 4  # deals tried; the best is kept

Costs = npt.NDArray[np.int64]


def deal_groups(counts: Indices, members: Indices, sizes: list[int], needs: list[int], seed: int) -> Indices:
    """Return the part of each group, (G,), int64.

    Each part's count of each class, and its size, come as close as possible to the share that `sizes` ask for: the sum
    of (count - share)² / share is minimised. Groups are dealt in random order, each to the part where the sum is least
    afterwards (as scikit-learn's `StratifiedGroupKFold` does); then groups are moved and swapped while that lowers it.
    If a part is off by more than rounding explains, they are dealt again, and the best deal is kept.

    Args:
        counts: Samples of each class, or of each of several labels per sample, in each group, (G, C); every class has
            at least one.
        members: Samples in each group, (G,), 1 or more.
        sizes: Wanted number of samples of each of P parts; they add up to `members.sum()`.
        needs: Number of groups of every class that each part must have, if that is possible.
        seed: Seed of the order.
    """
    random, best, work = np.random.RandomState(seed), None, 0
    for _ in range(DEALS):
        deal = _Deal(counts, members, sizes, needs, random.permutation(len(counts)))
        while deal.work < WORK and deal.unbalanced() and (deal.move() or deal.swap()):
            pass
        work += deal.work
        if best is None or deal.total() < best.total():
            best = deal
        if work >= WORK or not best.unbalanced():
            break
    assert best is not None
    return best.part


class _Deal:
    """Groups in parts, and what it costs.

    The last class stands for all samples: it gives the parts their sizes.

    Args:
        counts: As in `deal_groups`.
        members: As in `deal_groups`.
        sizes: As in `deal_groups`.
        needs: As in `deal_groups`.
        order: Order in which the groups are dealt, (G,).
    """

    def __init__(self, counts: Indices, members: Indices, sizes: list[int], needs: list[int], order: Indices) -> None:
        self.counts = np.column_stack([counts, members])
        self.kind = np.unique(self.counts, axis=0, return_inverse=True)[1].reshape(-1)
        self.holds = (self.counts > 0).astype(np.int64)
        totals = self.counts.sum(axis=0)
        self.shares = np.array(sizes)[:, None] * totals / totals[-1]
        self.needs = np.array(needs)
        self.order = order
        self.part = np.empty(len(counts), dtype=np.int64)
        self.samples = np.zeros(self.shares.shape, dtype=np.int64)  # (P, C) as dealt
        self.groups = np.zeros(self.shares.shape, dtype=np.int64)
        self.work = 0
        alone = (self.counts[order, -1] == 1) & (self.counts[order, :-1].sum(axis=1) == 1)
        parts = np.arange(len(sizes))
        costs = self.cost(parts, self.samples, self.groups)
        for group in order[~alone]:
            more = self.cost(parts, self.samples + self.counts[group], self.groups + self.holds[group])
            part = int((more - costs).argmin())
            costs[part] = more[part]
            self._add(group, part)
        self._fill(order[alone])
        self.work = 0

    def _fill(self, singles: Indices) -> None:
        """Deal groups of one sample of one class to what the parts lack of it, all at once: there may be very many."""
        labels = self.counts[singles, :-1].argmax(axis=1)
        for label in np.unique(labels):
            members = singles[labels == label]
            lacking = np.maximum(self.shares[:, label] - self.samples[:, label], 0)
            ends = np.rint(np.cumsum(lacking) * len(members) / lacking.sum()).astype(np.int64)
            self.part[members] = np.searchsorted(ends, np.arange(len(members)), side="right")
            dealt = np.diff(ends, prepend=0)
            for values in (self.samples, self.groups):
                values[:, label] += dealt
                values[:, -1] += dealt

    def cost(self, parts: Indices, samples: Indices, groups: Indices) -> Costs:
        """Return the cost of parts (n,) that hold samples and groups of each class, (n, C)."""
        self.work += samples.size
        shares = self.shares[parts]
        off = np.rint((samples - shares) ** 2 / shares * SCALE).astype(np.int64)
        lacking = np.maximum(self.needs[parts][:, None] - groups, 0)
        costs: Costs = (off + ABSENT * lacking).sum(axis=-1)
        return costs

    def unbalanced(self) -> bool:
        """Return whether a part is off by more than rounding explains."""
        return bool((np.abs(self.samples - self.shares) >= 0.75).any() or (self.groups < self.needs[:, None]).any())

    def _add(self, group: int, part: int) -> None:
        self.part[group] = part
        self.samples[part] += self.counts[group]
        self.groups[part] += self.holds[group]

    def _move(self, group: int, part: int) -> None:
        self.samples[self.part[group]] -= self.counts[group]
        self.groups[self.part[group]] -= self.holds[group]
        self._add(group, part)

    def _change(self, parts: Indices, samples: Indices, groups: Indices) -> Costs:
        """Return the change in cost of parts (n,) that receive samples and groups, (n, C)."""
        before = self.cost(np.arange(len(self.needs)), self.samples, self.groups)
        return self.cost(parts, self.samples[parts] + samples, self.groups[parts] + groups) - before[parts]

    def total(self) -> int:
        """Return the cost of all parts together."""
        return int(self.cost(np.arange(len(self.needs)), self.samples, self.groups).sum())

    def _candidates(self) -> Indices:
        """Return one of the groups of each composition and part: the first in order, sorted by order."""
        key = (self.kind * len(self.needs) + self.part)[self.order]
        candidates: Indices = self.order[np.sort(np.unique(key, return_index=True)[1])]
        return candidates

    def move(self) -> bool:
        """Move the group whose move lowers the cost most; return whether there is one."""
        some = self._candidates()
        home, counts, holds = self.part[some], self.counts[some], self.holds[some]
        leaving = self._change(home, -counts, -holds)
        changes = []
        for part in range(len(self.needs)):
            change = leaving + self._change(np.full(len(some), part), counts, holds)
            changes.append(np.where(home == part, 0, change))
        target, place = divmod(int(np.argmin(changes)), len(some))
        if changes[target][place] >= 0:
            return False
        self._move(int(some[place]), target)
        return True

    def swap(self) -> bool:
        """Swap two groups if that lowers the cost; return whether there are any such."""
        some = self._candidates()
        rows = max(PAIRS // (len(some) * self.counts.shape[1]), 1)
        for start in range(0, len(some), rows):
            chosen = some[start : start + rows]
            first, second = np.repeat(chosen, len(some)), np.tile(some, len(chosen))
            apart = self.part[first] < self.part[second]
            first, second = first[apart], second[apart]
            if len(first) == 0:
                continue
            samples, groups = self.counts[second] - self.counts[first], self.holds[second] - self.holds[first]
            changes = self._change(self.part[first], samples, groups)
            changes += self._change(self.part[second], -samples, -groups)
            best = int(changes.argmin())
            if changes[best] < 0:
                one, other = int(first[best]), int(second[best])
                home = int(self.part[one])
                self._move(one, int(self.part[other]))
                self._move(other, home)
                return True
            if self.work >= WORK:
                return False
        return False
