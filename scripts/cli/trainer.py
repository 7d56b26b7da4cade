"""Lightning's Trainer, which can also choose the precision that suits the machine."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Literal

import lightning as L
import torch
from lightning.fabric.plugins.precision.precision import _PRECISION_INPUT
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.loops.fit_loop import _FitLoop
from lightning.pytorch.profilers import PassThroughProfiler
from torch import nn
from typing_extensions import override

from callbacks.interruption import StopOnSignal
from callbacks.loggers import RunLogger
from callbacks.lookup import find_callback
from datamodules import DataModule
from models import Task
from scripts.cli.channels_last import channels_last_inputs
from scripts.cli.launchers import with_own_launcher

NOTHING = nullcontext()
STEP_HOOKS = (
    "on_train_batch_start", "on_before_zero_grad", "on_before_backward", "on_after_backward",
    "on_before_optimizer_step", "on_train_batch_end",
)  # fmt: skip
OURS = ("callbacks", "default_root_dir", "enable_progress_bar", "enable_model_summary")  # the command fills them in
Precision = Literal["auto"] | _PRECISION_INPUT


class NoProfiler(PassThroughProfiler):
    """Times nothing, and costs nothing: Lightning's own makes a generator for each of 150 hooks a step."""

    @override
    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        return NOTHING


class FitLoop(_FitLoop):
    """Lightning's loop over epochs, which can also end a training whose last step is done.

    Attributes:
        only_end: Call the hooks of training's start and end even if there is nothing left to train, and those of an
            epoch's end if the training had stopped within one.
    """

    only_end = False

    @property
    @override
    def done(self) -> bool:
        return not (self.only_end and self.restarted_mid_epoch) and super().done

    @override
    def advance(self) -> None:
        epoch_loop = self.epoch_loop
        # Lightning would train one step more than `max_steps`.
        if self.restarted_mid_epoch and super().done and not epoch_loop.val_loop.restarted_mid_evaluation:
            epoch_loop.reset()
        else:
            super().advance()

    @property
    @override
    def skip(self) -> bool:
        nothing_to_train = self.max_batches == 0 or self.trainer.limit_train_batches == 0
        return nothing_to_train or (super().skip and not self.only_end)


class Trainer(L.Trainer):
    """Lightning's trainer.

    Args:
        precision: As in Lightning, or "auto". The command measures then whether a training step of the network is
            faster in bf16-mixed or in 32-true; elsewhere it is bf16-mixed if the device has bfloat16 instructions.
        channels_last: Whether to lay images out channels last for the network, which makes many convolutions faster. If
            not given, the command measures with precision "auto" whether it does; elsewhere images stay as they are.
            ResNet, AlexNet and SpeedrunCNN lay theirs out so in any case.
        logger: Loggers of a training: `CSVLogger`, `WandbLogger`, `MLFlowLogger` or any of Lightning's; `logger+` adds
            one beside TensorBoard, false is none.
        limit_train_batches: Training batches per epoch: a number (int), or a fraction of all (float).
        limit_val_batches: Validation batches that are measured: a number or a fraction.
        limit_test_batches: Test batches that are measured: a number or a fraction.
        limit_predict_batches: Test batches that are predicted: a number or a fraction.
        overfit_batches: Train on some batches, the same in every epoch, and validate on as many of the validation part:
            a number of batches, or a fraction of those of each part, at least one for validation. A test measures the
            whole test part.
        val_check_interval: Validate after this many batches, or after this fraction of an epoch.
        kwargs: Arguments of `lightning.Trainer`.

    Raises:
        MisconfigurationException: A stateful callback is given twice.
    """

    fit_loop: FitLoop

    # Python caches `Union[int, float]` and `Union[float, int]` as one object, whichever came first: with Lightning's
    # annotations the parser may turn 1 (one batch) into 1.0 (all).
    def __init__(
        self,
        *,
        precision: Precision | None = None,
        channels_last: bool | None = None,
        logger: list[RunLogger | Logger | None] | RunLogger | Logger | bool | None = None,
        limit_train_batches: int | float | None = None,
        limit_val_batches: int | float | None = None,
        limit_test_batches: int | float | None = None,
        limit_predict_batches: int | float | None = None,
        overfit_batches: int | float = 0.0,
        val_check_interval: int | float | None = None,
        **kwargs: Any,
    ) -> None:
        check_no_repeats(kwargs.get("callbacks"))
        super().__init__(
            precision=resolve_precision(precision, kwargs.get("accelerator", "auto")),
            logger=logger,  # type: ignore[arg-type]
            limit_train_batches=limit_train_batches,
            limit_val_batches=limit_val_batches,
            limit_test_batches=limit_test_batches,
            limit_predict_batches=limit_predict_batches,
            overfit_batches=overfit_batches,
            val_check_interval=val_check_interval,
            **kwargs,
        )
        if type(self.profiler) is PassThroughProfiler:  # type: ignore[has-type]
            self.profiler = NoProfiler()
        self.channels_last = bool(channels_last)
        self.strategy._launcher = with_own_launcher(self.strategy)
        epochs = self.fit_loop
        self.fit_loop = FitLoop(self, min_epochs=epochs.min_epochs, max_epochs=epochs.max_epochs)
        self.fit_loop.epoch_loop = epochs.epoch_loop

    @override
    def _run_stage(self) -> Any:
        stop = find_callback(self, StopOnSignal)
        if stop is not None:
            stop.listen()  # from here on: the first processes wait for the last, and validate a little
        fraction, data = self.overfit_batches, self.datamodule  # type: ignore[attr-defined]
        fractional = isinstance(fraction, float) and 0 < fraction < 1 and isinstance(data, DataModule)
        if fractional and not int(fraction * len(data.val_dataloader())):
            self.limit_val_batches = 1  # Lightning refuses a fraction of none
        with ExitStack() as skipping:
            for callback in self.callbacks:  # type: ignore[attr-defined]
                skipping.enter_context(skip_empty_hooks(callback, Callback))
            skipping.enter_context(skip_empty_hooks(self.lightning_module, L.LightningModule))
            skipping.enter_context(channels_last_inputs(self._network(), self.channels_last))
            return super()._run_stage()

    def _network(self) -> nn.Module:
        module = self.lightning_module
        if isinstance(module, Task):
            return module.network
        if self.channels_last:
            raise MisconfigurationException(
                f"trainer.channels_last: {type(module).__name__} is not a task of this project"
            )
        return module


