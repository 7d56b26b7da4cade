"""A stranger's file runs nothing, removes nothing, waits for nothing and fills nothing, whatever reads it.

Each file is refused in one line that names it. Its canary is a file that it would make or remove; memory is limited to
4 GiB more than the process has, and a reader that waits fails by its timeout.
"""

import os
import resource
import shutil
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hostile_files as hostile
import lightning as L
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image
from safetensors.torch import save_file

from callbacks import Checkpoint, History, LastCheckpoint, load_checkpoint
from datamodules import (
    CIFAR10,
    DataError,
    Digits,
    FashionMNIST,
    ImageFolder,
    SequenceFiles,
    Tabular,
    TextSequences,
    regular_files,
)
from datamodules.images import image_decoding
from datamodules.images.mnist import FILES
from datamodules.splitting.options import SplitOptions
from models import Classifier
from models.init_args import HYPER_PARAMETERS
from models.networks import MLP
from models.networks.weight_files import load_weights
from scripts.cli.checkpoint_config import CONFIG_KEY

pytestmark = pytest.mark.timeout(60)
ROOM = 4 * 2**30
EVIL = "import torch\nopen({!r}, 'w')\n\n\nclass Net(torch.nn.Linear):\n    pass\n"
SMALL = MLP((1, 8, 8), 10, widths=[8])


@pytest.fixture(autouse=True)
def limited_memory() -> Iterator[None]:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files unfold to 128 MiB, not 2 GiB, so that bombs are quick to make."""
    monkeypatch.setattr(regular_files, "FREELY_UNFOLDED", 2**27)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture
def evil(tmp_path: Path, canary: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module on the path that makes the canary when it is imported."""
    (tmp_path / "evil.py").write_text(EVIL.format(str(canary)))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("evil", None)


def refused(read: Callable[[], object], path: Path, *kinds: type[Exception]) -> str:
    """Return the one line in which a file is refused."""
    with pytest.raises(kinds or (DataError,)) as error:
        read()
    line = str(error.value)
    assert str(path) in line
    assert "\n" not in line
    return line


def ready(data: L.LightningDataModule) -> None:
    data.prepare_data()
    data.setup("fit")
    for _ in data.train_dataloader():
        pass


# Data


def photos(folder: Path, name: str = "a.png") -> Path:
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for number in range(10):
            pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder / "cat" / name


IMAGES = {
    **hostile.SPECIAL,
    "pixels of 40 GB": lambda path: hostile.png(path, 120_000, 120_000),
    "pixels of 300 MB": lambda path: hostile.png(path, 10_000, 10_000),
    "an endless link": hostile.endless_link,
}


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("make", IMAGES.values(), ids=IMAGES.keys())
def test_an_image(tmp_path, make, in_memory) -> None:
    path = photos(tmp_path / "photos")
    make(path)
    refused(
        lambda: ready(ImageFolder(str(tmp_path / "photos"), size=8, memory_limit_gb=4.0 if in_memory else 0.0)), path
    )


def test_postscript_called_an_image_starts_no_ghostscript(tmp_path, canary, monkeypatch) -> None:
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {canary}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    path = photos(tmp_path / "photos")
    path.write_bytes(hostile.POSTSCRIPT)
    refused(lambda: ready(ImageFolder(str(tmp_path / "photos"), size=8)), path)
    assert not canary.exists()


def test_a_large_photograph_is_read_where_a_smaller_one_is_enough(tmp_path) -> None:
    path = tmp_path / "large.jpg"
    Image.new("L", (9000, 9000)).save(path)
    assert image_decoding.ImageFormat(8, 8, resize=True).decode(path.read_bytes()).shape == (3, 8, 8)


def parquet_bomb(path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({f"c{number}": pa.array([0] * 1_000_000, pa.int8()) for number in range(3)})
    with parquet.ParquetWriter(path, table.schema) as writer:
        for _ in range(10):
            writer.write_table(table)


TABLES = {**hostile.SPECIAL, "a folder": Path.mkdir}
TABLE_READERS: dict[str, Callable[[Path], object]] = {
    "a table": lambda path: Tabular(str(path), "target"),
    "texts": lambda path: TextSequences(str(path), "text", "target"),
    "a long table": lambda path: SequenceFiles(str(path)),
}


@pytest.mark.parametrize("read", TABLE_READERS.values(), ids=TABLE_READERS.keys())
@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES.keys())
def test_a_table(tmp_path, make, read) -> None:
    path = tmp_path / "table.csv"
    make(path)
    refused(lambda: ready(read(path)), path)


