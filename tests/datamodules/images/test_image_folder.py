"""A folder of images, kept decoded or streamed: the same split, the same evaluation, exact whatever the workers."""

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from datamodules import AlternatingFlip, DataError, ImageFolder, Order, SplitOptions, Stream
from models import Classifier
from models.networks import Linear


def write_images(root, count=60, size=(12, 10), classes="abc", suffix="png"):
    """Write noise; class after class, each image of its own content."""
    random = np.random.default_rng(len(str(root)))
    for index in range(count):
        path = root / classes[index % len(classes)] / f"{index:03}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).save(path)
    return root


@pytest.fixture
def root(tmp_path):
    return write_images(tmp_path / "images")


def ready(root, **options):
    data = ImageFolder(str(root), **options)
    data.prepare_data()
    data.setup()
    return data


def streamed(root, **options):
    return ready(root, **({"size": 8, "memory_limit_gb": 0, "num_workers": 0, "batch_size": 16} | options))


def same(first, second):
    return len(first) == len(second) and all(
        torch.equal(a, b) for left, right in zip(first, second, strict=True) for a, b in zip(left, right, strict=True)
    )


def test_classes_and_shape_are_known_before_setup(root):
    data = ImageFolder(str(root))
    assert (data.num_classes, data.class_names, data.input_shape) == (3, ("a", "b", "c"), (3, 10, 12))
    assert ImageFolder(str(root), size=5).input_shape == (3, 5, 5)
    assert not (root / ".cache").exists()


def test_images_without_parts_are_split_and_stratified(root):
    data = ready(root)
    counts = {part: facts["class_counts"] for part, facts in data.manifest["parts"].items()}
    assert counts["test"] == {"a": 4, "b": 4, "c": 4}
    assert sum(sum(by_class.values()) for by_class in counts.values()) == 60


def test_folders_are_the_parts(tmp_path):
    for part, count in (("train", 30), ("valid", 9), ("test", 12)):
        write_images(tmp_path / part, count)
    data = ready(tmp_path)
    assert [len(indices) for indices in data.split.parts().values()] == [30, 9, 12]
    assert data.split.test.tolist() == list(range(39, 51))
    first = np.asarray(Image.open(tmp_path / "test/a/000.png")).transpose(2, 0, 1)
    assert (data.samples.inputs[39].numpy() == first).all()


def test_a_missing_test_folder_means_a_split_outside_validation(tmp_path):
    write_images(tmp_path / "train", 60)
    write_images(tmp_path / "val", 9)
    data = ready(tmp_path)
    assert data.split.val.tolist() == list(range(60, 69))
    assert (len(data.split.train), len(data.split.test)) == (48, 12)


def test_kept_and_streamed_share_split_digests_and_evaluation(root):
    kept = ready(root, size=8, eval_batch_size=5, num_workers=0)
    other = streamed(root, eval_batch_size=5)
    assert kept.manifest["source"] == other.manifest["source"]
    assert kept.manifest["parts"] == other.manifest["parts"]
    for first, second in (
        (kept.val_dataloader(), other.val_dataloader()),
        (kept.test_dataloader(), other.test_dataloader()),
    ):
        assert same(list(first), list(second))
    batch, streamed_batch = next(iter(kept.train_dataloader())), next(iter(other.train_dataloader()))
    assert batch[0].dtype == streamed_batch[0].dtype == torch.uint8
    assert batch[1].dtype == streamed_batch[1].dtype == torch.int64
    assert batch[0].shape[1:] == streamed_batch[0].shape[1:] == (3, 8, 8)
    # The training images are fewer than those that are measured: both measure all of them.
    assert kept.normalization == other.normalization
    assert "streamed from disk" in other.describe()
    assert "streamed from disk" not in kept.describe()
    assert f"decoded once into {kept.cache_dir}" in kept.describe()
    assert "decoded" not in other.describe()


