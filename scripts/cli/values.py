"""Values of the right type that no run can use."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.accelerators import AcceleratorRegistry

from scripts.cli.errors import UsageError

SEEDS = 2**32


def check_values(job: str, settings: Mapping[str, Any]) -> None:
    """Check the settings that Lightning would ignore, or refuse without naming them.

    Raises:
        UsageError: A setting cannot be used; the message names it.
    """
    seed = settings["seed_everything"]
    if not isinstance(seed, bool) and seed is not None and not 0 <= seed < SEEDS:
        raise UsageError(f"seed_everything: {seed} is not between 0 and {SEEDS - 1}")
    trainer = settings["trainer"]
    _check_accelerator(trainer["accelerator"])
    if job != "fit":
        limit = f"limit_{ {'validate': 'val'}.get(job, job) }_batches"
        if trainer[limit] == 0:
            raise UsageError(f"trainer.{limit}: 0 leaves nothing to {job}")
        return
    if trainer["max_epochs"] == 0:
        raise UsageError("trainer.max_epochs: 0 leaves nothing to train (-1 trains without end)")
    if trainer["check_val_every_n_epoch"] is not None and trainer["check_val_every_n_epoch"] < 1:
        raise UsageError(f"trainer.check_val_every_n_epoch: {trainer['check_val_every_n_epoch']} is less than 1")
    if trainer["gradient_clip_val"] is not None and trainer["gradient_clip_val"] < 0:
        raise UsageError(f"trainer.gradient_clip_val: {trainer['gradient_clip_val']} is less than 0")


def _check_accelerator(name: Any) -> None:
    available = AcceleratorRegistry.available_accelerators()
    wanted = {"gpu": ("cuda", "mps")}.get(name, (name,)) if isinstance(name, str) else ()
    known = [AcceleratorRegistry[kind]["accelerator"] for kind in wanted if kind in available]
    if known and not any(accelerator.is_available() for accelerator in known):
        raise UsageError(f"trainer.accelerator: torch finds no {name} on this machine; leave it out, or give cpu")
