"""A `perturb` that returns something else is named, with weights of samples and without, wherever it stands."""

import pytest
import torch

from models import Classifier, TrainingError
from models.networks import MLP, Recurrent
from models.regularizers import RandomMix, Regularizer, Scheduled
from models.regularizers.mixing import Mixing


def forgets(returned, base=Regularizer):
    return type("Forgets", (base,), {"perturb": lambda self, *batch: returned(*batch), "strength": "alpha", "alpha": 1})


def calling_the_base_class(returned):
    def perturb_weighted(self, *batch):
        return Regularizer.perturb_weighted(self, *batch)

    kind = forgets(returned)
    kind.perturb_weighted = perturb_weighted
    return kind()


PLACES = {
    "in the list": lambda returned: forgets(returned)(),
    "in a RandomMix": lambda returned: RandomMix([forgets(returned)()]),
    "in RandomMixes": lambda returned: RandomMix([RandomMix([forgets(returned)()])]),
    "scheduled": lambda returned: Scheduled(forgets(returned)(), 3),
    "scheduled in a RandomMix": lambda returned: RandomMix([Scheduled(forgets(returned)(), 3)]),
    "mixing samples": lambda returned: forgets(returned, Mixing)(1.0),
    "with weights by the base class": calling_the_base_class,
}
RETURNED = {
    "inputs and targets, a pair, not None": lambda inputs, targets: None,
    r"inputs and targets, a pair, not \(4, 1, 8, 8\) float32": lambda inputs, targets: inputs,
    "inputs and targets, a pair, not a tuple": lambda inputs, targets: (inputs, targets, targets),
    "inputs and targets, a pair, not a list": lambda inputs, targets: [inputs, targets],
    r"inputs of the kind it was given, \(4, 1, 8, 8\) float32, not None": lambda inputs, targets: (None, targets),
    "inputs of the kind it was given, .*, not a ndarray": lambda inputs, targets: (inputs.numpy(), targets),
    "inputs of the kind it was given, .* int64": lambda inputs, targets: (inputs.long(), targets),
    "inputs of the kind it was given, .* float64": lambda inputs, targets: (inputs.double(), targets),
    r"inputs of the kind it was given, .*, not \(\) float32": lambda inputs, targets: (inputs.sum(), targets),
    "as many inputs as it was given: 4, not 2": lambda inputs, targets: (inputs[:2], targets[:2]),
    "targets like those it was given, .*, not None": lambda inputs, targets: (inputs, None),
    "targets like those it was given, .* int64": lambda inputs, targets: (inputs, targets.argmax(1)),
    r"targets like those it was given, .*, not \(2, ": lambda inputs, targets: (inputs, targets[:2]),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("said", RETURNED)
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_named_in_one_line(said, place, weighted):
    task = Classifier(MLP((1, 8, 8), 10, [4]), 10, regularizers=[PLACES[place](RETURNED[said])])
    batch = [torch.rand(4, 1, 8, 8), torch.arange(4), *([torch.ones(4)] if weighted else [])]
    with pytest.raises(TrainingError, match=rf"^Forgets\.perturb must return {said}") as refused:
        task.training_step(batch, 0)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "returned", [lambda several, targets: (several[0], targets), lambda several, targets: (several[:1], targets)]
)
def test_sequences_stay_with_their_lengths(returned):
    task = Classifier(Recurrent((5, 3), 2, hidden_size=4), 2, regularizers=[forgets(returned)()])
    batch = (torch.rand(4, 5, 3), torch.tensor([5, 4, 3, 2])), torch.zeros(4, dtype=torch.int64), torch.ones(4)
    said = r"inputs of the kind it was given, \(4, 5, 3\) float32 and \(4,\) int64, not \(4, 5, 3\) float32"
    with pytest.raises(TrainingError, match=rf"^Forgets\.perturb must return {said}"):
        task.training_step(batch, 0)
