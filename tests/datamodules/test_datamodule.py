"""What a datamodule promises a run: one split whatever the seed, clean validation, honest batches."""

import lightning as L
import pytest
import torch

from datamodules import (
    Augmentation,
    BreastCancer,
    DataError,
    DataModule,
    Diabetes,
    Digits,
    HorizontalFlip,
    RandomTranslate,
    Samples,
    SplitOptions,
)
from models import Classifier
from models.networks import Linear


class Erase(Augmentation):
    """Blackens every image and counts the batches it was given."""

    def __init__(self):
        super().__init__()
        self.batches = 0

    def forward(self, images):
        self.batches += 1
        return torch.zeros_like(images)


class Record(L.Callback):
    """Keeps every batch as the network is given it."""

    def __init__(self):
        self.seen = {"train": [], "val": [], "test": [], "predict": []}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen["train"].append(batch)

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        self.seen["val"].append(batch)

    def on_test_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        self.seen["test"].append(batch)

    def on_predict_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        self.seen["predict"].append(batch)

    def inputs(self, stage):
        return torch.cat([inputs for inputs, _ in self.seen[stage]])

    def targets(self, stage):
        return torch.cat([targets for _, targets in self.seen[stage]])


def ready(data):
    data.setup()
    return data


@pytest.fixture
def run(quiet_trainer):
    """Train, validate, test and predict, and return what the network was given."""

    def record_run(data, **options):
        record, task = Record(), Classifier(Linear(data.input_shape, data.num_classes), data.num_classes)
        trainer = quiet_trainer(callbacks=[record], **options)
        trainer.fit(task, data)
        trainer.test(task, data, verbose=False)
        trainer.predict(task, data)
        return record

    return record_run


def test_an_attribute_that_is_missing_in_ones_own_code_is_the_one_that_is_named() -> None:
    class Own(Digits):
        def load(self):
            return super().load().images

    with pytest.raises(AttributeError, match="'Samples' object has no attribute 'images'"):
        _ = Own().preprocessing


def test_a_second_setup_changes_nothing():
    data = ready(Digits())
    split, manifest = data.split, data.manifest
    data.setup("fit")
    data.setup("test")
    assert data.split is split
    assert data.manifest is manifest


def test_twenty_training_seeds_share_one_split_but_not_one_order():
    manifests, orders = [], set()
    for seed in range(20):
        L.seed_everything(seed, verbose=False)
        data = Digits()
        order = data.train_dataloader().permutation()
        manifests.append(data.manifest)
        orders.add(tuple(order.tolist()))
    assert all(manifest == manifests[0] for manifest in manifests)
    assert len(orders) == 20


def test_the_training_seed_decides_the_order():
    orders = []
    for _ in range(2):
        L.seed_everything(7, verbose=False)
        data = Digits()
        torch.rand(100)
        orders.append(data.train_dataloader().permutation())
    assert torch.equal(*orders)


def test_only_training_batches_are_augmented(run):
    erase = Erase()
    data = Digits(augmentation=[erase], batch_size=256)
    record = run(data, max_epochs=2)
    assert (record.inputs("train") == 0).all()
    assert erase.batches == len(record.seen["train"])

    def clean(part):
        return data.samples.inputs[data.split.parts()[part]] / 16

    assert torch.equal(record.inputs("val")[-144:], clean("val"))
    assert torch.equal(record.inputs("test"), clean("test"))
    assert torch.equal(record.inputs("predict"), clean("test"))


def test_augmentations_act_in_order_on_images_scaled_to_one(run):
    seen = []

    class Watch(Augmentation):
        def forward(self, images):
            seen.append((float(images.min()), float(images.max())))
            return images + 1

    run(Digits(augmentation=[Watch(), Watch()], batch_size=2000), max_epochs=1)
    assert seen == [(0, 1), (1, 2)]