@contextmanager
def skip_empty_hooks(owner: Any, base: type) -> Iterator[None]:
    """Let Lightning pass over the hooks of a step that an object does not define; it looks whether they are callable.

    Twenty callbacks with six empty hooks each took a tenth of the time of a small network's training.

    Args:
        owner: A callback or a module.
        base: The class of Lightning's that has empty ones.
    """
    empty = [hook for hook in STEP_HOOKS if getattr(type(owner), hook) is getattr(base, hook)]
    hidden = [hook for hook in empty if hook not in vars(owner)]
    vars(owner).update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for hook in hidden:
            vars(owner).pop(hook, None)


def build_trainer(config: Mapping[str, Any]) -> Trainer:
    """Build a trainer; an error names the option without which there is none.

    Raises:
        MisconfigurationException: Lightning refuses an option.
    """
    try:
        return Trainer(**config)
    except Exception as error:
        option = _option_at_fault(config, type(error), str(error))
        if option is None or f"trainer.{option}" in str(error):
            raise
        raise MisconfigurationException(f"trainer.{option}: {error}") from error


def _option_at_fault(config: Mapping[str, Any], kind: type[Exception], text: str) -> str | None:
    """Return the option that Lightning names, or else the first whose default it takes without that error."""
    given = [name for name, value in config.items() if value is not None and name not in OURS]
    for name in sorted(given, key=lambda name: f"{name}=" not in text and name not in text):
        try:
            with warnings.catch_warnings(action="ignore"):
                Trainer(**{other: value for other, value in config.items() if other != name})
        except Exception as error:
            if type(error) is kind and str(error) == text:
                continue
        return name
    return None


def check_no_repeats(callbacks: Any) -> None:
    """Check that no two callbacks store their state in a checkpoint under the same key.

    Args:
        callbacks: As `lightning.Trainer` takes them: a list, one, or None.

    Raises:
        MisconfigurationException: Two do.
    """
    several = callbacks if isinstance(callbacks, list) else []
    stateful = [callback for callback in several if type(callback).state_dict is not Callback.state_dict]
    keys = [callback.state_key for callback in stateful]
    repeated = next((type(callback).__name__ for callback in stateful if keys.count(callback.state_key) > 1), None)
    if repeated is not None:
        raise MisconfigurationException(f"trainer.callbacks: {repeated} is given twice; leave one out")


def resolve_precision(precision: Any, accelerator: Any) -> Any:
    """Return the precision that "auto" means on this machine; any other unchanged."""
    return choose_precision(accelerator) if precision == "auto" else precision


def choose_precision(accelerator: Any) -> Literal["bf16-mixed", "32-true"]:
    """Return the fastest safe precision of an accelerator, as `trainer.accelerator` names it."""
    on_gpu = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    # A CPU or GPU without bfloat16 instructions emulates them, at a fraction of the speed.
    native = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else _cpu_has_bfloat16()
    return "bf16-mixed" if native and (on_gpu or accelerator in ("auto", "cpu")) else "32-true"


def _cpu_has_bfloat16() -> bool:
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def on_several_devices(devices: Any) -> bool:
    """Return whether `trainer.devices` asks for more than one; "auto" does not, as far as it says."""
    return devices not in ("auto", 1, "1") and not (isinstance(devices, list) and len(devices) == 1)
