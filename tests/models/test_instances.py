"""What is passed to a task or a network in a notebook is checked, and a slip of the hand is one line."""

import pytest
from torch import nn
from torch.nn.functional import cross_entropy

from models import Classifier, networks
from models.networks import MLP, Linear, Network
from models.regularizers import MixUp


def task(**given: object) -> Classifier:
    return Classifier(**{"network": Linear((4,), 2), "num_classes": 2} | given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"network": MLP}, r"^network: MLP is a class; make an object of it: MLP\(\.\.\.\)$"),
        ({"network": "mlp"}, "^network: str is not a Module$"),
        ({"loss": nn.CrossEntropyLoss}, "^loss: CrossEntropyLoss is a class; make an object of it"),
        ({"loss": cross_entropy}, "^loss: cross_entropy is a function, not a Module; call it in the forward of one$"),
        ({"regularizers": [MixUp]}, "^regularizers: MixUp is a class; make an object of it"),
        ({"regularizers": "MixUp"}, "^regularizers: str is not a Regularizer$"),
        ({"optimizer": "adam"}, "^optimizer: give a function that makes one, such as functools.partial"),
    ],
)
def test_a_class_a_function_or_a_name_in_place_of_an_object_is_named(given, said) -> None:
    with pytest.raises(ValueError, match=said):
        task(**given)


def test_one_regularizer_is_a_list_of_one() -> None:
    assert [type(item) for item in task(regularizers=MixUp()).regularizers] == [MixUp]


EXPORTED = [getattr(networks, name) for name in networks.__all__]
NETWORKS = [item for item in EXPORTED if isinstance(item, type) and issubclass(item, Network) and item is not Network]


@pytest.mark.parametrize("cls", NETWORKS)
def test_a_number_in_place_of_a_shape_is_named(cls) -> None:
    with pytest.raises(ValueError, match=rf"^{cls.__name__}: input_shape 4 is a number; .* \(4,\)$"):
        cls(4, 2)
    with pytest.raises(ValueError, match="input_shape 4 is a number"):
        cls(input_shape=4, num_classes=2)
