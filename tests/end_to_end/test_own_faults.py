"""Faults in the code of a user's own file end in one line that names what is at fault, and leave no run behind."""

import operator

import pytest

OWN = """
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import lightning as L
from datamodules import Digits
from models.regularizers import Regularizer


class Net(nn.Module):
    def __init__(self, input_shape, num_classes, hidden=8):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, hidden), nn.ReLU())
        self.head = nn.Linear(hidden, num_classes)

    def forward(self, inputs):
        return self.change(self.head(self.body(inputs)))

    def change(self, outputs):
        return outputs


class Two(Net):
    def change(self, outputs):
        return outputs, outputs


class Nothing(Net):
    def change(self, outputs):
        pass


class Detached(Net):
    def change(self, outputs):
        return outputs.detach()


class MeanOfBatch(Net):
    def change(self, outputs):
        return outputs.mean(0, keepdim=True)


class OneNumber(Net):
    def change(self, outputs):
        return outputs.mean()


class Labels(Net):
    def change(self, outputs):
        return outputs.argmax(-1, keepdim=True).expand(-1, 10)


class Probabilities(Net):
    def change(self, outputs):
        return outputs.softmax(-1)


class Misspelt(Net):
    def change(self, outputs):
        return self.haed(outputs)


class WrongSize(Net):
    def change(self, outputs):
        return self.head(outputs)


class NoBase(nn.Module):
    def __init__(self):
        self.width = 8


class Keywords(nn.Module):
    def __init__(self, **settings):
        super().__init__()
        self.head = nn.Linear(64, settings["num_classes"])


class Misnamed(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.head = nn.Linear(64, nmu_classes)


class Refusing(nn.Module):
    def __init__(self):
        raise ValueError("width is too small")


class LossOfNothing(nn.Module):
    def forward(self, outputs, targets):
        cross_entropy(outputs, targets)


class LossPerSample(nn.Module):
    def forward(self, outputs, targets):
        return cross_entropy(outputs, targets, reduction="none")


class LossOfANumber(nn.Module):
    def forward(self, outputs, targets):
        return torch.tensor(cross_entropy(outputs, targets).item())


class LossMisspelt(nn.Module):
    def forward(self, outputs, targets):
        return outputs.cross_entropy(targets)


class LossWithoutBase(nn.Module):
    def __init__(self):
        self.weight = 1


class InputsAlone(Regularizer):
    def perturb(self, inputs, targets):
        return inputs


class FewInputs(Regularizer):
    def perturb(self, inputs, targets):
        return inputs[:5], targets


class FewTargets(Regularizer):
    def perturb(self, inputs, targets):
        return inputs, targets[:5]


class LabelsAgain(Regularizer):
    def revise(self, outputs, targets):
        return targets.argmax(-1)


class PenaltyPerSample(Regularizer):
    def penalty(self, step):
        return step.outputs.mean(1)


class PenaltyOfANumber(Regularizer):
    def penalty(self, step):
        return 0.0


class PenaltyMisspelt(Regularizer):
    def penalty(self, step):
        return step.logits.mean()


class NaNPenalty(Regularizer):
    def penalty(self, step):
        return 0 * step.outputs.sum() / 0


class NoHook(Regularizer):
    def perturbe(self, inputs, targets):
        return inputs, targets


class Watch(L.Callback):
    changes_training = False

    def on_train_epoch_end(self, trainer, module):
        trainer.callback_metrics["val/acc"]


class Unready(L.Callback):
    def __init__(self):
        self.kept = {}["kept"]


class Reporting(L.Callback):
    changes_training = False

    def summary(self, best):
        return {"mine": torch.ones(2)}

    def summary_lines(self, best):
        return [best["val/acc"]]

    def command_lines(self, checkpoint):
        return "one line"


class Data(Digits):
    def load(self):
        return misnamed


class DataWithoutBase(Digits):
    def __init__(self):
        self.kept = 1
"""
DIGITS = "fit -c configs/digits.yaml --trainer.max_epochs 1"


def line_of(text: str) -> int:
    """Return the number of the line of `OWN` that holds a text."""
    return next(number for number, line in enumerate(OWN.splitlines(), 1) if text in line)


@pytest.fixture(scope="module")
def own(new_desk):
    """A desk beside a file `faulty.py`, and files that cannot be imported."""
    desk = new_desk()
    (desk.folder / "faulty.py").write_text(OWN)
    (desk.folder / "unimportable.py").write_text("class Net:\n    width = misnamed\n")
    (desk.folder / "unparsable.py").write_text("class Net(:\n")
    return desk


