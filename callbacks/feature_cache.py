"""Features of a frozen backbone, computed once and kept on disk, so that a head trains in seconds."""

import hashlib
from pathlib import Path
from typing import Any, ClassVar, cast

import lightning as L
import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor
from tqdm import tqdm
from typing_extensions import override

from callbacks.gradual_unfreezing import GradualUnfreezing
from callbacks.lookup import find_callback
from datamodules.atomic_write import atomic_write
from datamodules.base import DataModule
from datamodules.regular_files import open_regular
from models.networks import Pretrained
from models.regularizers import Regularizer
from models.task import Task

VERSION = 3  # of a file's content
PROBES = 8  # images of noise, and as many of the data, that stand for what a network computes


class FeatureCache(L.Callback):
    """Trains the head of a `Pretrained` network on stored features.

    The features that a frozen backbone computes for an image never change. Those of the training and the validation
    part are computed in evaluation mode before the first epoch, or read if an earlier run stored them: a file's name is
    a hash of weights, images, split, preprocessing and precision, and of the features of a few images, because a
    network of one's own may compute something else with the same weights. The head then learns what it would have
    learnt without a cache, except for the last digits (a backbone's rounding depends on the batch). Tests run the whole
    network.

    Args:
        folder: Folder for the files; they may be deleted at any time.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self, folder: str = "data/.features") -> None:
        self.folder = Path(folder)

    @override
    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        task, network, data = _check(trainer, pl_module)
        assert data.split is not None
        indices = torch.from_numpy(np.union1d(data.split.train, data.split.val))
        path = self.folder / f"{trainer.strategy.broadcast(_key(trainer, task, network, data, indices))}.npy"
        features = _read(path, len(indices))
        if features is None and trainer.is_global_zero:
            computed = compute_features(trainer, task, network, data, indices)
            try:
                with atomic_write(path) as file:
                    np.save(file, computed.numpy())
            except OSError as error:
                raise MisconfigurationException(
                    f"FeatureCache: cannot write to {self.folder} ({error.strerror}); name another folder"
                ) from error
        trainer.strategy.barrier()
        if features is None:
            features = _read(path, len(indices))
            assert features is not None
        everywhere = torch.zeros(len(data.targets), features.shape[1])
        everywhere[indices] = features
        data.replace_inputs(everywhere)
        network.inputs_are_features = True

    @override
    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._restore_inputs(trainer, pl_module)

    @override
    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._restore_inputs(trainer, pl_module)  # after an interruption Lightning skips on_fit_end

    @staticmethod
    def _restore_inputs(trainer: L.Trainer, module: L.LightningModule) -> None:
        network, data = getattr(module, "network", None), getattr(trainer, "datamodule", None)
        if isinstance(network, Pretrained) and isinstance(data, DataModule):
            network.inputs_are_features = False
            data.replace_inputs(None)


def compute_features(trainer: L.Trainer, task: Task, network: Pretrained, data: DataModule, indices: Tensor) -> Tensor:
    """Return the features of the given samples, (n, F), float32, computed on the network's device."""
    inputs = data.samples.inputs
    assert isinstance(inputs, Tensor)
    # disable=None: no bar without a terminal
    chunks = tqdm(torch.split(indices, data.eval_batch_size), desc="features", disable=None, leave=False)
    return torch.cat([features_of(inputs[chunk], trainer, task, network) for chunk in chunks])


def features_of(raw: Tensor, trainer: L.Trainer, task: Task, network: Pretrained) -> Tensor:
    """Return the features of raw images (n, C, H, W), (n, F), float32, in evaluation mode."""
    training = network.training
    network.eval()
    with torch.inference_mode(), trainer.precision_plugin.forward_context():
        images: Any = task.preprocessing(raw.to(network.head.weight.device), task.network_dtype)
        features = network.features(images).float().cpu()
    network.train(training)
    return features


def _check(trainer: L.Trainer, module: L.LightningModule) -> tuple[Task, Pretrained, DataModule]:
    network, data = getattr(module, "network", None), getattr(trainer, "datamodule", None)
    problem = None
    if not isinstance(network, Pretrained):
        problem = f"{type(network).__name__} has no frozen backbone; the network must be a Pretrained"
    elif network.trained_blocks or find_callback(trainer, GradualUnfreezing) is not None:
        problem = "the backbone is not entirely frozen; set model.network.train head, or leave the cache out"
    elif not isinstance(data, DataModule) or not isinstance(data.samples.inputs, Tensor):
        problem = f"{type(data).__name__} is not kept in memory; leave the cache out"
    elif len(data.augmentation):
        names = ", ".join(type(step).__name__ for step in data.augmentation)
        problem = f"images change from epoch to epoch ({names}); set data.augmentation [], or leave the cache out"
    else:
        needs_images = _needs_images(cast("Task", module))
        problem = f"{needs_images} acts on images; leave it or the cache out" if needs_images else None
    if problem is not None:
        raise MisconfigurationException(f"FeatureCache: {problem}")
    return cast("Task", module), cast("Pretrained", network), cast("DataModule", data)


def _needs_images(module: Task) -> str | None:
    """Return the name of the first regularizer that may act differently on features than on images."""
    for regularizer in module.regularizers.members():
        kind = type(regularizer)
        hooks_are_idle = kind.perturb is Regularizer.perturb and kind.penalty is Regularizer.penalty
        if not regularizer.keeps_inputs and not hooks_are_idle:
            return kind.__name__
    return None


def _key(trainer: L.Trainer, task: Task, network: Pretrained, data: DataModule, indices: Tensor) -> str:
    inputs = data.samples.inputs
    assert isinstance(inputs, Tensor)
    parts = (repr(network.backbone), repr(network.transform), task.preprocessing.settings())
    digest = hashlib.sha256(repr((VERSION, torch.__version__, str(trainer.precision), *parts)).encode())
    for probe in (_noise(inputs, data.maximum), inputs[indices[:: -(-len(indices) // PROBES)]]):
        digest.update(features_of(probe, trainer, task, network).numpy().tobytes())
    digest.update(indices.numpy().tobytes())
    for chunk in torch.split(indices, data.eval_batch_size):  # the pixels: the files do not say how they were decoded
        digest.update(inputs[chunk].numpy().tobytes())
    for part in (network.backbone, network.transform):
        for name, tensor in part.state_dict().items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:24]


def _noise(inputs: Tensor, maximum: float) -> Tensor:
    """Return the same random images in every run, of the shape and type of the data's."""
    generator = torch.Generator().manual_seed(0)
    return (torch.rand((PROBES, *inputs.shape[1:]), generator=generator) * maximum).to(inputs.dtype)


def _read(path: Path, count: int) -> Tensor | None:
    try:
        with open_regular(path) as file:
            features = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return torch.from_numpy(features) if features.ndim == 2 and len(features) == count else None
