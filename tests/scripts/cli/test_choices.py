from models import Classifier, WarmupCosine
from scripts.cli.choices import class_names, package_names
from scripts.cli.constructor import class_arguments


def test_arguments_of_a_class_include_those_it_passes_on() -> None:
    arguments = class_arguments("models.Classifier")
    assert {"network", "num_classes", "loss", "optimizer", "regularizers"} <= set(arguments)
    assert not {"self", "kwargs"} & set(arguments)
    assert arguments["layer_decay"].default == 1


def test_what_is_no_class_has_no_arguments() -> None:
    assert not class_arguments("models.NoSuchThing")
    assert not class_arguments("no_such_module.Thing")
    assert not class_arguments("nonsense")
    assert not class_arguments("models.TrainingError")


def test_names_are_those_a_recipe_may_use() -> None:
    names = {Classifier.__name__, WarmupCosine.__name__, "MLP", "Digits", "AdamW", "StepLR", "ModelCheckpoint"}
    assert names <= set(class_names())


def test_packages_are_those_a_recipe_may_name_classes_of() -> None:
    packages = {"models.networks", "torch.optim", "torch.optim.lr_scheduler", "lightning.pytorch.callbacks"}
    assert packages <= set(package_names())
