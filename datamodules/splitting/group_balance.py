"""Groups dealt out to parts so that every part has its size and its share of every class, as far as groups allow."""

from itertools import combinations

import numpy as np

from datamodules.splitting.group_costs import ABSENT, SCALE, Costs, Estimates, GroupCosts, possibly_best
from datamodules.splitting.subsets import Indices

PAIRS = 200_000  # values compared at once; bounds the memory
WORK = 20_000_000  # values compared in all; bounds the time
DEALS = 4  # deals tried; the best is kept


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
    costs = GroupCosts(counts, members, sizes, needs)
    for _ in range(DEALS):
        deal = _Deal(costs, random.permutation(len(counts)))
        while deal.work < WORK and deal.unbalanced() and (deal.move() or deal.swap()):
            pass
        work += deal.work
        if best is None or deal.cost.sum() < best.cost.sum():
            best = deal
        if work >= WORK or not best.unbalanced():
            break
    assert best is not None
    return best.part


class _Deal:
    """Groups in parts.

    What moves and swaps change is estimated for all at once, by products of matrices; then computed for those alone
    that the error of an estimate lets be the best.

    Args:
        costs: The groups, and what parts cost.
        order: Order in which the groups are dealt, (G,).

    Attributes:
        part: Part of each group, (G,).
        cost: Cost of each part, (P,).
        work: Number of values compared.
    """

    def __init__(self, costs: GroupCosts, order: Indices) -> None:
        self.costs = costs
        self.order = order
        self.parts, self.values = costs.shares.shape
        self.part = np.empty(len(order), dtype=np.int64)
        self.samples = np.zeros(costs.shares.shape, dtype=np.int64)  # (P, C) as dealt
        self.groups = np.zeros(costs.shares.shape, dtype=np.int64)
        self.work = 0
        self._deal(order[~costs.alone[order]])
        self._fill(order[costs.alone[order]])
        self.cost = costs.of_parts(np.arange(self.parts), self.samples, self.groups)

    def _deal(self, order: Indices) -> None:
        """Deal groups one by one, each to the part whose cost it raises least."""
        shares, needs = self.costs.shares.tolist(), self.costs.needs.tolist()
        samples, groups = self.samples.tolist(), self.groups.tolist()
        # What a class costs a part now, which one more group of it replaces.
        costs = [
            [round(share * share / share * SCALE) + ABSENT * (need > 0) for share in row]
            for row, need in zip(shares, needs, strict=True)
        ]
        for group, counts in zip(order.tolist(), self.costs.counts[order].tolist(), strict=True):
            held = [(label, count) for label, count in enumerate(counts) if count]
            rises = []
            for share, sampled, cost in zip(shares, samples, costs, strict=True):
                rise = 0
                for label, count in held:
                    wanted = share[label]
                    off = sampled[label] + count - wanted
                    rise += round(off * off / wanted * SCALE) - cost[label]
                rises.append(rise)
            chosen = self.part[group] = rises.index(min(rises))
            share, sampled, grouped, cost = shares[chosen], samples[chosen], groups[chosen], costs[chosen]
            for label, count in held:
                sampled[label] += count
                grouped[label] += 1
                off = sampled[label] - share[label]
                cost[label] = round(off * off / share[label] * SCALE) + ABSENT * (grouped[label] < needs[chosen])
        self.samples[:], self.groups[:] = samples, groups

    def _fill(self, singles: Indices) -> None:
        """Deal groups of one sample of one class to what the parts lack of it, all at once: there may be very many."""
        labels = self.costs.counts[singles, :-1].argmax(axis=1)
        for label in np.unique(labels):
            members = singles[labels == label]
            lacking = np.maximum(self.costs.shares[:, label] - self.samples[:, label], 0)
            ends = np.rint(np.cumsum(lacking) * len(members) / lacking.sum()).astype(np.int64)
            self.part[members] = np.searchsorted(ends, np.arange(len(members)), side="right")
            dealt = np.diff(ends, prepend=0)
            for values in (self.samples, self.groups):
                values[:, label] += dealt
                values[:, -1] += dealt

    def unbalanced(self) -> bool:
        """Return whether a part is off by more than rounding explains."""
        off, lacking = np.abs(self.samples - self.costs.shares), self.groups < self.costs.needs[:, None]
        return bool((off >= 0.75).any() or lacking.any())

    def move(self) -> bool:
        """Move the group whose move lowers the cost most; return whether there is one."""
        some = self._candidates()
        self.work += (self.parts + 1) * (len(some) + self.parts) * self.values
        estimates, error = self._estimate_moves(some)
        estimates[np.arange(len(some)), self.part[some]] = 0
        target, place = np.divmod(possibly_best(estimates.T, error), len(some))
        moved = some[place]
        home, counts, holds = self.part[moved], self.costs.counts[moved], self.costs.holds[moved]
        changes = np.where(home == target, 0, self._changes(target, home, counts, holds))
        best = int(changes.argmin())
        if changes[best] >= 0:
            return False
        self._pass(target[best], home[best], counts[best], holds[best])
        self.part[moved[best]] = target[best]
        return True

    def swap(self) -> bool:
        """Swap two groups if that lowers the cost; return whether there are any such."""
        some = self._candidates()
        moves, error = self._estimate_moves(some)
        rows = max(PAIRS // (len(some) * self.values), 1)
        for start in range(0, len(some), rows):
            estimates = self._estimate_swaps(some, moves, slice(start, start + rows))
            pairs = int(np.isfinite(estimates).sum())
            if pairs == 0:
                continue
            self.work += 2 * (pairs + self.parts) * self.values
            place, other = np.divmod(possibly_best(estimates, error), len(some))
            first, second = some[start + place], some[other]
            one, two = self.part[first], self.part[second]
            counts = self.costs.counts[second] - self.costs.counts[first]
            holds = self.costs.holds[second] - self.costs.holds[first]
            changes = self._changes(one, two, counts, holds)
            best = int(changes.argmin())
            if changes[best] < 0:
                self._pass(one[best], two[best], counts[best], holds[best])
                self.part[first[best]], self.part[second[best]] = two[best], one[best]
                return True
            if self.work >= WORK:
                return False
        return False

    def _candidates(self) -> Indices:
        """Return one of the groups of each composition and part: the first in order, sorted by order."""
        key = (self.costs.kind * self.parts + self.part)[self.order]
        places = np.arange(len(key))
        first = np.empty(len(key) * self.parts, dtype=np.int64)
        first[key[::-1]] = places[::-1]  # the last one written stays
        candidates: Indices = self.order[first[key] == places]
        return candidates

    def _estimate_moves(self, some: Indices) -> tuple[Estimates, float]:
        return self.costs.estimate_moves(some, self.part[some], self.samples, self.groups)

    def _estimate_swaps(self, some: Indices, moves: Estimates, chosen: slice) -> Estimates:
        """Return about what swaps of the chosen groups with any change the cost by.

        Args:
            some: Groups, (n,).
            moves: What their moves to each part change, (n, P).
            chosen: m of them.

        Returns:
            (m, n); infinite unless the first group's part comes before that of the second.
        """
        home = self.part[some]
        estimates = np.full((len(home[chosen]), len(some)), np.inf)
        for one, other in combinations(range(self.parts), 2):
            first, second = np.flatnonzero(home[chosen] == one), np.flatnonzero(home == other)
            place = first + chosen.start
            beyond = self.costs.estimate_swaps(some[place], some[second], one, other, self.groups)
            estimates[np.ix_(first, second)] = moves[place, other][:, None] + moves[second, one] + beyond
        return estimates

    def _changes(self, takers: Indices, givers: Indices, samples: Indices, groups: Indices) -> Costs:
        """Return the changes in cost if parts (n,) take samples and groups (n, C) from others (n,)."""
        parts = np.concatenate([takers, givers])
        held = self.samples[parts] + np.concatenate([samples, -samples])
        there = self.groups[parts] + np.concatenate([groups, -groups])
        changes: Costs = self.costs.of_parts(parts, held, there) - self.cost[parts]
        return changes[: len(takers)] + changes[len(takers) :]

    def _pass(self, taker: np.int64, giver: np.int64, samples: Indices, groups: Indices) -> None:
        """Let one part take samples and groups (C,) from another."""
        self.samples[taker] += samples
        self.samples[giver] -= samples
        self.groups[taker] += groups
        self.groups[giver] -= groups
        both = np.array([taker, giver])
        self.cost[both] = self.costs.of_parts(both, self.samples[both], self.groups[both])
