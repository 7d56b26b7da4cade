"""The launcher of a run's processes, by how Lightning would start them."""

from lightning.pytorch.strategies import Strategy
from lightning.pytorch.strategies.launchers.launcher import _Launcher
from lightning.pytorch.strategies.launchers.multiprocessing import _MultiProcessingLauncher
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from scripts.cli.errors import UsageError
from scripts.cli.processes import ProcessLauncher
from scripts.cli.spawned import SpawnLauncher


def check_gathers(job: str, strategy: Strategy) -> None:
    """Check that what processes find reaches this one, for a job that works on: those that it starts itself keep it.

    Raises:
        UsageError: It does not.
    """
    if isinstance(strategy.launcher, _MultiProcessingLauncher):
        method = strategy.launcher._start_method
        raise UsageError(
            f"trainer.strategy: {job} cannot use ddp_{method}, whose processes keep what they find; "
            f"give ddp, or --trainer.devices 1"
        )


def with_own_launcher(strategy: Strategy) -> _Launcher | None:
    """Return the launcher of this project in place of the strategy's, if there is one of its kind."""
    launcher = strategy.launcher
    if type(launcher) is _SubprocessScriptLauncher:
        return ProcessLauncher(launcher.cluster_environment, launcher.num_processes, launcher.num_nodes)
    if type(launcher) is _MultiProcessingLauncher:
        return SpawnLauncher(launcher._strategy, start_method=launcher._start_method)
    return launcher
