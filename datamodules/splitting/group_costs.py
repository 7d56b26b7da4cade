"""What groups in parts cost: how far each part's samples of each class are from the share that it is to have."""

import numpy as np
import numpy.typing as npt

from datamodules.splitting.subsets import Indices

SCALE = 2**20  # costs are whole numbers of 1 / SCALE: sums are then the same in any order, on any machine
ABSENT = 2**48  # cost of a class that a part has too few groups of; above any cost of sizes

Costs = npt.NDArray[np.int64]
Estimates = npt.NDArray[np.float64]


class GroupCosts:
    """The groups, and what each part is to hold of them.

    The last class stands for all samples: it gives the parts their sizes.

    Args:
        counts: Samples of each class in each group, (G, C - 1); as an attribute (G, C).
        members: Samples in each group, (G,), 1 or more.
        sizes: Wanted number of samples of each of P parts; they add up to `members.sum()`.
        needs: Number of groups of every class that each part must have, if that is possible.

    Attributes:
        holds: Whether a group has a class, (G, C), int64.
        kind: Number of each group's composition, (G,), from 0.
        alone: Whether a group is one sample of one class, (G,).
        shares: Samples of each class that each part is to have, (P, C), float64.
    """

    def __init__(self, counts: Indices, members: Indices, sizes: list[int], needs: list[int]) -> None:
        self.counts = np.column_stack([counts, members])
        self.holds = (self.counts > 0).astype(np.int64)
        self.kind = np.unique(self.counts, axis=0, return_inverse=True)[1].reshape(-1)
        self.alone = (members == 1) & (counts.sum(axis=1) == 1)
        totals = self.counts.sum(axis=0)
        self.shares = np.array(sizes)[:, None] * totals / totals[-1]
        self.needs = np.array(needs)
        floats = self.counts.astype(np.float64)
        self._terms = np.concatenate([floats**2, floats, self.holds], axis=1)  # what estimates are linear in
        self._largest = self._terms.max(axis=0)
        self._square = SCALE / self.shares

    def of_parts(self, parts: Indices, samples: Indices, groups: Indices) -> Costs:
        """Return the cost of parts (n,) that hold samples and groups of each class, (n, C)."""
        shares = self.shares[parts]
        off = np.rint((samples - shares) ** 2 / shares * SCALE).astype(np.int64)
        lacking = np.maximum(self.needs[parts][:, None] - groups, 0)
        costs: Costs = (off + ABSENT * lacking).sum(axis=1)
        return costs

    def estimate_moves(
        self, some: Indices, home: Indices, samples: Indices, groups: Indices
    ) -> tuple[Estimates, float]:
        """Return about what the cost changes by if a group goes to a part, and how far off that is at most.

        Args:
            some: Groups, (n,).
            home: Their parts, (n,).
            samples: Samples of each class in each part, (P, C).
            groups: Groups of each class in each part, (P, C).

        Returns:
            (n, P), and the largest error of a move, or of a swap by `estimate_swaps`.
        """
        needs, linear = self.needs[:, None], 2 * self._square * (samples - self.shares)
        arriving = np.concatenate([self._square, linear, -ABSENT * (groups < needs)], axis=1)
        leaving = np.concatenate([self._square, -linear, ABSENT * (groups <= needs)], axis=1)
        changes = self._terms[some] @ np.concatenate([arriving, leaving]).T
        parts = len(self.needs)
        largest = (np.abs(arriving) + np.abs(leaving)).max(axis=0) @ self._largest
        costs = ((samples - self.shares) ** 2 * self._square).sum(axis=1).max()
        # Half a unit for each rounded cost: before and after, in two parts; in a swap, of two groups.
        error = 4 * self.counts.shape[1] + 1e-12 * (2 * largest + costs + ABSENT * float(self.needs.max()))
        return changes[:, :parts] + changes[np.arange(len(some)), parts + home][:, None], error

    def estimate_swaps(self, ones: Indices, others: Indices, one: int, other: int, groups: Indices) -> Estimates:
        """Return about what swaps change beyond the two moves that they consist of, (m, n).

        Args:
            ones: Groups, (m,).
            others: Groups, (n,).
            one: The part of the former.
            other: The part of the latter.
            groups: Groups of each class in each part, (P, C).
        """
        square = 2 * (self._square[one] + self._square[other])
        # Two groups that hold a class leave its number of groups as it is: what each alone would change is taken back.
        needs = self.needs[[one, other]][:, None]
        taken_back = ABSENT * (groups[[one, other]] == needs).sum(axis=0)
        common = np.concatenate([self.counts[ones] * square, self.holds[ones] * taken_back], axis=1)
        return -common @ np.concatenate([self.counts[others], self.holds[others]], axis=1).T.astype(np.float64)


def possibly_best(estimates: Estimates, error: float) -> Indices:
    """Return the places, flattened and sorted, of values that may be the least, since they are no more than so far off.

    Args:
        estimates: Of any shape.
        error: How far off a value may be.
    """
    return np.flatnonzero(estimates <= estimates.min() + 2 * error)