def test_every_training_epoch_holds_the_training_part_in_another_order(run):
    data = Digits(batch_size=100)
    targets = run(data, max_epochs=2).targets("train")
    first, second = targets.split(1294)
    expected = data.samples.targets[data.split.train]
    assert torch.equal(first.sort().values, expected.sort().values)
    assert torch.equal(second.sort().values, expected.sort().values)
    assert not torch.equal(first, second)


def test_a_run_on_validation_and_test_goes_through_each_part_in_order(run):
    data = Digits(eval_batch_size=50)
    record = run(data, max_epochs=1, num_sanity_val_steps=0)
    assert torch.equal(record.targets("val"), data.samples.targets[data.split.val])
    assert torch.equal(record.targets("test"), data.samples.targets[data.split.test])


def test_batches_have_the_stated_shape_and_type(run):
    augmentation = [HorizontalFlip(), RandomTranslate(1)]
    record = run(Digits(batch_size=500, eval_batch_size=100, augmentation=augmentation), max_epochs=1)
    assert [len(inputs) for inputs, _ in record.seen["train"]] == [500, 500, 294]
    assert [len(inputs) for inputs, _ in record.seen["val"]][-2:] == [100, 44]
    assert [len(inputs) for inputs, _ in record.seen["test"]] == [100, 100, 100, 59]
    for inputs, targets in (batch for batches in record.seen.values() for batch in batches):
        assert inputs.shape == (len(targets), *Digits.input_shape)
        assert (inputs.dtype, targets.dtype) == (torch.float32, torch.int64)


def test_drop_last_leaves_the_incomplete_batch_out_of_training_alone(run):
    record = run(Digits(batch_size=500, eval_batch_size=100, drop_last=True), max_epochs=1)
    assert [len(inputs) for inputs, _ in record.seen["train"]] == [500, 500]
    assert len(record.inputs("test")) == 359


def test_what_a_network_needs_to_know_is_known_before_setup():
    data = Digits()
    assert data.split is None
    assert (data.num_classes, data.input_shape) == (10, (1, 8, 8))
    assert data.class_names == tuple("0123456789")


def test_a_loader_asked_for_without_a_trainer_sets_the_data_up():
    inputs, targets = next(iter(Digits(batch_size=32).train_dataloader()))
    assert inputs.shape == (32, 1, 8, 8)
    assert targets.shape == (32,)


def test_the_description_states_sizes_seed_and_fold():
    assert Digits(split=SplitOptions(seed=4)).describe() == (
        "1,294 train · 144 val · 359 test (10 classes, stratified, split seed 4)"
    )
    assert "fold 2 of 5" in Digits(split=SplitOptions(folds=5, fold=2)).describe()


def test_a_resumed_run_continues_with_the_checkpoints_shuffle():
    trained, resumed = ready(Digits()), Digits()
    trained.shuffle_seed = 1234
    resumed.load_state_dict(trained.state_dict())
    assert torch.equal(trained.train_dataloader().permutation(), resumed.train_dataloader().permutation())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 1}, "split.seed was 0, now it is 1"),
        ({"val_size": 200}, "split.val_size was None, now it is 200.*val .144 samples then, 200 now"),
        ({"folds": 5}, "split.folds was None, now it is 5"),
        ({"train_fraction": 0.5}, "split.train_fraction was 1.0, now it is 0.5"),
    ],
)
def test_another_split_than_the_checkpoints_is_refused_saying_what_differs(changed, message):
    with pytest.raises(DataError, match=message):
        Digits(split=SplitOptions(**changed)).check_same_split(ready(Digits()).manifest)


def test_a_resumed_run_on_another_split_is_refused(quiet_trainer, tmp_path):
    task = Classifier(Linear((1, 8, 8), 10), 10)
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(task, Digits(batch_size=500))
    trainer.save_checkpoint(tmp_path / "run.ckpt")
    with pytest.raises(DataError, match=r"split\.seed was 0, now it is 1"):
        quiet_trainer(max_epochs=2).fit(
            task, Digits(batch_size=500, split=SplitOptions(seed=1)), ckpt_path=tmp_path / "run.ckpt"
        )


