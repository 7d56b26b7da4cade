"""In a notebook nothing but the class itself checks what an argument is: each mistake is one line that names it."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR

from datamodules import DataError, DataModule, Digits, HorizontalFlip, Samples, SplitOptions
from models import Classifier, MultiLabelClassifier, Regressor, networks, regularizers

SHAPE = (1, 8, 8)
WEIGHT = [torch.zeros(1, requires_grad=True)]


def classifier(**options):
    return Classifier(**{"network": networks.MLP(SHAPE, 10, widths=[8]), "num_classes": 10} | options)


class Unready(regularizers.Regularizer):
    def __init__(self, strength):
        self.strength = strength

    def penalty(self, step):
        return step.outputs.sum()


class UnreadyNet(networks.Network):
    def __init__(self):
        self.width = 1


class UnreadyData(DataModule):
    class_names = ("cat", "dog")
    input_shape = (2,)

    def __init__(self):
        self.batch = 1

    def load(self):
        return Samples(torch.rand(40, 2), torch.arange(40) % 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: networks.MLP(4, 2, widths=[16]), "MLP: input_shape 4 is not a tuple of whole numbers: write (4,)"),
        (lambda: networks.ResNet(32, 2), "ResNet: input_shape 32 is not a tuple of whole numbers: write (32,)"),
        (lambda: networks.MLP(("4",), 2), "MLP: input_shape[0] '4' is not a whole number"),
        (lambda: networks.MLP((4,), 2, widths=16), "MLP: widths 16 is not a list of whole numbers: write [16]"),
        (lambda: networks.MLP((4,), "2"), "MLP: num_classes '2' is not a whole number"),
        (lambda: networks.MLP((4,), 2, activation="rleu"), "MLP: activation 'rleu' is not one of relu, gelu,"),
        (lambda: networks.MLP((4,), 2, dropout="0.5"), "MLP: dropout '0.5' is not a number"),
        (lambda: regularizers.MixUp("0.2"), "MixUp: alpha '0.2' is not a number"),
        (lambda: classifier(network=networks.MLP), "Classifier: network (the class MLP) is not a Network or an nn.Mod"),
        (lambda: classifier(network="mlp"), "Classifier: network 'mlp' is not a Network or an nn.Module"),
        (lambda: classifier(network=UnreadyNet()), "Classifier: network: the __init__ of UnreadyNet must call super()"),
        (lambda: classifier(num_classes=("a", "b")), "Classifier: num_classes ('a', 'b') is not a whole number"),
        (lambda: classifier(loss=nn.functional.cross_entropy), "Classifier: loss (the function cross_entropy) is not "),
        (lambda: classifier(loss=nn.CrossEntropyLoss), "Classifier: loss (the class CrossEntropyLoss) is not a Class"),
        (lambda: classifier(regularizers=regularizers.L2), "Classifier: regularizers (the class L2) is not a list of "),
        (
            lambda: classifier(regularizers=[regularizers.L2]),
            "Classifier: regularizers[0] (the class L2) is not a Regularizer: call it, L2(...)",
        ),
        (lambda: classifier(regularizers="mixup"), "Classifier: regularizers 'mixup' is not a list of Regularizer"),
        (lambda: classifier(regularizers=[Unready(1)]), "Classifier: regularizers: the __init__ of Unready must call"),
        (lambda: classifier(regularizers=Unready(1)), "Classifier: regularizers: the __init__ of Unready must call su"),
        (lambda: classifier(optimizer="adam"), "optimizer: give a function that makes one, such as functools.partial("),
        (lambda: classifier(optimizer=SGD(WEIGHT)), "optimizer: give a function that makes one, such as functools.par"),
        (lambda: classifier(lr_scheduler=StepLR(SGD(WEIGHT), 1)), "lr_scheduler: give a function that makes one, suc"),
        (lambda: Regressor(networks.MLP((4,), 1), 0.5, [1.0]), "Regressor: target_mean 0.5 is not a list of numbers:"),
        (lambda: Digits(batch_size="64"), "Digits: batch_size '64' is not a whole number"),
        (lambda: Digits(batch_size=64.0), "Digits: batch_size 64.0 is not a whole number"),
        (lambda: Digits(drop_last="false"), "Digits: drop_last 'false' is not True or False"),
        (lambda: Digits(split={"seed": 1}), "Digits: split (a dict) is not a SplitOptions"),
        (lambda: Digits(label_noise=0.2), "Digits: label_noise 0.2 is not a LabelNoise"),
        (lambda: Digits(mean=0.5, std=0.2), "Digits: mean 0.5 is not a list of numbers: write [0.5]"),
        (lambda: Digits(augmentation=["flip"]), "Digits: augmentation[0] 'flip' is not an Augmentation"),
        (lambda: Digits(augmentation=[HorizontalFlip]), "Digits: augmentation[0] (the class HorizontalFlip) is not an"),
        (lambda: UnreadyData().setup(), "UnreadyData: its __init__ must call super().__init__() first"),
        (lambda: UnreadyData().train_dataloader(), "UnreadyData: its __init__ must call super().__init__() first"),
    ],
)
def test_an_argument_of_another_kind_is_refused_by_its_name(make, message):
    with pytest.raises((ValueError, DataError)) as refused:
        make()
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_what_python_people_pass_for_these_kinds_is_taken():
    networks.MLP(torch.zeros(2, *SHAPE).shape[1:], np.int64(10), widths=(8,), dropout=np.float32(0.5))
    networks.MLP([1, 8, 8], 10, [np.int64(8)], dropout=0)
    classifier(regularizers=(regularizers.L2(1),), num_classes=torch.tensor(10))
    assert len(Digits(augmentation=HorizontalFlip()).augmentation) == 1
    assert Digits(split=SplitOptions(seed=np.int64(3)), batch_size=np.int64(3), mean=(0.1,), std=(1,)).batch_size == 3


def test_a_class_of_ones_own_decides_itself_what_it_takes():
    class Wide(networks.MLP):
        def __init__(self, input_shape, num_classes, widths):
            super().__init__(input_shape, num_classes, [8] * widths)

    assert len(Wide((4,), 2, 3).init_args) == 3
    assert Wide((4,), 2, widths=3).head.in_features == 8


@pytest.mark.parametrize("task", [Classifier, MultiLabelClassifier])
def test_another_mistake_is_left_to_python(task):
    with pytest.raises(TypeError, match=r"num_classes|num_labels|class_counts|unexpected"):
        task(networks.MLP(SHAPE, 10), no_such=3)
