"""The classes that a recipe may name, and their arguments."""

import importlib
import inspect

CLASS_MODULES = (
    "models", "models.networks", "models.regularizers", "models.losses", "datamodules", "callbacks",
    "torch.nn", "torch.optim", "torch.optim.lr_scheduler", "lightning.pytorch.callbacks", "lightning.pytorch.profilers",
)  # fmt: skip


def class_names() -> list[str]:
    """Return the names of the classes that a config may want."""
    modules = [importlib.import_module(name) for name in CLASS_MODULES]
    return [name for module in modules for name, _ in inspect.getmembers(module, inspect.isclass)]


def find_class(class_path: str) -> type | None:
    """Return the class at a path ("models.networks.MLP"), None if there is none."""
    module, _, name = class_path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        return None
    return found if isinstance(found, type) else None


def class_arguments(class_path: str) -> dict[str, inspect.Parameter]:
    """Return the arguments of a class and, through `**kwargs`, of its bases; {} if there is no such class."""
    cls = find_class(class_path)
    if cls is None:
        return {}
    found: dict[str, inspect.Parameter] = {}
    for base in inspect.getmro(cls):
        parameters = inspect.signature(vars(base)["__init__"]).parameters if "__init__" in vars(base) else {}
        named = {p.name: p for p in parameters.values() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        found = {key: parameter for key, parameter in named.items() if key != "self"} | found
        if parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            break
    return found