def test_a_parquet_file_that_unfolds(tmp_path, low_limit) -> None:
    path = tmp_path / "table.parquet"
    parquet_bomb(path)
    assert "unfolds" in refused(lambda: Tabular(str(path), "c0"), path)


@pytest.mark.parametrize("make", hostile.SPECIAL.values(), ids=hostile.SPECIAL.keys())
def test_a_given_split(tmp_path, make) -> None:
    make(tmp_path / "split.csv")
    refused(lambda: ready(Digits(split=SplitOptions(given=str(tmp_path / "split.csv")))), tmp_path / "split.csv")


def test_a_given_splits_manifest_that_is_nested(tmp_path) -> None:
    (tmp_path / "split.csv").write_text("index,part\n0,train\n")
    (tmp_path / "split.json").write_text("[" * 200_000)
    refused(lambda: ready(Digits(split=SplitOptions(given=str(tmp_path / "split.csv")))), tmp_path / "split.json")


ARRAYS = {
    **hostile.SPECIAL,
    "a promise": hostile.npz_that_promises,
    "a single array that promises": hostile.npy_that_promises,
    "a negative promise": lambda path: hostile.npy_that_promises(path, (-5,)),
    "lengths that wrap around": hostile.npz_whose_lengths_wrap,
}


def test_labels_up_to_2_to_the_40_are_no_2_to_the_40_classes(tmp_path) -> None:
    hostile.npz_of_many_classes(tmp_path / "sequences.npz")
    assert len(SequenceFiles(str(tmp_path / "sequences.npz")).class_names) < 10


