"""Code of a user's own that is wrong, for `bad_inputs.py`."""

OWN = """import lightning as L
import torch
from torch import nn

from models.regularizers import Regularizer


class NoBase(Regularizer):
    def __init__(self):
        self.weight = 1


class NoArguments(Regularizer):
    def penalty(self):
        return 0


class FewArguments(Regularizer):
    def perturb(self, inputs):
        return inputs


class Watching(L.Callback):
    changes_training = False

    def on_train_start(self):
        pass


class WatchingBatches(L.Callback):
    changes_training = False

    def on_train_batch_start(self, trainer):
        pass


class Staged(L.Callback):
    changes_training = False

    def setup(self, trainer):
        pass


class Failing(L.Callback):
    changes_training = False

    def on_fit_start(self, trainer, pl_module):
        raise KeyError("missing")


class Keeping(L.Callback):
    changes_training = False

    def state_dict(self):
        return {"kept": object()}


class Late(L.Callback):
    changes_training = False

    def on_train_epoch_end(self, trainer, pl_module):
        raise RuntimeError("too late")
"""
