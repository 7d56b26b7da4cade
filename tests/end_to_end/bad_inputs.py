"""Command lines that are wrong, by kind: `WORDS => PART OF THE LINE; ANOTHER`; flags alone belong to a fit.

A line that ends in `WITHOUT package` is wrong only where that is not installed.
"""

from importlib.util import find_spec

from bad_trainers import CALLBACKS, TRAINER

MODEL = """
--data.batch_size 1 --model.network.norm batch => batch norm; data.batch_size
--data.batch_size 0 => batch_size 0
--data.batch_size -3 => batch_size -3
--data.batch_size 1.5 => data.batch_size: '1.5'
--data.batch_size 1000000 --data.drop_last true => drop_last; 1000000
--data.num_workers 2 => num_workers
--data.mean [0.5] => mean and std
--data.mean [0.5] --data.std [0] => std
--data.mean [0.5] --data.std [-1] => std
--data.mean [0.5] --data.std [1,2] => std
--data.mean [nan] => data.mean: 'nan'
--data.mean [0.5] --data.std [1e-30] => NaN or infinite after step 21, epoch 1
--data.split.val_fraction 1.5 => split.val_fraction: 1.5
--data.split.val_fraction 0 => val
--data.split.seeds 3 => split.seeds; split.seed
--data null => no data is named
--model null => no model is named
--model.network null => Classifier needs network
--model.network CNN => CNN: input_shape (1, 8, 8)
--model.network MPL => model.network; 'MPL'; MLP
--model.network torch.optim.SGD => model.network; torch.optim.SGD
--model.network.widths 8 => model.network.widths: '8'
--model.network.widths [0] => widths [0]
--model.network.widths [1e12] => model.network.widths
--model.network.widths [100000000000] => MLP: not enough memory; 25,600.0 GB
--model.network.dropout 1 => dropout 1.0
--model.network.dropout nan => model.network.dropout: 'nan'
--model.network.depth 3 => MLP has no argument 'depth'
--model.loss torch.nn.MSELoss => MSELoss
--model.loss NoLoss => model.loss; 'NoLoss'
--model.optimizer SGDD => model.optimizer
--model.optimizer torch.optim.SparseAdam => model.optimizer: SparseAdam; dense gradients
--model.optimizer torch.optim.Muon => model.optimizer (Muon)
--model.optimizer torch.nn.Linear => model.optimizer: torch.nn.Linear is not an Optimizer
--model.optimizer.lr -1 => learning rate; -1
--model.optimizer.lr inf => model.optimizer.lr: 'inf'
--model.optimizer.lr 1e30 => the loss is nan at step; epoch 1; lower the learning rate (; e+29); first in body
--model.optimizer.weight_decay -1 => model.optimizer (AdamW); weight_decay
--model.optimizer.betas [2,3] => model.optimizer (AdamW); beta
--model.lr_scheduler StepLR => model.lr_scheduler: needs step_size
--model.lr_scheduler StepLR --model.lr_scheduler.step_size 0 => model.lr_scheduler (StepLR)
--model.lr_scheduler.warmup_fraction 2 => warmup_fraction 2.0
--model.lr_scheduler_interval week => model.lr_scheduler_interval: 'week'
--early_stopping.monitor val/los => early_stopping.monitor; 'val/los'
--early_stopping.patience 0 => patience 0
--early_stopping.min_delta nan => early_stopping.min_delta: 'nan'
--checkpoint.monitor val/acc => checkpoint.monitor; 'val/acc'
--checkpoint.mode up => checkpoint.mode
--checkpoint.every_minutes 0 => every_minutes 0
--checkpoint.every_n_train_steps 0 => every_n_train_steps 0
--seed_everything -1 => seed_everything: -1
--seed_everything 1.5 => seed_everything: '1.5'
"""
LONG = "x" * 300
TRAINED = "test --ckpt_path runs/trained/version_0"
TWO = "--trainer.accelerator cpu --trainer.devices 2 --trainer.strategy"
RUNS = f"""
--name a/b => --name a/b
--name .. => --name ..
--name '' => --name is empty
--name {LONG} => --name xxx; 255 bytes
--runs_dir misused.py => --runs_dir misused.py
--runs_dir misused.py/runs => --runs_dir misused.py/runs
--runs_dir /proc/none => --runs_dir /proc/none
fit => needs a recipe; holdout list recipes
fti -c configs/digits.yaml => no job 'fti'; fit
fit -c configs/digit.yaml => no file configs/digit.yaml; configs/digits.yaml
fit -c configs => configs is a folder; such as configs/
fit -c misused.py => misused.py
fit -c runs/trained/version_0/checkpoints/best.ckpt => best.ckpt; --ckpt_path
fit configs/digits.yaml => -c configs/digits.yaml
fit -c configs/regularizers/mixup.yaml => configs/regularizers/mixup.yaml is an overlay
fit --data Tabular --data.path none.csv --data.target x => none.csv
fit --data ImageFolder --data.data_dir nowhere => nowhere is not a folder
fit --data ImageFolder --data.data_dir bytes => bytes/; UTF-8
fit --data ImageFolder --data.data_dir bytes_in => bytes_in/; UTF-8
fit -c configs/mnist_mlp.yaml --data.data_dir missing => MNIST is not in missing
test => test needs a checkpoint
test --ckpt_path best => --ckpt_path best
test --ckpt_path auto => --ckpt_path auto is for fit
test --ckpt_path runs => --ckpt_path runs is a folder
test --ckpt_path misused.py => misused.py is not a checkpoint
test --ckpt_path nowhere.ckpt => nowhere.ckpt; no such file
test --ckpt_path /dev/null => /dev/null
test --ckpt_path s3://bucket/x.ckpt => --ckpt_path s3://bucket/x.ckpt is an address
{TRAINED} --data.split.val_fraction 0.3 => split.val_fraction was 0.1, now it is 0.3
{TRAINED} --data.split.test_fraction 0.3 => split.test_fraction was 0.2, now it is 0.3
{TRAINED} --data.split.seed 7 => split.seed was 0, now it is 7
{TRAINED} --data BreastCancer => the dataset was Digits, now it is BreastCancer
{TRAINED} --model.network.widths [9] => model.network.widths.0 was 8, now 9
{TRAINED} --model.network CNN => CNN: input_shape
{TRAINED} --model.network Linear => model.network; weights do not fit
{TRAINED} --trainer.limit_test_batches 0 => trainer.limit_test_batches: 0
{TRAINED} --trainer.limit_test_batches 0.0001 => limit_test_batches
{TRAINED} --trainer.strategy ddpx => trainer.strategy; ddpx
{TRAINED} --data.batch_size 0 => batch_size 0
validate --ckpt_path runs/trained/version_0 --trainer.limit_val_batches 0 => trainer.limit_val_batches: 0
predict --ckpt_path runs/trained/version_0 {TWO} ddp_fork => trainer.strategy: predict cannot use ddp_fork; give ddp
calibrate --ckpt_path runs/trained/version_0 {TWO} ddp_spawn => trainer.strategy: calibrate cannot use ddp_spawn
predict --ckpt_path runs/trained/version_0 --output configs => --output configs is a folder
predict --ckpt_path runs/trained/version_0 --output misused.py/x.csv => --output misused.py/x.csv
predict --ckpt_path runs/trained/version_0 --output /proc/x.csv => --output /proc/x.csv
predict --ckpt_path runs/trained/version_0 --output pipe => --output pipe is not a regular file
predict --ckpt_path runs/trained/version_0 --output {LONG}.csv => File name too long
fit -c configs/digits.yaml --ckpt_path runs/trained/version_0 => model.network.widths was [8], now [256, 128]
"""
KINDS = {"trainer": TRAINER, "callbacks": CALLBACKS, "model": MODEL, "runs": RUNS}
# Each of another start of the process, or found at another moment: typed for real, in a process of its own.
TYPED = (
    "--trainer.max_steps 5",
    "--trainer.logger WandbLogger",
    "--model.regularizers [misused.NoArguments]",
    "--data.mean [0.5] --data.std [1e-30]",
    "fit",
    "fti -c configs/digits.yaml",
    "fit -c configs/digit.yaml",
    "test --ckpt_path runs/trained/version_0 --data.split.val_fraction 0.3",
    "predict --ckpt_path runs/trained/version_0 --output pipe",
)


def rows(kind: str) -> list[tuple[str, str, str]]:
    """Return the command lines of a kind, the parts of their messages, and the package without which they are wrong."""
    lines = [line.partition(" WITHOUT ") for line in KINDS[kind].strip().splitlines()]
    return [(*line.partition(" => ")[::2], package) for line, _, package in lines]


def cases(kind: str) -> list[tuple[str, list[str]]]:
    """Return the command lines of a kind that are wrong here, each with the parts that its message must have."""
    return [(words, said.split("; ")) for words, said, package in rows(kind) if not (package and find_spec(package))]
