"""Vanishing and exploding gradients: their sizes by layer, by step of a sequence, and those of the updates."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.optim import Optimizer
from typing_extensions import override

from callbacks.figures import save_figure
from callbacks.gradient_figure import Norms, draw_norms
from callbacks.lookup import run_folder, run_title
from datamodules.checks import check_at_least

SMALLEST = 1e-30


class GradientNorms(L.Callback):
    """Draws `figures/gradients.png` when training ends: the norms of gradients and updates of each layer.

    Layers are matrices and filters, without norms and biases; an update is that of a step, relative to the weights. Of
    recurrent networks also the gradient of the loss with respect to each step of their input: where it falls by orders
    of magnitude towards the start, the network learns nothing of the start.

    Gradients are measured before the Trainer clips them. Sums stay on the device; an epoch's mean is kept.

    Args:
        every_n_steps: Measure in every nth optimizer step of the run.

    Raises:
        ValueError: `every_n_steps` is less than 1.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self, every_n_steps: int = 20) -> None:
        check_at_least("GradientNorms", 1, every_n_steps=every_n_steps)
        self.every_n_steps = every_n_steps
        self._epochs: list[Norms] = []
        self._sums: dict[str, Tensor] = {}
        self._due = False
        self._measured: list[tuple[int, nn.Parameter]] = []
        self._before: list[Tensor] = []
        self._hooks: list[Any] = []

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.global_step:
            self._epochs, self._sums = [], {}
        self._weights = [
            (name, weight)
            for name, weight in getattr(pl_module, "network", pl_module).named_parameters()
            if weight.ndim > 1 and weight.is_floating_point()
        ]
        self._step = -1
        recurrent = [layer for layer in pl_module.modules() if isinstance(layer, nn.RNNBase)][:1]
        self._hooks = [layer.register_forward_pre_hook(self._watch_steps) for layer in recurrent]

    @override
    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        self._due = trainer.global_step % self.every_n_steps == 0 and trainer.is_global_zero

    @torch.no_grad()
    @override
    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        if not self._due or self._step == trainer.global_step:  # SAM comes here twice in a step
            return
        self._step = trainer.global_step
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        fused = getattr(optimizer, "_step_supports_amp_scaling", False)  # unscales them itself, later
        scale = scaler._scale if scaler is not None and fused else None
        self._measured = [(k, weight) for k, (_, weight) in enumerate(self._weights) if weight.grad is not None]
        norms = _norms([_dense(weight.grad) for _, weight in self._measured])
        self._add("gradients", norms if scale is None else norms / scale)
        self._before = [weight.detach().clone() for _, weight in self._measured]

    @torch.no_grad()
    @override
    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if self._before and trainer.global_step > self._step:
            pairs = zip(self._measured, self._before, strict=True)
            changes = [weight.detach() - before for (_, weight), before in pairs]
            self._add("updates", _norms(changes) / _norms(self._before).clamp_min(SMALLEST))
            self._before = []

    def _add(self, kind: str, norms: Tensor) -> None:
        """Add the norms of the weights that were measured to those of all."""
        places = [k for k, _ in self._measured]
        found = torch.zeros(2, len(self._weights), device=norms.device)
        whole = len(places) == len(self._weights)
        found[:, slice(None) if whole else places] = torch.stack([norms, torch.ones_like(norms)])
        self._sums[kind] = found + self._sums[kind].to(found.device) if kind in self._sums else found

    def _watch_steps(self, layer: nn.Module, arguments: tuple[Any, ...]) -> Any:
        """Let the gradient with respect to a recurrent layer's inputs be measured."""
        if not self._due or not torch.is_grad_enabled() or not layer.training:
            return None
        inputs, *others = arguments
        packed = isinstance(inputs, PackedSequence)
        values = inputs.data if packed else inputs
        if not values.requires_grad:
            values = values.detach().requires_grad_()
            arguments = (PackedSequence(values, *inputs[1:]) if packed else values, *others)
        sizes = inputs.batch_sizes if packed else None
        values.register_hook(partial(self._add_steps, sizes, 0 if getattr(layer, "batch_first", False) else 1))
        return arguments

    @torch.no_grad()
    def _add_steps(self, sizes: Tensor | None, batch_axis: int, gradient: Tensor) -> None:
        """Add the norm at each step: of (N, T, F), (T, N, F), or of a packed (samples, F) with the steps' sizes."""
        squares = gradient.float().square().sum(-1)
        if sizes is None:
            squares = squares.sum(batch_axis)
        else:
            steps = torch.repeat_interleave(torch.arange(len(sizes)), sizes).to(squares.device)
            squares = squares.new_zeros(len(sizes)).index_add_(0, steps, squares)
        found = torch.stack([squares.sqrt(), torch.ones_like(squares)])
        before = self._sums.get("steps", found.new_zeros(2, 0)).to(found.device)
        longest = max(found.shape[1], before.shape[1])
        padded = [nn.functional.pad(values, (0, longest - values.shape[1])) for values in (found, before)]
        self._sums["steps"] = padded[0] + padded[1]

    @override
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._sums:
            means = {kind: (sums[0] / sums[1]).cpu() for kind, sums in self._sums.items()}  # NaN: not measured
            self._epochs.append({"epoch": torch.tensor(trainer.current_epoch + 1), **means})
            self._sums = {}

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._remove_hooks()
        folder = run_folder(trainer)
        if folder is not None and trainer.is_global_zero and self._epochs:
            names = [name.removesuffix(".weight") for name, _ in self._weights]
            save_figure(trainer, draw_norms(self._epochs, names, f"{run_title(folder)}: gradients"), "gradients")

    @override
    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._remove_hooks()

    def _remove_hooks(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    @override
    def state_dict(self) -> dict[str, Any]:
        # A tensor takes hundreds of bytes of a checkpoint, a number nine: checkpoints grow by these with every epoch.
        epochs = [{kind: norms.tolist() for kind, norms in epoch.items()} for epoch in self._epochs]
        return {"epochs": epochs, "sums": {kind: sums.cpu() for kind, sums in self._sums.items()}}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._epochs = [{kind: torch.tensor(norms) for kind, norms in epoch.items()} for epoch in state_dict["epochs"]]
        self._sums = dict(state_dict["sums"])


def _norms(tensors: Sequence[Tensor]) -> Tensor:
    """Return the norm of each tensor, (n,), float32."""
    if not tensors:
        return torch.zeros(0)
    return torch.stack([norm.float() for norm in torch._foreach_norm(tensors)])  # type: ignore[arg-type]


def _dense(gradient: Any) -> Tensor:
    """Return a gradient, or of a sparse one its values, which have the same norm."""
    values: Tensor = gradient.coalesce().values() if gradient.is_sparse else gradient
    return values