def test_the_limit_is_of_decoded_bytes(root):
    exact = 60 * 3 * 8 * 8 / 1e9
    assert not ImageFolder(str(root), size=8, memory_limit_gb=exact).streamed
    assert ImageFolder(str(root), size=8, memory_limit_gb=exact - 1e-9).streamed


def test_images_kept_are_a_tensor_and_streamed_ones_a_stream_of_the_same_shape(root):
    kept, other = ready(root, size=8).samples.inputs, streamed(root).samples.inputs
    assert isinstance(kept, torch.Tensor)
    assert isinstance(other, Stream)
    assert tuple(kept.shape) == other.shape == (60, 3, 8, 8)
    assert torch.equal(other.sample(torch.tensor([4, 2])), kept[[4, 2]])


@pytest.mark.parametrize("limit", [4.0, 0.0])
def test_preprocessing_states_the_size_that_images_are_resized_to(root, limit):
    resized = ImageFolder(str(root), size=8, memory_limit_gb=limit).preprocessing
    assert resized["size"] == [8, 8]
    assert (resized["maximum"], resized["channel_axis"], resized["rows"]) == (255.0, 1, False)
    assert len(resized["mean"]) == len(resized["std"]) == 3
    assert ImageFolder(str(root), memory_limit_gb=limit).preprocessing["size"] is None


def passes(data, epochs=2):
    loader, seen = data.train_dataloader(), []
    for epoch in range(epochs):
        loader.set_epoch(epoch)
        seen.append(list(loader))
    return seen


def joined(batches):
    return [torch.cat(field) for field in zip(*batches, strict=True)]


def test_random_crops_do_not_depend_on_workers_batch_size_or_torchs_state(root):
    torch.manual_seed(3)
    alone = passes(streamed(root))
    for options in ({"num_workers": 1}, {"num_workers": 3}):
        torch.manual_seed(3)
        assert all(same(*pair) for pair in zip(alone, passes(streamed(root, **options)), strict=True))
    torch.manual_seed(3)
    other = streamed(root, batch_size=7)
    torch.manual_seed(4)
    for first, second in zip(alone, passes(other), strict=True):
        assert same(
            [[torch.cat(field) for field in zip(*first, strict=True)]],
            [[torch.cat(f) for f in zip(*second, strict=True)]],
        )


def test_random_crops_depend_on_epoch_and_seed_and_image(root):
    data = streamed(root, split=SplitOptions(train_fraction=0.1))
    images = data.train_dataloader().images
    keys = [(seed, epoch, index) for seed in range(2) for epoch in range(3) for index in range(3)]
    assert len({images[key][0].numpy().tobytes() for key in keys}) == 18


def test_streaming_leaves_torchs_random_state_alone(root):
    data = streamed(root)
    before = torch.get_rng_state()
    passes(data, 1)
    list(data.val_dataloader())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_pass_goes_on_where_it_stopped(root, workers):
    torch.manual_seed(1)
    whole = passes(streamed(root))
    torch.manual_seed(1)
    first = streamed(root, num_workers=workers).train_dataloader()
    first.set_epoch(1)
    batches = iter(first)
    begun, state = [next(batches)], first.state_dict()
    torch.manual_seed(2)
    second = streamed(root, num_workers=workers).train_dataloader()
    second.load_state_dict(state)
    assert state["position"] == 1
    assert same(whole[1], begun + list(second))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_pass_given_up_leaves_the_next_one_whole(root, workers):
    torch.manual_seed(1)
    whole = passes(streamed(root))
    torch.manual_seed(1)
    loader = streamed(root, num_workers=workers).train_dataloader()
    next(iter(loader))
    loader.set_epoch(1)
    assert same(whole[1], list(loader))


def test_ranks_share_evaluation_without_padding(root):
    data = streamed(root, eval_batch_size=5)
    whole = list(data.make_loader(torch.from_numpy(data.split.train), 5))
    train = torch.from_numpy(data.split.train)
    ranks = [list(data.make_loader(train, 5, Order(rank=rank, world_size=2))) for rank in (0, 1)]
    assert same(whole[0::2], ranks[0])
    assert same(whole[1::2], ranks[1])
    assert sum(len(targets) for _, targets in whole) == len(data.split.train)


