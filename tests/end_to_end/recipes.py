"""Random recipes: data, network, loss, regularizers, optimizer, schedule and trainer flags that may go together."""

from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

ROOT = Path(__file__).parents[2]

IMAGE_NETWORKS = [
    "MLP --model.network.widths [16]",
    "MLP --model.network.widths [16,16] --model.network.norm batch --model.network.dropout 0.2",
    "Linear",
    "ResNet --model.network.depth 20",
]
PHOTO_NETWORKS = [
    *IMAGE_NETWORKS,
    "TinyConv",
    "CNN --model.network.dropout 0.1",
    "SpeedrunCNN --model.network.widths [8]",
]
TABLE_NETWORKS = [*IMAGE_NETWORKS[:3], "TableMLP --model.network.widths [16]"]
RECURRENT = [
    "Recurrent --model.network.cell gru",
    "Recurrent --model.network.cell lstm --model.network.bidirectional true",
    "Recurrent --model.network.cell rnn_tanh",
]
EACH_STEP = [f"{network} --model.network.output every" for network in RECURRENT]
TOKENS = ["TokenRecurrent --model.network.cell gru", "TokenRecurrent --model.network.output mean"]
PHOTOS = "-c configs/images.yaml --data.data_dir photos --data.size 32"
MIXED = "-c configs/tables.yaml --data.path mixed.csv"
# The words that name the data, and the networks that take them.
CLASSES = {
    "-c configs/digits.yaml": IMAGE_NETWORKS,
    PHOTOS: PHOTO_NETWORKS,
    f"{PHOTOS} --data.memory_limit_gb 0 --data.num_workers 0 --data.augmentation []": PHOTO_NETWORKS,
    "-c configs/breast_cancer_mlp.yaml": TABLE_NETWORKS,
    f"{MIXED} --data.target kind --data.features [age,town,born]": TABLE_NETWORKS,
    "-c configs/digits.yaml --data DigitRows --model.network.dropout 0": RECURRENT,
    "-c configs/sequences.yaml --data.path long.csv --data.sequence who --data.target kind": RECURRENT,
    "-c configs/delayed_echo_gru.yaml": EACH_STEP,
    "-c configs/text.yaml --data.path texts.csv --data.text text --data.target kind": TOKENS,
}
LABELS = {
    f"{MIXED} --model MultiLabelClassifier --data.target [hot,wet] --data.features [age,town,born]": TABLE_NETWORKS
}
NUMBERS = {
    "-c configs/diabetes_mlp.yaml": TABLE_NETWORKS,
    f"{MIXED} --model Regressor --data.target y": TABLE_NETWORKS,
    "-c configs/adding_problem_lstm.yaml --data.length 10": RECURRENT,
}
OF_CLASSES = ("disturb_label", "label_smoothing", "bootstrap_labels", "online_label_smoothing", "confidence_penalty")
OF_NUMBERS = ("disturb_value", "disturb_error")
OF_IMAGES = ("cutmix", "cutout", "random_mix")
OTHERS = (
    "elastic_net", "input_noise", "jacobian_penalty", "l1", "l2", "max_norm", "mixup", "orthogonality", "r_drop",
    "scheduled",
)  # fmt: skip
LOSSES = [path.stem for path in sorted((ROOT / "configs" / "losses").glob("*.yaml"))]
OPTIMIZERS = [
    "--model.optimizer AdamW --model.optimizer.lr 0.001",
    "--model.optimizer SGD --model.optimizer.lr 0.01 --model.optimizer.momentum 0.9",
    "--model.optimizer RMSprop --model.optimizer.lr 0.0005",
    "--model.optimizer Adadelta --model.optimizer.lr 0.1",
    "--model.optimizer SGD --model.optimizer.lr 0.01 -c configs/optimizers/sam.yaml",
    "-c configs/optimizers/asam.yaml",
    "--model.optimizer MuonWithAdamW --model.optimizer.lr 0.01",
    "-c configs/optimizers/weight_decay.yaml",
]
BY_STEP, BY_EPOCH = "--model.lr_scheduler_interval step", "--model.lr_scheduler_interval epoch"
SCHEDULES = [
    "--model.lr_scheduler null",
    f"--model.lr_scheduler WarmupCosine {BY_STEP}",
    f"--model.lr_scheduler WarmupCosine {BY_EPOCH}",
    f"--model.lr_scheduler StepLR --model.lr_scheduler.step_size 1 {BY_EPOCH}",
    f"--model.lr_scheduler ExponentialLR --model.lr_scheduler.gamma 0.9 {BY_STEP}",
    f"--model.lr_scheduler torch.optim.lr_scheduler.ReduceLROnPlateau --model.lr_scheduler.patience 0 {BY_EPOCH}",
    f"--model.lr_scheduler OneCycleLR --model.lr_scheduler.max_lr 0.01 {BY_STEP}",
]
# Of each line one may be chosen.
FLAGS = [
    ("--trainer.precision bf16-mixed", "--trainer.precision 64-true"),
    ("--trainer.accumulate_grad_batches 2", "--trainer.accumulate_grad_batches 3"),
    ("--trainer.gradient_clip_val 1.0", "-c configs/callbacks/adaptive_clipping.yaml"),
    ("--trainer.val_check_interval 2", "--trainer.check_val_every_n_epoch 2"),
    ("--trainer.limit_val_batches 1", "--trainer.overfit_batches 2"),
    ("--trainer.max_steps 5", "--early_stopping.patience 1"),
    ("-c configs/callbacks/ema.yaml", "-c configs/callbacks/swa.yaml"),
    ("-c configs/callbacks/memorization.yaml", "-c configs/callbacks/generalization_gap.yaml"),
    ("--data.split.folds 3 --data.split.fold 1", "--data.split.train_fraction 0.5"),
    ("--data.split.duplicates drop", "--data.split.duplicates group", "--data.split.seed 3"),
    ("--data.drop_last true", "--data.balanced_batches true"),
    ("--data.label_noise SymmetricNoise --data.label_noise.rate 0.2",),
    ("--data.imbalance ExponentialImbalance --data.imbalance.factor 3",),
    ("--checkpoint.monitor val/accuracy", "--checkpoint.monitor train/loss"),
    ("--model.layer_decay 0.8",),
]