@pytest.mark.parametrize(("batches", "each"), [(1, 1), (3, 3), (0.5, 6)])
@pytest.mark.filterwarnings("error:You requested to overfit")
def test_overfitting_some_batches_shows_the_same_in_every_epoch(run, batches, each):
    record = run(Digits(batch_size=100, eval_batch_size=50), overfit_batches=batches, max_epochs=3)  # 13 an epoch
    shown = record.seen["train"]
    assert len(shown) == 3 * each
    for number, (inputs, targets) in enumerate(shown):
        assert torch.equal(inputs, shown[number % each][0])
        assert torch.equal(targets, shown[number % each][1])
    assert len({tuple(targets.tolist()) for _, targets in shown}) == each
    assert len(set(shown[0][1].tolist())) == 10, "drawn at random, whatever the dataset's order"


@pytest.mark.parametrize(("batches", "each"), [(1, 1), (3, 3), (0.5, 1)])
@pytest.mark.filterwarnings("error:You requested to overfit")
def test_overfitting_some_batches_validates_on_as_many_of_the_validation_part(run, batches, each):
    data = Digits(batch_size=100, eval_batch_size=50)  # 3 batches of validation
    record = run(data, overfit_batches=batches, max_epochs=2, num_sanity_val_steps=0)
    validated = data.targets[data.split.val[: 50 * each]]
    assert torch.equal(record.targets("val"), torch.cat([validated, validated]))
    assert len(record.targets("test")) == len(data.split.test)


def test_without_overfitting_every_epoch_begins_with_another_batch(run):
    record = run(Digits(batch_size=100), limit_train_batches=1, max_epochs=3)
    assert len({tuple(targets.tolist()) for _, targets in record.seen["train"]}) == 3


class Own(DataModule):
    """A user's dataset of 40 samples, two classes."""

    class_names = ("cat", "dog")
    input_shape = (3,)
    maximum = 1.0

    def __init__(self, samples=None):
        super().__init__()
        self.given = samples

    def load(self):
        return self.given or Samples(torch.rand(40, 3), torch.arange(40) % 2)


class Nameless(DataModule):
    def load(self):
        return Samples(torch.rand(40, 3), torch.arange(40) % 2)


class Numbers(Own):
    class_names = ()


def test_a_dataset_of_ones_own_states_four_things():
    data = ready(Own())
    assert (data.num_classes, data.num_outputs, len(data.split.test)) == (2, 2, 8)
    assert data.preprocessing["maximum"] == 1


@pytest.mark.parametrize("attribute", ["class_names", "input_shape", "num_classes", "num_outputs"])
def test_an_attribute_that_a_dataset_does_not_state_is_named(attribute):
    stated = "input_shape" if attribute == "input_shape" else "class_names"
    with pytest.raises(DataError, match=f"^Nameless: {stated} is missing; state it in the class: {stated} = "):
        getattr(Nameless(), attribute)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            Own((torch.rand(40, 3), torch.arange(40) % 2)),
            r"load returns a tuple; it must return Samples\(inputs, targets\)",
        ),
        (Own(Samples(torch.rand(40, 3), torch.rand(40))), r"labels \(Samples.targets\) are torch.float32; .* int64"),
        (Own(Samples(torch.rand(40, 3), (torch.arange(40) % 2).int())), "are torch.int32; they must be int64"),
        (Own(Samples(torch.rand(40, 3).half(), torch.arange(40) % 2)), "Samples.inputs is torch.float16"),
        (Own(Samples(torch.rand(40, 3).numpy(), torch.arange(40) % 2)), "Samples.inputs is a ndarray"),
        (Own(Samples(torch.rand(40, 3), [0] * 40)), "Samples.targets is a list; it must be a tensor"),
        (Own(Samples(torch.rand(40, 3), torch.arange(39) % 2)), "there are 40 inputs and 39 targets"),
        (Own(Samples(torch.rand(40, 3), torch.arange(40) % 3)), "sample 2 has label 2; there are 2 classes"),
        (
            Numbers(),
            r"Samples.targets is torch.int64 \(40,\); without class_names, .* float32 or float64 \(N, outputs\)",
        ),
    ],
)
def test_samples_that_do_not_fit_are_refused_by_the_attributes_name(data, message):
    with pytest.raises(DataError, match=message) as refused:
        data.setup()
    assert "\n" not in str(refused.value)


