"""A network whose last operation cannot give what the task makes of its outputs is refused, or warned of, at once."""

import inspect
import warnings

import lightning as L
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from datamodules import Diabetes, Digits
from models import Classifier, MultiLabelClassifier, Regressor, TrainingError
from models.last_operation import output_range
from models.networks import Linear
from models.regularizers import LabelSmoothing
from tests.digit_labels import DigitLabels, OneLabel


class Ending(nn.Module):
    """A linear network that ends in a function."""

    def __init__(self, network, function):
        super().__init__()
        self.network, self.function = network, function

    def forward(self, inputs):
        return self.function(self.network(inputs))


def fit(quiet_trainer, kind, function, loss=None, regularizers=(), **options):
    L.seed_everything(0, verbose=False)
    data = {"labels": DigitLabels, "label": OneLabel, "classes": Digits, "values": Diabetes}[kind](batch_size=300)
    outputs = {"labels": 3, "label": 1, "classes": 10, "values": 1}[kind]
    network = Ending(Linear(data.input_shape, outputs), function)
    given = {"loss": loss, "regularizers": list(regularizers)}
    if kind == "values":
        task = Regressor(network, data.target_mean, data.target_std, **given)
    else:
        task = (Classifier if kind == "classes" else MultiLabelClassifier)(network, outputs, **given)
    quiet_trainer(max_steps=1, limit_val_batches=0, **options).fit(task, data)


BETWEEN = r"^network: its last operation is {}, so that its outputs {}; "
SIGMOID = BETWEEN.format("sigmoid", "lie between 0 and 1")
RELU = BETWEEN.format("ReLU", "are 0 or more")
LABELS = "the logits of labels are above 0 for yes and below 0 for no: leave it out"
REFUSED = [
    ("classes", nn.Sigmoid(), SIGMOID + "the logits of classes can be any number: leave it out$"),
    ("classes", nn.Hardsigmoid(), "last operation is hardsigmoid"),
    ("classes", nn.LogSigmoid(), BETWEEN.format("log-sigmoid", "are 0 or less")),
    ("classes", nn.Softmax(-1), "^network: its outputs are probabilities; leave its last softmax out"),
    ("classes", nn.Softmax(0), "^network: its outputs are probabilities"),
    ("classes", lambda x: F.softmax(torch.cat([x, x[:, :1]], 1), -1)[:, :10], "^network: its outputs are probabil"),
    ("classes", nn.LogSoftmax(0), r"^network: its last log-softmax is not over the classes: use nn.LogSoftmax\(-1\)$"),
    *((kind, nn.Sigmoid(), f"{SIGMOID}{LABELS}, and use BCEWithLogitsLoss, which ") for kind in ("labels", "label")),
    ("labels", nn.Softmax(-1), f"is softmax, so that its outputs lie between 0 and 1; {LABELS}$"),
    ("labels", nn.LogSoftmax(-1), f"is log-softmax, so that its outputs are 0 or less; {LABELS}$"),
    ("labels", nn.LogSigmoid(), "is log-sigmoid.*and use BCEWithLogitsLoss"),
    ("label", nn.ReLU(), RELU + LABELS),
    ("label", nn.Softplus(), "is softplus, so that its outputs are 0 or more"),
    *(
        ("values", last, "the standardised targets have mean 0 and standard deviation 1, on both sides of 0: leave it")
        for last in (nn.Sigmoid(), nn.Softmax(-1), nn.LogSoftmax(-1), nn.Softplus(), torch.exp, nn.ReLU(), nn.ReLU6(),
                     nn.Tanh(), nn.Hardtanh(), nn.GELU(), nn.SiLU(), torch.abs, lambda x: x.clamp(min=0),
                     lambda x: x.clamp_max(0.1))
    ),
]  # fmt: skip


def named(value):
    """Return a test's name for a value; an address in it would differ between processes."""
    return None if inspect.isroutine(value) else repr(value)[:30]


@pytest.mark.parametrize(("kind", "function", "said"), REFUSED, ids=named)
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_it_is_refused_before_the_first_step(quiet_trainer, kind, function, said, precision):
    with pytest.raises(TrainingError, match=said) as refused:
        fit(quiet_trainer, kind, function, precision=precision)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("function", [nn.ReLU(), nn.Tanh(), nn.Softplus(), nn.GELU(), nn.ELU(), nn.ReLU6()], ids=repr)
def test_logits_that_can_hardly_be_sure_are_warned_of(quiet_trainer, function):
    for kind in ["classes"] + ([] if isinstance(function, nn.ReLU | nn.Softplus | nn.ReLU6) else ["labels"]):
        with pytest.warns(UserWarning, match=r"^network: its last operation is .*; logits can be any number: leave it"):
            fit(quiet_trainer, kind, function)


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        *((kind, nn.Identity()) for kind in ("classes", "labels", "label", "values")),
        *((kind, nn.LeakyReLU()) for kind in ("classes", "labels", "label", "values")),
        ("classes", nn.LogSoftmax(-1)),
        ("classes", lambda x: 20 * x.tanh()),
        ("labels", lambda x: x.clamp(-20, 20)),
        ("values", lambda x: 5 * x.sigmoid() - 2.5),
        ("values", nn.Hardtanh(-4, 4)),
    ],
    ids=named,
)
def test_what_can_give_any_answer_is_trained_without_a_word(quiet_trainer, kind, function):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(quiet_trainer, kind, function)
    assert not [warning for warning in caught if "last operation" in str(warning.message)]


def test_the_network_is_blamed_and_not_a_loss_that_takes_probabilities(quiet_trainer):
    with pytest.raises(TrainingError, match=r"^network: its last operation is sigmoid"):
        fit(quiet_trainer, "classes", nn.Sigmoid(), nn.BCELoss(), [LabelSmoothing(0.1)])


@pytest.mark.parametrize(
    "changed",
    [
        lambda x: x.view(4, 2, 3),
        lambda x: x.bfloat16().float(),
        lambda x: x[torch.arange(3), 1:],
        lambda x: x.unsqueeze(1).squeeze(1).transpose(0, 1).contiguous(),
    ],
)
def test_a_change_of_shape_or_precision_hides_nothing(changed):
    outputs = nn.Linear(6, 6)(torch.randn(4, 6))
    assert output_range(changed(outputs.tanh()))[1:] == (-1, 1)
    assert output_range(changed(outputs.clamp(-2, 3)))[1:] == (-2, 3)
    assert output_range(changed(outputs)) is None
    assert output_range(outputs.detach()) is None


def test_a_functional_sigmoid_of_labelled_steps_is_found(quiet_trainer):
    task = Classifier(Ending(nn.Linear(3, 2), torch.sigmoid), 2)
    task._loss_untried = True
    with pytest.raises(TrainingError, match="last operation is sigmoid"):
        task.training_step((torch.randn(4, 5, 3), torch.randint(2, (4, 5))), 0)