class Record(L.Callback):
    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen.append(batch[0])


@pytest.mark.parametrize("limit", [4.0, 0.0])
def test_a_trainer_is_given_scaled_flipped_images(root, quiet_trainer, limit):
    data = ImageFolder(str(root), size=8, memory_limit_gb=limit, num_workers=1, batch_size=16)
    assert [type(layer).__name__ for layer in data.augmentation] == ["HorizontalFlip"]
    record = Record()
    trainer = quiet_trainer(callbacks=[record], max_epochs=2)
    trainer.fit(Classifier(Linear(data.input_shape, data.num_classes), data.num_classes), data)
    seen = torch.cat(record.seen)
    assert seen.shape == (2 * len(data.split.train), 3, 8, 8)
    assert seen.dtype == torch.float32
    assert abs(seen.mean().item() - 0.5) < 0.05
    assert 0 <= seen.min() < seen.max() <= 1
    assert trainer.test(trainer.lightning_module, data, verbose=False)


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(root, quiet_trainer, tmp_path):
    def train(seed, ckpt_path=None, workers=1):
        L.seed_everything(seed, verbose=False)
        data = ImageFolder(str(root), size=8, memory_limit_gb=0, num_workers=workers, batch_size=16)
        task = Classifier(Linear(data.input_shape, data.num_classes), data.num_classes)
        every = ModelCheckpoint(tmp_path, every_n_train_steps=1, save_top_k=-1, filename="{step}")
        trainer = quiet_trainer(max_epochs=3, callbacks=[every], enable_checkpointing=True)
        trainer.fit(task, data, ckpt_path=ckpt_path, weights_only=ckpt_path and True)
        assert trainer.global_step == 9
        return task.network.state_dict()

    whole = train(1)
    for step in (3, 4, 5):  # three an epoch
        resumed = train(2, tmp_path / f"step={step}.ckpt", workers=0)
        assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not all(torch.equal(tensor, whole[name]) for name, tensor in train(2).items())