@pytest.mark.parametrize("make", ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays(tmp_path, make) -> None:
    path = tmp_path / "sequences.npz"
    make(path)
    refused(lambda: SequenceFiles(str(path)), path)


def test_arrays_that_unfold(tmp_path, low_limit) -> None:
    hostile.npz_bomb(tmp_path / "sequences.npz")
    assert "unfolds" in refused(lambda: SequenceFiles(str(tmp_path / "sequences.npz")), tmp_path / "sequences.npz")


def test_arrays_of_objects_run_nothing(tmp_path, canary) -> None:
    hostile.npz_of_objects(tmp_path / "sequences.npz", canary)
    refused(lambda: SequenceFiles(str(tmp_path / "sequences.npz")), tmp_path / "sequences.npz")
    assert not canary.exists()


@pytest.mark.parametrize("ending", [".npy", ".csv"])
@pytest.mark.parametrize("make", hostile.SPECIAL.values(), ids=hostile.SPECIAL.keys())
def test_a_file_of_one_sequence(tmp_path, make, ending) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        np.save(tmp_path / label / "0.npy", np.zeros((3, 1)))
    path = tmp_path / "a" / f"1{ending}"
    make(path)
    refused(lambda: SequenceFiles(str(tmp_path)), path)


def test_one_long_sequence_among_20000_short_ones(tmp_path) -> None:
    lengths = np.array([500_000] + [1] * 20_000)
    steps = int(lengths.sum())
    path = tmp_path / "sequences.npz"
    np.savez(path, values=np.zeros(steps), lengths=lengths, targets=np.arange(steps) % 2)
    refused(lambda: ready(SequenceFiles(str(path))), path)


@pytest.mark.parametrize("make", hostile.SPECIAL.values(), ids=hostile.SPECIAL.keys())
def test_an_idx_file(tmp_path, make) -> None:
    for name in FILES:
        make(tmp_path / name)
    refused(lambda: ready(FashionMNIST(str(tmp_path), verify=False)), tmp_path)


@pytest.mark.parametrize(
    "make",
    [lambda path: hostile.gzip_bomb(path, 0.25), *hostile.SPECIAL.values()],
    ids=["a bomb", *hostile.SPECIAL],
)
def test_a_packed_idx_file(tmp_path, make, low_limit) -> None:
    path = tmp_path / f"{FILES[0]}.gz"
    make(path)
    refused(lambda: ready(FashionMNIST(str(tmp_path), verify=False)), path)
    assert sorted(tmp_path.iterdir()) == [path]


NAME = f"{CIFAR10.source.base_folder}/data_batch_1"
ARCHIVES = {
    "a bomb": lambda path: hostile.gzip_bomb(path, 0.25),
    "a link to a file": lambda path: hostile.tar(path, hostile.member(NAME, tarfile.SYMTYPE, "/etc/passwd")),
    "a link to itself": lambda path: hostile.tar(path, hostile.member(NAME, tarfile.SYMTYPE, "data_batch_1")),
    "a hard link": lambda path: hostile.tar(path, hostile.member(NAME, tarfile.LNKTYPE, "/etc/passwd")),
    "a device": lambda path: hostile.tar(path, hostile.member(NAME, tarfile.CHRTYPE)),
    "a pipe": lambda path: hostile.tar(path, hostile.member(NAME, tarfile.FIFOTYPE)),
    "a path upwards": lambda path: hostile.tar(path, hostile.member("../canary")),
    "an absolute path": lambda path: hostile.tar(path, hostile.member(str(path.parent / "canary"))),
    "a pipe in its place": hostile.pipe,
}


@pytest.mark.parametrize("make", ARCHIVES.values(), ids=ARCHIVES.keys())
def test_an_archive(tmp_path, make, canary, low_limit) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / str(CIFAR10.source.filename)
    make(path)
    with pytest.raises(DataError, match=str(folder)):
        ready(CIFAR10(str(folder), verify=False))
    assert not canary.exists()
    assert [file for file in folder.rglob("*") if not file.is_dir()] == [path]


PICKLES = {
    "runs a program": lambda path, canary: hostile.bare_pickle(path, canary),
    "is nested": lambda path, _: hostile.deep_pickle(path),
    "is a pipe": lambda path, _: hostile.pipe(path),
    "is a device": lambda path, _: hostile.device(path),
}


@pytest.mark.parametrize("make", PICKLES.values(), ids=PICKLES.keys())
def test_a_pickle_of_images(tmp_path, make, canary) -> None:
    for name in CIFAR10(str(tmp_path)).files.checksums:
        make(tmp_path / name, canary)
    refused(lambda: ready(CIFAR10(str(tmp_path), verify=False)), tmp_path)
    assert not canary.exists()


# Checkpoints


@pytest.fixture(scope="module")
def run(desk) -> Path:
    """The folder of a trained run."""
    return desk.folder / desk.fit("mlp", epochs=1)


@pytest.fixture
def copy(run, tmp_path) -> Path:
    """The checkpoint of a copy of the run."""
    folder = shutil.copytree(run, tmp_path / "runs" / "mlp" / "version_0")
    return folder / "checkpoints" / "last.ckpt"


def edit(path: Path, change: Callable[[dict], object]) -> None:
    content = load_checkpoint(path)
    change(content)
    torch.save(content, path)


def with_network(value: object) -> Callable[[dict], object]:
    """Name a class as the network, in the recipe and in the hyperparameters."""

    def change(content: dict) -> None:
        recipe = yaml.safe_load(content[CONFIG_KEY])
        recipe["model"]["init_args"]["network"] = value
        content[CONFIG_KEY] = yaml.safe_dump(recipe)
        content[HYPER_PARAMETERS]["network"] = value

    return change


def activation(value: object) -> dict:
    return {"class_path": "models.networks.MLP", "init_args": {"widths": [8], "activation": value}}


STARTS = {"entrypoint": "touch", "args": ["canary"], "env": {}, "stdout": None, "stderr": None, "local_rank_id": 0}
CLASSES = {
    "a stranger's class": {"class_path": "evil.Net", "init_args": {"in_features": 1, "out_features": 1}},
    "a stranger's class as text": "evil.Net",
    "a module that torch imports": {"class_path": "torch.os.mkdir", "init_args": {"path": "canary"}},
    "a class that torch imports": {"class_path": "torch.utils.cpp_extension.Path"},
    "a class of torch that starts a program": {
        "class_path": "torch.distributed.elastic.multiprocessing.subprocess_handler.SubprocessHandler",
        "init_args": STARTS,
    },
    "one below an argument of any type": activation(
        {"class_path": "torch.nn.Linear", "init_args": {"in_features": 1, "device": {"class_path": "evil.Net"}}}
    ),
    "one that empties a file": {"class_path": "torch.package.PackageExporter", "init_args": {"f": "canary"}},
    "a file of settings": "/dev/zero",
}


@pytest.mark.parametrize("value", CLASSES.values(), ids=CLASSES.keys())
def test_classes_in_a_checkpoint(desk, copy, evil, canary, value) -> None:
    edit(copy, with_network(value))
    refused(lambda: Classifier.load_from_checkpoint(copy), copy, ImportError)
    for job in ("test", "validate", "predict"):
        said = desk.here(job, "--ckpt_path", str(copy), status=2).stderr
        assert said.count("\n") == 1, said
        assert str(copy) in said
    assert not canary.exists()
    assert not (desk.folder / "canary").exists()


def test_a_class_that_is_trusted_is_imported(copy, evil, canary) -> None:
    edit(copy, with_network(CLASSES["a stranger's class"]))
    with pytest.raises(RuntimeError, match="loading state_dict"):  # it was built, and is another network
        Classifier.load_from_checkpoint(copy, trust=True)
    assert canary.exists()


def test_a_datamodules_own_checkpoint(tmp_path, evil, canary) -> None:
    path = tmp_path / "data.ckpt"
    settings = {
        "_class_path": "datamodules.Digits",
        "_instantiator": "lightning.pytorch.cli.instantiate_module",
        "augmentation": [{"class_path": "evil.Net"}],
    }
    torch.save({"pytorch-lightning_version": L.__version__, "datamodule_hyper_parameters": settings}, path)
    refused(lambda: Digits.load_from_checkpoint(path), path)
    assert not canary.exists()


def test_hyperparameters_in_a_file_of_their_own(copy, tmp_path, evil, canary) -> None:
    (tmp_path / "hparams.yaml").write_text(yaml.safe_dump({"network": CLASSES["a stranger's class"]}))
    with pytest.raises(TypeError, match="trust=True"):
        Classifier.load_from_checkpoint(copy, hparams_file=tmp_path / "hparams.yaml")
    assert not canary.exists()


def recipe(text: str) -> Callable[[Path], None]:
    return lambda path: edit(path, lambda content: content.update({CONFIG_KEY: text}))


def state(**values: object) -> Callable[[Path], None]:
    return lambda path: edit(path, lambda content: content.update(values))


def replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


def holding_itself() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


CHECKPOINTS: dict[str, Callable[[Path], None]] = {
    **{name: replaced(make) for name, make in hostile.SPECIAL.items()},
    "compressed records": hostile.deflate,
    "records that overlap": hostile.overlap,
    "2^40 values that are shared": state(shared=hostile.shared()),
    "a list that holds itself": state(itself=holding_itself()),
    "a deeply nested list": lambda path: hostile.nested_checkpoint(path),
    "a number repeated 2^40 times": state(optimizer_states=[{"state": {0: {"exp_avg": hostile.repeated()}}}]),
}


@pytest.mark.parametrize("make", CHECKPOINTS.values(), ids=CHECKPOINTS.keys())
def test_a_checkpoint(desk, copy, make) -> None:
    copy.with_name("best.ckpt").unlink(missing_ok=True)  # which would be used in its place
    make(copy)
    refused(lambda: load_checkpoint(copy), copy, ValueError)
    refused(lambda: Classifier.load_from_checkpoint(copy), copy, OSError, ValueError)
    for job in ("test", "fit"):
        said = desk.here(job, "--ckpt_path", str(copy), status=2).stderr
        assert said.count("\n") == 1, said
        assert str(copy) in said


@pytest.mark.parametrize("text", hostile.YAML.values(), ids=hostile.YAML.keys())
def test_a_recipe(desk, copy, text, canary) -> None:
    text = text.replace("CANARY", str(canary))
    path = desk.folder / "recipe.yaml"
    path.write_text(text)
    edit(copy, lambda content: content.update({CONFIG_KEY: text}))
    (copy.parents[1] / "config.yaml").write_text(text)
    for words in (("fit", "-c", "recipe.yaml"), ("test", "--ckpt_path", str(copy)), ("fit", "--ckpt_path", str(copy))):
        said = desk.here(*words, status=2).stderr
        assert said.count("\n") == 1, said
        assert len(said) < 2000
    assert not canary.exists()


@pytest.mark.parametrize("make", hostile.SPECIAL.values(), ids=hostile.SPECIAL.keys())
def test_a_recipe_that_is_no_file(desk, make, tmp_path) -> None:
    make(tmp_path / "recipe.yaml")
    assert "recipe.yaml" in desk.here("fit", "-c", str(tmp_path / "recipe.yaml"), status=2).stderr


def with_settings(**changes: object) -> Callable[[dict], None]:
    def change(settings: dict) -> None:
        for keys, value in changes.items():
            place = settings
            *above, last = keys.split("__")
            for key in above:
                place = place[key]
            place[last] = value

    return change


CALLBACK = "lightning.pytorch.callbacks.ModelCheckpoint"
SETTINGS = {
    "its network": with_settings(model__init_args__network={"class_path": "evil.Net"}),
    "a callback": with_settings(trainer__callbacks=[{"class_path": "evil.Net"}]),
    "a callback that writes elsewhere": with_settings(
        trainer__callbacks=[{"class_path": CALLBACK, "init_args": {"dirpath": "/tmp/elsewhere"}}]
    ),
    "a callback that writes upwards": with_settings(
        trainer__callbacks=[{"class_path": CALLBACK, "init_args": {"filename": "../../../canary"}}]
    ),
    "a logger": with_settings(trainer__logger={"class_path": "evil.Net"}),
    "a plugin": with_settings(trainer__plugins="evil.Net"),
    "another file": with_settings(config="evil.yaml"),
}


@pytest.mark.parametrize("change", SETTINGS.values(), ids=SETTINGS.keys())
def test_the_config_beside_a_checkpoint(desk, copy, evil, canary, change) -> None:
    path = copy.parents[1] / "config.yaml"
    settings = yaml.safe_load(path.read_text())
    change(settings)
    path.write_text(yaml.safe_dump(settings))
    before = sorted(copy.parents[1].rglob("*"))
    said = desk.here("fit", "--ckpt_path", str(copy), "--trainer.max_epochs", "3", status=2).stderr
    assert f"-c {path}" in said
    assert said.count("\n") == 1
    assert not canary.exists()
    assert sorted(copy.parents[1].rglob("*")) == before


# Paths that a checkpoint would have removed


def victims(folder: Path) -> dict[str, Path]:
    """A folder and a checkpoint that are somebody's, and the names that a state gives them."""
    treasure = folder / "treasure"
    treasure.mkdir()
    (treasure / "thesis.ckpt").write_text("years of work")
    run = folder / "checkpoints"
    up = f"{run}/../treasure"
    return dict.fromkeys(
        (str(treasure), f"local://{treasure}", f"file://{treasure}", up, f"{up}/thesis.ckpt"), treasure
    )


def poison(path: Path, name: str, folder: Path | None) -> None:
    """Let every checkpoint callback's state name a path as the file that it replaces."""

    def change(content: dict) -> None:
        for key, held in content["callbacks"].items():
            if "Checkpoint" in key and held:
                held.update(
                    dirpath=str(folder or held["dirpath"]),
                    best_model_path=name,
                    kth_best_model_path=name,
                    last_model_path=name,
                    best_k_models={name: torch.tensor(9.0)},
                    kth_value=torch.tensor(9.0),
                    best_model_score=torch.tensor(9.0),
                )

    edit(path, change)


NAMES = ("absolute", "local://", "file://", "upwards", "a file upwards")


@pytest.mark.parametrize("own", [True, False], ids=["ours", "lightning's"])
@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_in_a_notebook_no_state_of_a_checkpoint_removes_a_path(tmp_path, number, own) -> None:
    folder = tmp_path / "checkpoints"

    def train(epochs: int, resume: Path | None) -> None:
        theirs = ModelCheckpoint(folder, "{epoch}", "val/loss", save_top_k=1, save_last=True)
        last = ModelCheckpoint(folder, "latest-{epoch}", save_top_k=1, every_n_epochs=1)
        callbacks = [History(), Checkpoint(), LastCheckpoint()] if own else [theirs, last]
        trainer = L.Trainer(
            default_root_dir=tmp_path, max_epochs=epochs, callbacks=callbacks, logger=False, limit_train_batches=2,
            accelerator="cpu", enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(Classifier(MLP((1, 8, 8), 10, widths=[8]), 10), Digits(), ckpt_path=resume)

    train(1, None)
    name, treasure = list(victims(tmp_path).items())[number]
    poison(folder / "last.ckpt", name, folder)
    train(3, folder / "last.ckpt")
    assert (treasure / "thesis.ckpt").read_text() == "years of work"


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_on_the_command_line_no_state_of_a_checkpoint_removes_a_path(desk, copy, number, tmp_path) -> None:
    name, treasure = list(victims(tmp_path).items())[number]
    poison(copy, name, copy.parent)
    desk.here("fit", "--ckpt_path", str(copy), "--trainer.max_epochs", "2")
    assert (treasure / "thesis.ckpt").read_text() == "years of work"


@pytest.mark.parametrize("name", [".lock", "checkpoints", "figures", "events.out.tfevents.1.stranger", "summary.json"])
def test_nothing_is_written_through_a_link_in_the_folder_of_a_run(desk, copy, tmp_path, name) -> None:
    folder, victim = copy.parents[1], tmp_path / "thesis"
    if name in ("checkpoints", "figures"):
        shutil.move(folder / name, victim)
    else:
        victim.write_text("years of work")
        (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(victim)
    edit(copy, lambda content: content["event_files"].update({name: 3}))
    before = {path: path.read_bytes() for path in (victim, *victim.rglob("*")) if path.is_file()}
    with pytest.warns(UserWarning, match=f"in a folder of its own: .*{name} is a link"):
        desk.here("fit", "--ckpt_path", str(copy), "--trainer.max_epochs", "2")
    assert {path: path.read_bytes() for path in (victim, *victim.rglob("*")) if path.is_file()} == before


# Weights

WEIGHTS: dict[str, Callable[[Path, Path], object]] = {
    **{name: lambda path, _, make=make: make(path) for name, make in hostile.SPECIAL.items()},
    "a pickle that runs": hostile.pickled,
    "a bare pickle that runs": hostile.bare_pickle,
    "compressed records": lambda path, _: (torch.save(SMALL.state_dict(), path), hostile.deflate(path)),
    "a number repeated": lambda path, _: torch.save({"a": hostile.repeated()}, path),
}


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
@pytest.mark.parametrize("make", WEIGHTS.values(), ids=WEIGHTS.keys())
def test_weights(tmp_path, make, canary, ending) -> None:
    path = tmp_path / f"weights{ending}"
    make(path, canary)
    refused(lambda: load_weights(MLP((1, 8, 8), 10, widths=[8]), str(path), {}), path, ValueError)
    assert not canary.exists()


def test_weights_that_promise_more_than_there_are(tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(4)}, path)
    path.write_bytes(path.read_bytes().replace(b"[4]", b"[9]", 1))
    refused(lambda: load_weights(MLP((1, 8, 8), 10, widths=[8]), str(path), {}), path, ValueError)


# What is printed

FORGED = "cat\n  test/accuracy  1.0000\x1b[2J"


@pytest.fixture(scope="module")
def forged(desk) -> Path:
    """A run on a table whose classes are called like lines of metrics."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.normal(size=90), "b": random.normal(size=90)})
    frame["target"] = [("=1+1", FORGED, "val/loss  0.0000")[number % 3] for number in range(90)]
    frame.to_csv(desk.folder / "forged.csv", index=False)
    desk.here("fit", "--data.path", "forged.csv", "--data.target", "target", "--trainer.max_epochs", "1")
    return desk.folder / "runs" / "forged" / "version_0" / "checkpoints" / "last.ckpt"


def test_a_class_name_forges_no_line_and_no_cell(desk, forged) -> None:
    for job in ("test", "validate", "predict"):
        done = desk.here(job, "--ckpt_path", str(forged))
        assert "\x1b" not in done.stdout + done.stderr
        assert not [line for line in done.stdout.splitlines() if line.strip() == "test/accuracy  1.0000"]
    cells = pd.read_csv(forged.parents[1] / "predictions.csv", dtype=str)
    assert not cells.map(lambda cell: cell.startswith("=") or "\x1b" in cell).any(axis=None)
    assert not [name for name in cells.columns if name.startswith("=") or "\x1b" in name]


def test_a_checkpoints_note_forges_no_line(desk, copy) -> None:
    edit(copy, lambda content: content.update({"weights": f"averaged\n  test/accuracy  {1:.4f}\x1b[2J"}))
    done = desk.here("test", "--ckpt_path", str(copy))
    assert "\x1b" not in done.stdout
    assert "  test/accuracy  1.0000" not in done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_real_command_is_ended_by_no_file(desk, run, tmp_path) -> None:
    """Each command ends by itself, with one line; three run at once."""
    special = {name: replaced(make) for name, make in hostile.SPECIAL.items()}
    commands = []
    for name, make in {
        **special,
        "compressed records": hostile.deflate,
        "shared": CHECKPOINTS["2^40 values that are shared"],
    }.items():
        folder = shutil.copytree(run, tmp_path / name / "mlp" / "version_0")
        (folder / "checkpoints" / "best.ckpt").unlink()  # which would be used in its place
        make(folder / "checkpoints" / "last.ckpt")
        commands.append(("test", "--ckpt_path", str(folder / "checkpoints" / "last.ckpt")))
    for name in ("aliases", "deep nesting", "an object", "merged aliases"):
        (tmp_path / f"{name}.yaml").write_text(hostile.YAML[name])
        commands.append(("fit", "-c", str(tmp_path / f"{name}.yaml")))
    for name, make in hostile.SPECIAL.items():
        make(tmp_path / f"{name}.csv")
        commands.append(("fit", "--data.path", str(tmp_path / f"{name}.csv"), "--data.target", "a"))
    for start in range(0, len(commands), 3):
        started = [(words, desk.start(*words)) for words in commands[start : start + 3]]
        for words, process in started:
            _, said = process.communicate()
            assert (process.returncode, said.count("\n")) == (2, 1), (words, said)


def test_a_run_of_ones_own_network_resumes_with_the_recipe_that_one_names(desk, monkeypatch) -> None:
    (desk.folder / "mine.py").write_text(
        "from models.networks import MLP\n\n\nclass Net(MLP):\n    pass\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(desk.folder))
    words = ("--model.network", "mine.Net", "--model.network.widths", "[8]", "--name", "own")
    desk.here("fit", "-c", "configs/digits.yaml", *words, "--trainer.max_epochs", "1")
    folder = Path("runs", "own", "version_0")
    more = ("--ckpt_path", str(folder), "--trainer.max_epochs", "2")
    said = desk.here("fit", *more, status=2).stderr
    assert "names mine.Net at model.init_args.network.class_path; to go on from a checkpoint only classes of" in said
    assert f"give its recipe too: -c {folder / 'config.yaml'}" in said
    desk.here("fit", "-c", str(folder / "config.yaml"), *more)
    assert load_checkpoint(desk.folder / folder / "checkpoints" / "last.ckpt")["epoch"] == 1


@pytest.mark.parametrize("job", ["test", "calibrate"])
def test_results_do_not_leave_a_run_through_a_link(desk, run, tmp_path, job) -> None:
    folder = shutil.copytree(run, tmp_path / "mlp" / "version_0")
    shutil.rmtree(folder / "figures", ignore_errors=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "reliability.png").write_text("precious")
    (folder / "figures").symlink_to(outside)
    desk.here(job, "--ckpt_path", str(folder))
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"reliability.png": "precious"}


def test_a_named_pipe_among_the_events_keeps_nobody_waiting(desk, run, tmp_path) -> None:
    folder = shutil.copytree(run, tmp_path / "mlp" / "version_0")
    os.mkfifo(folder / "events.out.tfevents.1.pipe")
    last = folder / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    torch.save({key: value for key, value in content.items() if key not in ("event_files", "logged_steps")}, last)
    epochs = str(content["epoch"] + 2)
    desk.here("fit", "--ckpt_path", str(last), "--trainer.max_epochs", epochs, "--runs_dir", str(tmp_path))
