"""A stranger's checkpoint must not choose what is imported."""

import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from callbacks import CheckpointError
from models.trusted import untrusted
from scripts.cli.checkpoint_config import CONFIG_KEY, read_config

CONFIG: dict[str, Any] = {
    "seed_everything": 3,
    "model": {
        "class_path": "models.Classifier",
        "init_args": {
            "network": {"class_path": "models.networks.MLP", "init_args": {"widths": [8]}},
            "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}},
            "lr_scheduler": None,
            "loss": None,
            "regularizers": [{"class_path": "models.regularizers.DisturbLabel"}],
        },
    },
    "data": {"class_path": "datamodules.Digits", "init_args": {"augmentation": None}},
    "trainer": {"max_epochs": 7, "callbacks": None, "precision": "bf16-mixed"},
}
SAVED = Path("stranger.ckpt")


def save(config: object) -> None:
    text = config if isinstance(config, str) else yaml.safe_dump(config)
    torch.save({"state_dict": {}, CONFIG_KEY: text}, SAVED)


def changed(*keys: str, value: object) -> dict[str, Any]:
    """`CONFIG` with one value put in another's place."""
    config = deepcopy(CONFIG)
    place = config
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return config


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """A package `evil` on the path; tells whether it was imported."""
    marker = tmp_path / "marker"
    source = f"import torch\nopen({str(marker)!r}, 'w')\nclass Net(torch.nn.Linear): pass\n"
    for name in ("evil", "models_evil"):
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    yield marker.exists
    for name in ("evil", "models_evil"):
        sys.modules.pop(name, None)


def test_model_data_and_precision_are_kept_and_nothing_else() -> None:
    save(CONFIG)
    assert read_config(SAVED) == {
        "model": CONFIG["model"],
        "data": CONFIG["data"],
        "trainer": {"precision": "bf16-mixed"},
    }


def test_a_precision_that_was_not_set_is_left_to_the_trainer() -> None:
    save(changed("trainer", "precision", value=None))
    assert read_config(SAVED).keys() == {"model", "data"}


ARGUMENTS = ("model", "init_args")
HIDING_PLACES = {
    "the network": changed(*ARGUMENTS, "network", "class_path", value="evil.Net"),
    "the network, as a string": changed(*ARGUMENTS, "network", value="evil.Net"),
    "the optimizer, as a string": changed(*ARGUMENTS, "optimizer", value="evil.Net"),
    "the schedule": changed(*ARGUMENTS, "lr_scheduler", value={"class_path": "evil.Net"}),
    "the schedule, as a string": changed(*ARGUMENTS, "lr_scheduler", value="evil.Net"),
    "the loss": changed(*ARGUMENTS, "loss", value={"class_path": "evil.Net", "init_args": {}}),
    "a regularizer": changed(*ARGUMENTS, "regularizers", value=[{"class_path": "evil.Net"}]),
    "a regularizer, as a string": changed(*ARGUMENTS, "regularizers", value=["evil.Net"]),
    "an appended regularizer": changed(*ARGUMENTS, "regularizers+", value=["evil.Net"]),
    "an augmentation, as a string": changed("data", "init_args", "augmentation", value=["evil.Net"]),
    "the model": changed("model", "class_path", value="evil.Net"),
    "the model, as a string": changed("model", value="evil.Net"),
    "the data, as a string": changed("data", value="evil.Net"),
    "a dotted key": changed(*ARGUMENTS, "network.class_path", value="evil.Net"),
    "a dotted key of an argument": changed("model", "init_args.network", value="evil.Net"),
    "free arguments": changed("model", "dict_kwargs", value={"network": "evil.Net"}),
    "a package with a trusted one's beginning": changed(*ARGUMENTS, "loss", value={"class_path": "models_evil.Net"}),
}


@pytest.mark.parametrize("config", HIDING_PLACES.values(), ids=HIDING_PLACES.keys())
def test_a_foreign_class_is_refused_and_not_imported_wherever_it_hides(complaint, imported, config) -> None:
    save(config)
    message = complaint("test", "--ckpt_path", str(SAVED))
    assert not imported()
    assert str(SAVED) in message
    assert "evil.Net" in message


@pytest.mark.parametrize("place", ["model", "network", "optimizer", "loss"])
def test_a_file_named_in_place_of_a_class_is_not_read(complaint, imported, place) -> None:
    Path("settings.yaml").write_text("class_path: evil.Net\n")
    keys = ("model",) if place == "model" else (*ARGUMENTS, place)
    save(changed(*keys, value="settings.yaml"))
    complaint("test", "--ckpt_path", str(SAVED))
    assert not imported()