def refusal(own, flags: str) -> str:
    """Return the one line with which a training is refused; it leaves no run."""
    error = own.here(*f"{DIGITS} {flags}".split(), status=2).stderr
    lines = [line for line in error.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1
    assert lines[0].startswith("holdout: error: ")
    left = own.folder.glob("runs/digits/*")  # after the first step, the traceback
    assert all((folder / "traceback.txt").is_file() for folder in left)
    return lines[0].removeprefix("holdout: error: ")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--model.network faulty.Two", "network: Two gives a tuple, not a tensor of outputs; return the tensor alone"),
        ("--model.network faulty.Nothing", "network: Nothing gives None, not a tensor of outputs; does its forward"),
        ("--model.network faulty.Detached", "network: Detached gives outputs without a gradient; does it call detach"),
        ("--model.network faulty.MeanOfBatch", "network: MeanOfBatch gives outputs (1, 10) for 144 inputs"),
        ("--model.network faulty.OneNumber", "the network gives logits (); labels (N,) need (N, C)"),
        ("--model.network faulty.Probabilities", "network: its outputs are probabilities; leave its last softmax out"),
        ("--model.network faulty.Labels", "network: Labels gives outputs of the type int64; they must be floats"),
        ("--model.loss faulty.LossOfNothing", "loss: LossOfNothing must return a scalar tensor, gave None"),
        ("--model.loss faulty.LossPerSample", "loss: LossPerSample must return a scalar tensor, gave (7,)"),
        ("--model.loss faulty.LossOfANumber", "loss: LossOfANumber gives a value without a gradient"),
        ("--model.regularizers+ faulty.InputsAlone", "InputsAlone.perturb must return inputs and targets, a pair"),
        ("--model.regularizers+ faulty.FewInputs", "FewInputs.perturb must return as many inputs as it was given: 64"),
        ("--model.regularizers+ faulty.FewTargets", "FewTargets.perturb must return targets like those it was given"),
        ("--model.regularizers+ faulty.LabelsAgain", "LabelsAgain.revise must return targets like those it was given"),
        ("--model.regularizers+ faulty.PenaltyPerSample", "PenaltyPerSample.penalty must return a scalar tensor"),
        ("--model.regularizers+ faulty.PenaltyOfANumber", "PenaltyOfANumber.penalty must return a scalar tensor"),
        ("--model.regularizers+ faulty.NaNPenalty", "the penalty of NaNPenalty is nan at step 1, epoch 1"),
        ("--model.regularizers+ faulty.NoHook", "regularizers: NoHook does nothing: it has no perturb"),
    ],
)
def test_what_an_object_returns_is_checked_and_its_class_named(own, flags, said) -> None:
    assert refusal(own, flags).startswith(said)


@pytest.mark.parametrize(
    ("flags", "function", "line", "said"),
    [
        ("--model.network faulty.Misspelt", "Misspelt.change", "self.haed", "AttributeError: 'Misspelt' object"),
        ("--model.loss faulty.LossMisspelt", "LossMisspelt.forward", "outputs.cross_entropy", "AttributeError: 'Tens"),
        ("--model.regularizers+ faulty.PenaltyMisspelt", "PenaltyMisspelt.penalty", "step.logits", "AttributeError:"),
        ("--trainer.callbacks+ faulty.Watch", "Watch.on_train_epoch_end", '_metrics["val/acc"]', "KeyError: 'val/acc'"),
        ("--data faulty.Data", "Data.load", "return misnamed", "NameError: name 'misnamed' is not defined"),
    ],
)
def test_an_error_in_a_users_own_code_is_one_line_with_file_and_line(own, flags, function, line, said) -> None:
    told = refusal(own, flags)
    assert told.startswith(f"faulty.py:{line_of(line)} in {function}: {said}")
    assert "(HOLDOUT_DEBUG=1 shows the traceback)" in told or "(traceback in runs/digits/" in told


def test_the_variable_shows_the_traceback(own, monkeypatch) -> None:
    monkeypatch.setenv("HOLDOUT_DEBUG", "1")
    with pytest.raises(AttributeError, match="haed"):
        own.here(*f"{DIGITS} --model.network faulty.Misspelt".split())


def test_an_error_in_code_of_ours_is_one_line_and_shows_its_traceback_on_demand(own, monkeypatch) -> None:
    monkeypatch.setattr("models.evaluated.EvaluatedModule.unpack", operator.attrgetter("ours"))  # has no frame
    assert "AttributeError: 'tuple' object has no attribute 'ours'" in refusal(own, "")
    monkeypatch.setenv("HOLDOUT_DEBUG", "1")
    with pytest.raises(AttributeError, match="ours"):
        own.here(*DIGITS.split())