def test_features_in_the_place_of_inputs_are_handed_over_as_they_are(run):
    data = ready(Digits(augmentation=[Erase()], batch_size=2000, eval_batch_size=2000))
    features = torch.randn(1797, 1, 8, 8)
    data.replace_inputs(features)
    record = run(data, max_epochs=1)
    order = record.seen["train"][0][0]
    assert torch.equal(
        order.flatten(1).sum(1).sort().values, features[data.split.train].flatten(1).sum(1).sort().values
    )
    assert torch.equal(record.inputs("test"), features[data.split.test])
    data.replace_inputs(None)
    assert data.fields()[0] is data.samples.inputs


@pytest.mark.parametrize("name", ["num_outputs", "target_mean", "target_std", "class_counts", "preprocessing"])
@pytest.mark.parametrize("data", [Digits, Diabetes])
def test_what_a_task_needs_is_known_without_setup(data, name):
    if (data, name) != (Diabetes, "class_counts"):
        assert getattr(data(), name) == getattr(ready(data()), name)


def test_the_data_print_as_their_description():
    data = Digits()
    assert str(data) == "Digits"
    assert str(ready(data)) == f"Digits: {data.describe()}"


def test_the_checkpoint_of_the_data_holds_the_seed_of_the_shuffle_alone():
    assert ready(Digits()).state_dict().keys() == {"shuffle_seed"}


@pytest.mark.parametrize("argument", ["batch_size", "eval_batch_size"])
def test_a_batch_of_no_samples_is_refused(argument):
    with pytest.raises(ValueError, match=f"Digits: {argument} 0 is less than 1"):
        Digits(**{argument: 0})


class Count(Augmentation):
    """Numbers the images of a batch in their first pixel."""

    def forward(self, images):
        images = images.clone()
        images[:, 0, 0, 0] = torch.arange(len(images))
        return images


def test_each_sample_is_in_a_batch_as_often_as_asked_augmented_anew(run):
    data = Digits(augmentation=[Count()], augmentation_repeats=4, batch_size=200)
    record = run(data, max_epochs=1)
    inputs, targets = record.seen["train"][0][:2]
    assert len(inputs) == 200
    assert torch.equal(inputs[:, 0, 0, 0], torch.arange(200.0))
    plain = inputs.clone()
    plain[:, 0, 0, 0] = 0
    assert torch.equal(plain[::4].repeat_interleave(4, 0), plain)
    assert torch.equal(targets[::4].repeat_interleave(4), targets)
    assert len(record.targets("train")) == 4 * len(data.split.train)


def test_repeats_that_do_not_divide_the_batch_are_refused():
    with pytest.raises(DataError, match="augmentation_repeats"):
        Digits(batch_size=100, augmentation=[Count()], augmentation_repeats=3)
    with pytest.raises(DataError, match="augmentation_repeats"):
        Digits(augmentation_repeats=2, augmentation=[])
    with pytest.raises(DataError, match="BreastCancer has no images"):
        BreastCancer(augmentation_repeats=2, augmentation=[Count()]).train_dataloader()


def test_training_samples_are_spread_over_the_part_and_plain():
    data = ready(Digits(augmentation=[Count()]))
    inputs, targets = data.training_samples(100)
    some = data.split.train[torch.arange(100) * len(data.split.train) // 100]
    assert torch.equal(inputs, data.samples.inputs[some] / 16)
    assert torch.equal(targets, data.samples.targets[some])
    assert len(data.training_samples(10_000)[0]) == len(data.split.train)
    nearly_all = data.training_samples(len(data.split.train) - 1)[1]
    assert nearly_all[-1] == data.samples.targets[data.split.train[-2]]