TEXT_TYPES = {
    "YAML of a class": "{class_path: os.system}",
    "YAML of a class in lines": "class_path: evil.Net\ninit_args: {}",
    "YAML of a list of classes": "[{class_path: evil.Net}]",
    "a tagged object": "!!python/object/apply:os.system [id]",
    "JSON of a class": '{"class_path": "evil.Net"}',
    "a file that is there": "settings.yaml",
    "a file that is not": "../elsewhere/settings.yaml",
    "an absolute path": "/etc/passwd",
    "a path below home": "~/.ssh/id_rsa",
    "a path of another system": "C:\\settings.yaml",
    "http": "http://localhost:9/settings.yaml",
    "https": "https://localhost:9/settings",
    "a file's address": "file:///etc/passwd",
    "a bucket": "s3://bucket/settings.yaml",
    "memory": "memory://settings",
    "a chain of addresses": "simplecache::s3://bucket/settings",
    "standard input": "- ",
    "a class": "evil.Net",
    "an environment variable": "${HOME}",
}
WIDTHS = (*ARGUMENTS, "network", "init_args", "widths")
TEXT_PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "an argument": lambda text: changed(*ARGUMENTS, "network", "init_args", "dropout", value=text),
    "an argument of the model": lambda text: changed(*ARGUMENTS, "layer_decay", value=text),
    "an argument of the optimizer": lambda text: changed(*ARGUMENTS, "optimizer", "init_args", "lr", value=text),
    "an argument of the data": lambda text: changed("data", "init_args", "duplicates", value=text),
    "a list item": lambda text: changed(*WIDTHS, value=[8, text]),
    "a list in a list": lambda text: changed(*WIDTHS, value=[[text]]),
    "a key": lambda text: changed(*ARGUMENTS, "network", "init_args", text, value=1),
    "a key deep down": lambda text: changed(*WIDTHS, value=[{"widths": {text: 8}}]),
    "a folder's name in the network": lambda text: changed(*ARGUMENTS, "network", "init_args", "data_dir", value=text),
    "free arguments": lambda text: changed("model", "dict_kwargs", value={"x_dir": text}),
    "a class": lambda text: changed("data", "class_path", value=text),
}


@pytest.mark.parametrize("place", TEXT_PLACES.values(), ids=TEXT_PLACES.keys())
@pytest.mark.parametrize("text", TEXT_TYPES.values(), ids=TEXT_TYPES.keys())
def test_a_text_that_a_parser_could_open_fetch_or_build_is_refused_wherever_it_hides(imported, place, text) -> None:
    Path("settings.yaml").write_text("class_path: evil.Net\n")
    save(place(text))
    with pytest.raises(CheckpointError, match=r"stranger\.ckpt") as refused:
        read_config(SAVED)
    assert text in str(refused.value)
    assert not imported()


@pytest.mark.parametrize("folder", ["data", "/srv/data sets", "../data", "~/Größe"])
def test_a_folder_of_the_data_is_kept(folder) -> None:
    config = changed("data", value={"class_path": "datamodules.MNIST", "init_args": {"data_dir": folder}})
    save(config)
    assert read_config(SAVED)["data"] == config["data"]


@pytest.mark.parametrize(
    "kind", ["YAML of a class", "YAML of a list of classes", "http", "a file's address", "a bucket"]
)
def test_what_is_no_folder_is_not_taken_for_one(kind) -> None:
    save(changed("data", value={"class_path": "datamodules.MNIST", "init_args": {"data_dir": TEXT_TYPES[kind]}}))
    with pytest.raises(CheckpointError, match="data_dir"):
        read_config(SAVED)


def test_a_program_of_the_standard_library_is_refused() -> None:
    save(changed(*ARGUMENTS, "optimizer", value={"class_path": "subprocess.Popen", "init_args": {"args": "id"}}))
    with pytest.raises(CheckpointError, match=r"stranger\.ckpt.*subprocess\.Popen.*-c"):
        read_config(SAVED)


def test_what_the_checkpoint_says_of_trainer_and_callbacks_is_never_looked_at(imported) -> None:
    save(changed("trainer", "callbacks", value=[{"class_path": "evil.Net"}]))
    assert "callbacks" not in read_config(SAVED).get("trainer", {})
    assert not imported()


@pytest.mark.parametrize(
    "config",
    ["", "a: [", "just a text", {"model": {}}, changed("trainer", value="a text")],
    ids=["empty", "no YAML", "a text", "no data", "a trainer that is none"],
)
def test_a_recipe_that_is_none_is_one_line(complaint, config) -> None:
    save(config)
    assert str(SAVED) in complaint("test", "--ckpt_path", str(SAVED))


def test_a_checkpoint_without_a_recipe_says_so() -> None:
    torch.save({"state_dict": {}}, SAVED)
    with pytest.raises(CheckpointError, match=r"stranger\.ckpt has no recipe.*-c"):
        read_config(SAVED)


def test_a_table_and_its_columns_are_kept() -> None:
    arguments = {"path": "my tables/tumours.csv", "target": "is it malignant?", "features": ["mean radius", "area"]}
    config = changed("data", value={"class_path": "datamodules.Tabular", "init_args": arguments})
    save(config)
    assert read_config(SAVED)["data"] == config["data"]


@pytest.mark.parametrize("groups", [r"(patient\d+)_", "is it Ann's?", ["a b", "c d"]])
def test_what_a_split_goes_by_is_kept(groups) -> None:
    arguments = {"data_dir": "photos", "split": {"groups": groups, "given": "runs/a b/split.csv"}}
    config = changed("data", value={"class_path": "datamodules.ImageFolder", "init_args": arguments})
    save(config)
    assert read_config(SAVED)["data"] == config["data"]


@pytest.mark.parametrize(
    "hidden",
    [("evil.Reg",), {"evil.Reg"}, frozenset({"evil.Reg"}), ({"class_path": "evil.Reg"},), [("evil.Reg",)], b"evil.Reg"],
    ids=["tuple", "set", "frozenset", "tuple of a mapping", "tuple in a list", "bytes"],
)
def test_a_class_in_any_container_is_refused(imported, hidden) -> None:
    settings = changed(*ARGUMENTS, "regularizers", value=hidden)
    assert next(untrusted({"model": settings["model"]}), None) is not None
    torch.save({"state_dict": {}, "holdout_config": yaml.dump(settings)}, SAVED)
    with pytest.raises(CheckpointError):
        read_config(SAVED)
    assert not imported()
