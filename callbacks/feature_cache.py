"""Features of a frozen backbone, computed once and kept on disk, so that a head trains in seconds."""

import hashlib
from pathlib import Path
from typing import cast

import lightning as L
import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor
from tqdm import tqdm

from callbacks.gradual_unfreezing import GradualUnfreezing
from callbacks.lookup import find_callback
from datamodules.atomic_write import atomic_write
from datamodules.base import DataModule
from datamodules.images.image_folder import ImageFolder
from models.networks import Pretrained
from models.regularizers import Regularizer
from models.task import Task

VERSION = 1  # of what a file holds


class FeatureCache(L.Callback):
    """Trains the head of a `Pretrained` network on features that were computed before.

    What a wholly frozen backbone makes of an image never changes. The features of the training and the validation part
    are computed in evaluation mode before the first epoch, or read from where an earlier run left them: a file is known
    by a hash of weights, images, split, normalisation and precision. The head then learns what it would have learnt
    without a cache, but for the last digits (a backbone rounds an image's features according to its batch). Tests run
    the whole network.

    Args:
        folder: Where the files lie; they may be deleted at any time.
    """

    def __init__(self, folder: str = "data/.features") -> None:
        self.folder = Path(folder)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compute or read the features and put them into the place of the images.

        Raises:
            MisconfigurationException: Features would change while training, or the folder cannot be written to.
        """
        network, data = _checked(trainer, pl_module)
        assert data.split is not None
        indices = torch.from_numpy(np.union1d(data.split.train, data.split.val))
        path = self.folder / f"{_key(network, data, indices, str(trainer.precision))}.npy"
        features = _read(path, len(indices))
        if features is None and trainer.is_global_zero:
            computed = compute_features(trainer, network, data, indices)
            try:
                with atomic_write(path) as file:
                    np.save(file, computed.numpy())
            except OSError as error:
                raise MisconfigurationException(
                    f"FeatureCache: {self.folder} cannot be written to ({error.strerror}); name another folder"
                ) from error
        trainer.strategy.barrier()
        if features is None:
            features = _read(path, len(indices))
            assert features is not None
        everywhere = torch.zeros(len(data.targets), features.shape[1])
        everywhere[indices] = features
        data.replace_inputs(everywhere)
        network.inputs_are_features = True

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Give the network images again."""
        self._end(trainer, pl_module)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Likewise: after an interruption Lightning tears nothing down."""
        self._end(trainer, pl_module)

    @staticmethod
    def _end(trainer: L.Trainer, module: L.LightningModule) -> None:
        network, data = getattr(module, "network", None), getattr(trainer, "datamodule", None)
        if isinstance(network, Pretrained) and isinstance(data, DataModule):
            network.inputs_are_features = False
            data.replace_inputs(None)


def compute_features(trainer: L.Trainer, network: Pretrained, data: DataModule, indices: Tensor) -> Tensor:
    """Return the features of the given samples, (n, F), float32, computed on the network's device."""
    training, device = network.training, network.head.weight.device
    found = []
    network.eval()
    with torch.inference_mode(), trainer.precision_plugin.forward_context():
        # No bar where there is no terminal: disable=None.
        for few in tqdm(torch.split(indices, data.eval_batch_size), desc="features", disable=None, leave=False):
            images = data.transform(data.samples.inputs[few].to(device))
            found.append(network.features(trainer.precision_plugin.convert_input(images)).float().cpu())
    network.train(training)
    return torch.cat(found)


def _checked(trainer: L.Trainer, module: L.LightningModule) -> tuple[Pretrained, DataModule]:
    network, data = getattr(module, "network", None), getattr(trainer, "datamodule", None)
    problem = None
    if not isinstance(network, Pretrained):
        problem = f"{type(network).__name__} has no frozen backbone; the network must be a Pretrained"
    elif network.trained_blocks or find_callback(trainer, GradualUnfreezing) is not None:
        problem = "the backbone is not wholly frozen; set model.network.train head, or leave the cache out"
    elif not isinstance(data, DataModule) or (isinstance(data, ImageFolder) and data.streamed):
        problem = f"{type(data).__name__} is not kept in memory; leave the cache out"
    elif len(data.augmentation):
        names = ", ".join(type(step).__name__ for step in data.augmentation)
        problem = f"images change from epoch to epoch ({names}); set data.augmentation [], or leave the cache out"
    else:
        changing = _changes_inputs(cast("Task", module))
        problem = f"{changing} works on images, from epoch to epoch; leave it or the cache out" if changing else None
    if problem is not None:
        raise MisconfigurationException(f"FeatureCache: {problem}")
    return cast("Pretrained", network), cast("DataModule", data)


def _changes_inputs(module: Task) -> str | None:
    """Return the name of the first regularizer that would not do with features what it does with images."""
    for regularizer in module.regularizers.members():
        kind = type(regularizer)
        untouched = kind.perturb is Regularizer.perturb and kind.penalty is Regularizer.penalty
        if not regularizer.keeps_inputs and not untouched:
            return kind.__name__
    return None


def _key(network: Pretrained, data: DataModule, indices: Tensor, precision: str) -> str:
    made_of = (VERSION, torch.__version__, precision, repr(network.backbone), repr(network.transform))
    digest = hashlib.sha256(repr((*made_of, data.maximum, data.normalization)).encode())
    digest.update(indices.numpy().tobytes())
    for few in torch.split(indices, data.eval_batch_size):  # as they were decoded, which the files do not say
        digest.update(data.samples.inputs[few].numpy().tobytes())
    for part in (network.backbone, network.transform):
        for name, tensor in part.state_dict().items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:24]


def _read(path: Path, count: int) -> Tensor | None:
    try:
        features = np.load(path)
    except (OSError, ValueError, EOFError):
        return None
    return torch.from_numpy(features) if features.ndim == 2 and len(features) == count else None