def test_transforms_of_ones_own_see_the_whole_image(root):
    data = streamed(root, train_transforms=[v2.CenterCrop(4)])
    images = data.train_dataloader().images
    index = int(data.split.train[0])
    whole = Image.open(images.paths[index]).crop((4, 3, 8, 7))
    expected = np.asarray(whole.resize((8, 8), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert (images[0, 0, index][0].numpy() == expected).all()


def test_no_transforms_mean_images_as_in_evaluation(root):
    data = streamed(root, train_transforms=[], num_workers=0)
    pixels = ready(root, size=8).samples.inputs
    for inputs, targets in passes(data, 1)[0]:
        assert all((pixels == image).flatten(1).all(1).any() for image in inputs)
        assert len(inputs) == len(targets)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_breaks_while_training_is_named_in_one_line(root, workers):
    data = streamed(root, num_workers=workers)
    path = data.train_dataloader().images.paths[int(data.split.val[0])]
    path.write_bytes(b"broken")
    with pytest.raises(DataError) as caught:
        list(data.val_dataloader())
    assert str(caught.value).startswith(f"{path} cannot be read any more")
    assert "\n" not in str(caught.value)


def test_a_broken_file_is_refused_or_skipped(root):
    (root / "b" / "001.png").write_bytes(b"")
    for limit in (0, 4):
        with pytest.raises(DataError, match=r"b/001\.png cannot be read .*the file is empty.*data\.broken skip"):
            ready(root, size=8, memory_limit_gb=limit, num_workers=0)
        with pytest.warns(UserWarning, match="1 of 60 images cannot be read"):
            data = ready(root, size=8, memory_limit_gb=limit, broken="skip", num_workers=0)
        assert "1 broken image left out" in data.describe()
        assert data.manifest["source"]["samples"] == 59
        assert data.samples.targets.bincount().tolist() == [20, 19, 20]
        names = {part: facts["class_counts"]["b"] for part, facts in data.manifest["parts"].items()}
        assert sum(names.values()) == 19


def test_a_link_that_leads_nowhere_is_a_broken_image(root):
    (root / "b" / "001.png").unlink()
    (root / "b" / "001.png").symlink_to(root / "gone.png")
    for limit in (0, 4):
        with pytest.raises(DataError, match=r"b/001\.png is a link that leads nowhere.*data\.broken skip"):
            ready(root, size=8, memory_limit_gb=limit)
        with pytest.warns(UserWarning, match="1 of 60 images cannot be read"):
            assert len(ready(root, size=8, memory_limit_gb=limit, broken="skip", num_workers=0).targets) == 59


def test_a_skipped_file_shifts_no_part_and_no_target(tmp_path):
    for part, count in (("train", 30), ("val", 9), ("test", 12)):
        write_images(tmp_path / part, count)
    (tmp_path / "train/a/000.png").write_bytes(b"")
    for limit in (0, 4):
        with pytest.warns(UserWarning, match="cannot be read"):
            data = ready(tmp_path, size=8, memory_limit_gb=limit, broken="skip", num_workers=0, eval_batch_size=50)
        assert [len(indices) for indices in data.split.parts().values()] == [29, 9, 12]
        inputs, targets = next(iter(data.test_dataloader()))
        assert targets.tolist() == [0] * 4 + [1] * 4 + [2] * 4
        assert (inputs[0].numpy() == data.form.decode((tmp_path / "test/a/000.png").read_bytes())).all()


def test_a_class_without_a_readable_image_is_named(root):
    for path in (root / "b").iterdir():
        path.write_bytes(b"")
    with pytest.warns(UserWarning, match="20 of 60"), pytest.raises(DataError, match="no image of the class 'b'"):
        ready(root, size=8, broken="skip")


def test_ignored_files_are_told(root):
    (root / "a" / "notes.txt").write_text("no image")
    assert "1 other file ignored" in ready(root).describe()
    (root / "a" / ".hidden.png").write_text("no image")
    assert "2 other files ignored" in ready(root).describe()
    (root / "a" / "up").symlink_to(root)
    (root / "stray.png").write_bytes((root / "a" / "000.png").read_bytes())
    described = ready(root).describe()
    assert "1 repeated link ignored" in described
    assert "1 stray image ignored" in described


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "ImageFolder: size 0 is less than 1"),
        ({"num_workers": -1}, "ImageFolder: num_workers -1 is less than 0"),
        ({"memory_limit_gb": -1.0}, "ImageFolder: memory_limit_gb -1.0 is below 0"),
        ({"train_transforms": [nn.Identity()]}, "train_transforms are for streamed images only"),
        (
            {"size": 8, "memory_limit_gb": 0, "augmentation": [AlternatingFlip()]},
            "AlternatingFlip needs the original",
        ),
    ],
)
def test_arguments_out_of_range_are_refused(root, options, message):
    with pytest.raises(ValueError, match=message):
        ImageFolder(str(root), **options)


def test_transforms_that_make_tensors_are_refused(root):
    with pytest.raises(DataError, match="train_transforms return a Tensor, not an image"):
        passes(streamed(root, train_transforms=[v2.PILToTensor()]))


def test_duplicate_files_across_parts_are_found_either_way(tmp_path):
    for part in ("train", "val", "test"):
        write_images(tmp_path / part, 30 if part == "train" else 9)
    copy = (tmp_path / "train/a/000.png").read_bytes()
    (tmp_path / "test/a/000.png").write_bytes(copy)
    for limit in (0, 4):
        with pytest.raises(DataError, match="1 of train in test"):
            ready(tmp_path, size=8, memory_limit_gb=limit, split=SplitOptions(duplicates="raise"), num_workers=0)
