"""Imports a job without what its libraries import for parts of theirs that most runs never use: a third of the start.

torchmetrics imports `scipy.signal` for metrics of sound; torchvision, Lightning and every optimizer import
`torch._dynamo`, the compiler of torch; scikit-learn imports pandas and `scipy.stats`. A stand-in takes their place:
what is asked of it imports the module, which is found as ever afterwards.
"""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from importlib import import_module
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo"
# What libraries take from a module when they are imported, and do not use until later.
FUNCTIONS = {"scipy.signal": ("hamming",), "scipy.stats": ("rankdata",), f"{COMPILER}.utils": ("is_compile_supported",)}
CLASSES = {COMPILER: ("OptimizedModule",)}
NOTHING = ("pandas",)  # scikit-learn looks at it when it is given a table


def import_without_unused(name: str) -> ModuleType:
    """Return a module, imported together with scikit-learn if it handles data.

    A library that asks for more than it did when this was written is imported in the usual way. What is imported is
    left out of all searches for garbage: Python would search what torch and Lightning load six times meanwhile, which
    takes half a second in all, and again in the middle of an epoch.
    """
    if name in sys.modules:
        return import_module(name)  # another thread may still be at it
    searches = gc.isenabled()
    gc.disable()
    try:
        return _import_without_unused(name)
    finally:
        gc.freeze()
        if searches:
            gc.enable()


def _import_without_unused(name: str) -> ModuleType:
    with suppress(ImportError), _stand_ins():
        module = import_module(name)
        if "datamodules" in sys.modules:
            import_module("sklearn.model_selection")
        if "torch.optim" in sys.modules:
            _spare_optimizers_the_compiler()
        return module
    module = import_module(name)
    _give_submodules_to_their_packages()
    return module


@contextmanager
def _stand_ins() -> Iterator[None]:
    for name in (*FUNCTIONS, *CLASSES, *NOTHING):
        sys.modules.setdefault(name, _StandIn(name))
    try:
        yield
    finally:
        _remove_stand_ins()


def _give_submodules_to_their_packages() -> None:
    """Make up for what Python leaves out: a package that is imported again lacks the submodules of the first time."""
    for name, module in list(sys.modules.items()):
        package, _, short = name.rpartition(".")
        if package in sys.modules and short not in vars(sys.modules[package]):
            setattr(sys.modules[package], short, module)


def _remove_stand_ins() -> None:
    """Let the next imports be those of the real modules."""
    for name in (*FUNCTIONS, *CLASSES, *NOTHING):
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]


class _StandIn(ModuleType):
    """Takes the place of a module that is not imported yet."""

    def __getattr__(self, name: str) -> Any:
        if name in FUNCTIONS.get(self.__name__, ()):
            return lambda *args, **kwargs: self._real(name)(*args, **kwargs)
        if name in CLASSES.get(self.__name__, ()):
            return _ClassOfUnusedModule(name, (), {"__module__": self.__name__})
        if (self.__name__, name) == (COMPILER, "disable"):
            return _disable
        if name.startswith("__"):
            raise AttributeError(name)
        return self._real(name)

    def _real(self, name: str) -> Any:
        _remove_stand_ins()  # of all: this module may import the others
        return getattr(import_module(self.__name__), name)


class _ClassOfUnusedModule(type):
    """A class that has no instances until its module is imported."""

    def __instancecheck__(cls, instance: object) -> bool:
        module = sys.modules.get(cls.__module__)
        return module is not None and isinstance(instance, getattr(module, cls.__name__))


def _disable(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Mark a function as not to be compiled, as `torch._dynamo.disable` does, once there is a compiler to see it."""
    marked: list[Callable[..., Any]] = []

    @wraps(function)
    def called(*call_args: Any, **call_kwargs: Any) -> Any:
        if COMPILER not in sys.modules:
            return function(*call_args, **call_kwargs)
        if not marked:
            marked.append(import_module(COMPILER).disable(function, *args, **kwargs))
        return marked[0](*call_args, **call_kwargs)

    return called


def _spare_optimizers_the_compiler() -> None:
    """Keep optimizers from importing the compiler, which they tell what not to compile, before anything is compiled."""
    from torch.optim import Optimizer

    for method in vars(Optimizer).values():
        function = getattr(method, "__wrapped__", None)
        if function is not None and not hasattr(function, "__dynamo_disable"):
            setattr(function, "__dynamo_disable", _disable(function, wrapping=False))
    for optimizer in Optimizer.__subclasses__():
        step: Any = vars(optimizer).get("step")
        if getattr(getattr(step, "__code__", None), "co_name", "") == "_use_grad":
            optimizer.step = _without_compiler(step)  # type: ignore[method-assign]


def _without_compiler(step: Any) -> Callable[..., Any]:
    """Return the step of one of torch's optimizers, with gradients recorded if it is differentiable, as in torch."""
    import torch

    plain: Callable[..., Any] = step.__wrapped__

    @wraps(plain)
    def called(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        if COMPILER in sys.modules:
            return step(optimizer, *args, **kwargs)
        with torch.set_grad_enabled(optimizer.defaults["differentiable"]):
            return plain(optimizer, *args, **kwargs)

    return called