@pytest.mark.parametrize(
    ("flags", "line", "said"),
    [
        ("--model.network faulty.Misnamed", "nmu_classes", "Misnamed: NameError: name 'nmu_classes' is not defined"),
        ("--model.network faulty.Refusing", "is too small", "Refusing: width is too small"),
        ("--model.network faulty.Keywords", 'settings["num', "__init__(self, num_classes, ...)"),
        ("--model.network faulty.Net --model.network.hidden abc", "nn.Linear(64, hidden)", "hidden is 'abc'"),
        ("--trainer.callbacks+ faulty.Unready", '{}["kept"]', "Unready: KeyError: 'kept'"),
    ],
)
def test_an_error_in_a_constructor_names_class_and_place(own, flags, line, said) -> None:
    told = refusal(own, flags)
    assert said in told
    assert f"faulty.py:{line_of(line)} in " in told


@pytest.mark.parametrize(
    "flags",
    ["--model.network faulty.NoBase", "--model.loss faulty.LossWithoutBase", "--data faulty.DataWithoutBase"],
)
def test_a_constructor_that_does_not_call_its_bases_is_told_to(own, flags) -> None:
    assert refusal(own, flags).endswith(": its __init__ must call super().__init__() first")


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("unimportable.Net", "model.network: name 'misnamed' is not defined (NameError, unimportable.py:2 in Net)"),
        ("unparsable.Net", "model.network: invalid syntax (unparsable.py, line 1)"),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_its_line(own, network, said) -> None:
    assert refusal(own, f"--model.network {network}") == said
    assert own.here("fit", "--model.network.help", network, status=2).stderr.startswith("holdout: error: un")


def test_a_network_that_does_not_take_the_inputs_is_named_with_its_line(own) -> None:
    told = refusal(own, "--model.network faulty.WrongSize")
    assert told.startswith("network: WrongSize does not take inputs (144, 1, 8, 8): mat1 and mat2")
    assert f"(faulty.py:{line_of('return self.head(outputs)')} in WrongSize.change; HOLDOUT_DEBUG=1" in told


def test_a_batch_of_one_is_told_what_batch_norm_needs(own) -> None:
    assert "raise data.batch_size, or leave out a last batch of one with --data.drop_last true" in refusal(
        own, "--data.batch_size 1"
    )


def test_a_callback_that_cannot_add_to_the_report_is_left_out_of_it(own, recwarn) -> None:
    told = own.here(*f"{DIGITS} --name reported --trainer.callbacks+ faulty.Reporting".split())
    assert "best epoch 1 of 1" in told.stdout
    assert "test it     holdout test" in told.stdout
    summary = (own.folder / "runs" / "reported" / "version_0" / "summary.json").read_text()
    assert "best_is_last" in summary
    warned = [str(warning.message) for warning in recwarn if "Reporting" in str(warning.message)]
    assert len(warned) == 3
    assert "Reporting.summary is left out: TypeError: Object of type Tensor is not JSON" in warned[0]
    assert f"KeyError: 'val/acc' (faulty.py:{line_of('best[')} in Reporting.summary_lines)" in warned[1]
    assert "Reporting.command_lines is left out: TypeError: it must return a list of lines" in warned[2]


FEW = "class Net:\n    pass\n\n\nclass Wide(Net):\n    pass\n\n\ndef helper():\n    pass\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("few.nett", "there is no class few.nett; did you mean few.Net?"),
        ("few.Wid", "there is no class few.Wid; did you mean few.Wide?"),
        ("few.Xylophone", "there is no class few.Xylophone; few.py has few.Net, few.Wide"),
        ("few", "there is no class 'few'; few.py has few.Net, few.Wide"),
        ("wide", "there is no class 'wide'; did you mean few.Wide?"),
    ],
)
def test_a_name_that_no_class_has_is_answered_from_the_users_own_files(own, name, said) -> None:
    (own.folder / "few.py").write_text(FEW)
    assert refusal(own, f"--model.network {name}") == f"model.network: {said}"
    page = own.here("fit", "--model.network.help", name, status=2).stderr
    assert (
        page == f"holdout: error: --model.network.help: {said.replace(name, repr(name), 1) if '.' in name else said}\n"
    )


def test_arguments_without_a_type_are_explained_by_their_defaults(own) -> None:
    page = own.here("fit", "--model.network.help", "faulty.Net").stdout
    assert "--model.network.hidden int" in page
    assert "(default: 8)" in page
    assert "_empty" not in page
