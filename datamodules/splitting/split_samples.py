"""From samples to three parts: split, duplicates, imbalance, label noise, and the manifest that records them."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from datamodules.sample_weights import describe_weights
from datamodules.samples import Samples, check_one_label
from datamodules.splitting.criteria import Source, Values, plain_options, read_criteria
from datamodules.splitting.duplicates import Digests, find_duplicates, resolve_duplicates
from datamodules.splitting.imbalance import Imbalance
from datamodules.splitting.label_noise import LabelNoise
from datamodules.splitting.manifest import Manifest, content_hash, criteria_facts, describe_split
from datamodules.splitting.multi_label import absent_labels
from datamodules.splitting.options import SplitOptions, check_options
from datamodules.splitting.splits import Split, Unsplit, check_split, draw_parts, is_stratified, training_subset
from datamodules.splitting.subsets import Indices, subset_order


class SplitSamples(NamedTuple):
    """A dataset after its split.

    Attributes:
        split: Indices of the three parts.
        targets: Targets for training: those of the samples, but for labels that are wrong on purpose.
        manifest: The dataset, the arguments and the parts, as plain values.
    """

    split: Split
    targets: Tensor
    manifest: Manifest


def split_samples(
    samples: Samples,
    options: SplitOptions,
    *,
    source: str,
    digests: Digests,
    content: Digests | None = None,
    strata: Indices | None,
    class_names: tuple[str, ...],
    imbalance: Imbalance | None = None,
    label_noise: LabelNoise | None = None,
    values: Callable[[str], Values],
    files: Callable[[], list[str] | None],
) -> SplitSamples:
    """Split samples, and make the training part imbalanced and its labels wrong if asked to.

    Args:
        samples: N samples.
        options: How to split them.
        source: Name of the dataset.
        digests: Digest of each sample, (N,): those of duplicates are equal.
        content: Digest of all that the dataset holds of each sample, (N,), if that is more.
        strata: Class or bin of each sample to stratify by, (N,), or its labels (N, L); None for a plain random split.
        class_names: C names; none if targets are continuous.
        imbalance: Makes classes of the training part rare.
        label_noise: Makes training labels wrong.
        values: Returns the value of each sample, (N,), under a name in `options`.
        files: Returns the path of each sample's file, N; None if samples are not files.

    Raises:
        DataError: The samples cannot be split as asked.
    """
    targets, names = samples.targets.numpy(), class_names or None
    check_options(options)
    sha256 = content_hash(digests if content is None else content, targets)
    criteria = read_criteria(options, len(targets), Source(source, values, files, digests, sha256))
    unsplit = Unsplit(len(targets), strata, samples.official_test, samples.official_val, names)
    split = draw_parts(unsplit, options, criteria)
    facts = criteria_facts(criteria, split, len(targets))
    split = resolve_duplicates(digests, split, options.duplicates, source)
    whole = split.train
    split = replace(split, train=training_subset(whole, strata, options, criteria.groups))
    if imbalance is not None:
        check_one_label(source, "imbalance", samples.targets, class_names)
        kept = imbalance.thin(split.train, targets, len(class_names), subset_order(whole, options.seed))
        split = replace(split, train=kept)
        facts["imbalance"] = _settings(imbalance)
    check_split(split, strata, names, drawn=is_stratified(criteria))
    if class_names and strata is not None and strata.ndim > 1:
        for absent in absent_labels(strata.astype(bool), split.parts(), class_names):
            rank_zero_warn(f"{source}: {absent}, where it is not measured")
    given = samples.targets
    if label_noise is not None:
        check_one_label(source, "label_noise", samples.targets, class_names)
        given = _corrupt(targets, label_noise, split.train, len(class_names))
        digest = hashlib.sha256(np.ascontiguousarray(given.numpy(), dtype="<i8").tobytes()).hexdigest()
        wrong = int((given != samples.targets).sum())
        facts["label_noise"] = _settings(label_noise) | {"wrong_labels": wrong, "sha256": digest}
    if samples.weights is not None:
        facts["weights"] = describe_weights(samples.weights)
    manifest = describe_split(
        split,
        source=source,
        sha256=sha256,
        arguments=plain_options(options),
        strata=strata,
        names=names,
        duplicates={pair: len(indices) for pair, indices in find_duplicates(digests, split).items()},
    )
    return SplitSamples(split, given, facts | manifest)


def _corrupt(labels: Indices, noise: LabelNoise, train: Indices, num_classes: int) -> Tensor:
    given = labels.copy()
    # Drawn for every sample of the dataset, so that a sample has the same label in every training part.
    given[train] = noise.corrupt(given, num_classes)[train]
    return torch.from_numpy(given)


def _settings(option: LabelNoise | Imbalance) -> dict[str, Any]:
    return {"name": type(option).__name__, **vars(option)}