@st.composite
def recipes(draw: st.DrawFn) -> tuple[str, ...]:
    """Draw the words after `holdout fit`: three epochs of some batches."""
    kind = draw(st.sampled_from([CLASSES, CLASSES, CLASSES, NUMBERS, LABELS]))
    data = draw(st.sampled_from(list(kind)))
    network = draw(st.sampled_from(kind[data]))
    size, batches = draw(st.sampled_from([8, 16, 33])), draw(st.integers(2, 4))
    parts = [data, f"--data.batch_size {size} --trainer.max_epochs 3 --trainer.limit_train_batches {batches}"]
    parts.append(f"--model.network {network}")
    of_images = OF_IMAGES if kind[data] in (IMAGE_NETWORKS, PHOTO_NETWORKS) else ()
    known = (*OTHERS, *(OF_NUMBERS if kind is NUMBERS else OF_CLASSES), *of_images)
    chosen = draw(st.lists(st.sampled_from(known), max_size=3, unique=True))
    parts += [f"-c configs/regularizers/{name}.yaml" for name in chosen]
    if kind is CLASSES and draw(st.booleans()):
        parts.append(f"-c configs/losses/{draw(st.sampled_from(LOSSES))}.yaml")
    parts += [draw(st.sampled_from(OPTIMIZERS)), draw(st.sampled_from(SCHEDULES))]
    parts += [draw(st.sampled_from(line)) for line in draw(st.lists(st.sampled_from(FLAGS), max_size=5, unique=True))]
    return tuple(" ".join(parts).split())


def write_data(folder: Path) -> None:
    """Write the files that the recipes name."""
    random = np.random.default_rng(0)
    for name, red in (("cats", 60), ("dogs", 190)):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(40):
            pixels = random.integers(0, 60, (20, 24, 3), dtype=np.uint8)
            pixels[..., 0] += np.uint8(red)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number}.png")
    table, texts, long = ["age,town,born,hot,wet,y,kind"], ["text,kind"], ["who,step,a,b,kind"]
    for row in range(150):
        kind = "abc"[row % 3]
        age, hot, wet = random.normal(40 + 10 * (row % 3), 8), *random.integers(0, 2, 2)
        shown = "" if row % 11 == 0 else f"{age:.3f}"
        town, born = random.choice(["Ulm", "Bonn", "Kiel", ""]), f"19{row % 90 + 10}-0{row % 9 + 1}-12"
        table.append(f"{shown},{town},{born},{hot},{wet},{age * 2 + random.normal():.4f},{kind}")
        words = random.choice(["sun", "rain", "snow", kind * 3, "wind"], row % 7 + 2)
        texts.append(f"{' '.join(words)},{kind}")
        long += [f"s{row},{step},{random.normal() + row % 3:.3f},{random.normal():.3f},{kind}"
                 for step in range(row % 5 + 3)]  # fmt: skip
    for name, lines in (("mixed.csv", table), ("texts.csv", texts), ("long.csv", long)):
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
