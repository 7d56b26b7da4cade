"""The data of a run, built without its model."""

from jsonargparse import Namespace

from datamodules import DataModule
from scripts.cli.building import BUILT, build_object
from scripts.cli.parser import Parser
from scripts.cli.session import seed_process


def build_data(config: Namespace) -> DataModule:
    """Return the data that settings name; it is not read yet, but for what its constructor reads.

    Raises:
        UsageError: Its class refuses its arguments.
    """
    parser = Parser()
    parser.add_lightning_class_args(DataModule, "data", subclass_mode=True)
    builders = [(build_object, kind, True) for kind in BUILT]
    seed_process(config)
    try:
        settings = Namespace({"data": config.data})  # type: ignore[no-untyped-call]
        data: DataModule = parser.instantiate(settings, instantiators=builders).data
    except (ValueError, TypeError) as error:
        parser.error(str(error), error)
    return data
