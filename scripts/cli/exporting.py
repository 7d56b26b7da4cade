"""The job `export`: a checkpoint's model as a file for other programs, compared with the original."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from callbacks import load_checkpoint
from callbacks.files import display_path
from callbacks.printing import say
from datamodules.atomic_write import atomic_write
from datamodules.images.new_images import CHANNELS
from models import Classifier, MultiLabelClassifier, Regressor
from models.exporting import FORMATS, ExportError, Graph, Signature
from models.exporting.formats import Exported, Format, Run
from models.init_args import HYPER_PARAMETERS
from scripts.cli.command_line import CommandLine
from scripts.cli.errors import UsageError
from scripts.cli.export_samples import Raw, samples
from scripts.cli.jobs import Job
from scripts.cli.result_files import check_writable
from scripts.cli.runs import run_folder_of
from scripts.cli.start_up import versions
from scripts.cli.trained_model import TrainedModel, in_one_line, load_trained, read_command

BATCHES = (1, 63, 64, 128)  # sizes that the exported model is tried with
TOLERANCE = 1e-3  # of probabilities, or of numbers in standard deviations of the target
HALF = (torch.float16, torch.bfloat16)


def run(job: Job, words: list[str]) -> None:
    """Export.

    Args:
        job: "export".
        words: The words of the command line after the job's name.

    Raises:
        UsageError: Checkpoint or settings are at fault, or the model cannot be exported; the message is one line.
    """
    with in_one_line():
        try:
            _export(job, words)
        except ExportError as error:
            raise UsageError(str(error)) from error


def _export(job: Job, words: list[str]) -> None:
    command = read_command(job, CommandLine.parse(job.name, words))
    name = command.config.format or next(iter(FORMATS))
    if name not in FORMATS:
        raise UsageError(f"--format {name}: choose {', '.join(FORMATS)}")
    written = FORMATS[name]
    path = _path(command.config.output, command.checkpoint, written)
    check_writable(path, f"model{written.ending}", [command.checkpoint])
    written.check_installed()
    model = load_trained(command, command.trainer())
    if model.task.network_dtype in HALF:
        model.task.float()
    model.task.requires_grad_(False)  # a program is loaded as it was saved
    signature = _signature(model)
    exported = _described(model, Graph(model.task, signature))
    content = written.write(exported)
    raw, which = samples(command, model, signature)
    found = largest_difference(exported, written.read(content), raw)
    if not found <= TOLERANCE * _unit(model):  # NaN too
        raise UsageError(f"{path} is not written: its {exported.output} differ from the model's by {found:.2g}")
    with atomic_write(path) as file:
        file.write(content)
    shapes = exported.metadata["inputs"]
    kinds = {name: f"{one['dtype']} {_shape(one['shape'])}" for name, one in shapes.items()}
    inputs = ", ".join(kind if name == "inputs" else f"{name} {kind}" for name, kind in kinds.items())
    (result,) = exported.metadata["outputs"].values()
    say(
        f"exported    {display_path(path)} ({len(content) / 1e6:,.1f} MB)",
        f"inputs      {inputs}",
        f"outputs     {exported.output} {_shape(result['shape'])}",
        *([f"temperature {model.temperature:.4g}"] if model.temperature != 1 else []),
        f"difference  {found:.2g} at most, by {written.reader} on {which}",
    )


def _path(output: str | None, checkpoint: Path, written: Format) -> Path:
    """Return the file to write: as the user names it, or in the run's folder, or in the working directory."""
    if output is not None:
        return Path(output)
    folder = run_folder_of(checkpoint)
    return (Path() if folder is None else folder) / f"{'model' if folder else checkpoint.stem}{written.ending}"


def _signature(model: TrainedModel) -> Signature:
    trained = model.trained_on
    images = len(trained.shape) == 3 and trained.shape[0] in CHANNELS and not trained.lengths
    return Signature(trained.shape, trained.dtype, trained.lengths, images)


def _unit(model: TrainedModel) -> float:
    """Return the size of a difference that counts as 1."""
    return float(model.task.target_std.max()) if isinstance(model.task, Regressor) else 1.0


def _described(model: TrainedModel, graph: Graph) -> Exported:
    """Return what to export, with what a user of the file must know."""
    task, trained, signature = model.task, model.trained_on, graph.signature
    output = "values" if isinstance(task, Regressor) else "probabilities"
    shape: list[Any] = ["batch", *signature.shape]
    for place, name in graph.varying().items():
        shape[place] = name
    inputs: dict[str, Any] = {"inputs": {"shape": shape, "dtype": str(trained.dtype).removeprefix("torch.")}}
    inputs["inputs"]["meaning"] = _meaning(model, graph)
    if signature.lengths:
        meaning = "true steps of each sequence; values beyond have no influence"
        inputs["lengths"] = {"shape": ["batch"], "dtype": "int64", "meaning": meaning}
    of_steps = getattr(task.network, "output", None) == "every"
    result = ["batch", *([shape[1]] if of_steps else []), task.num_outputs]
    metadata: dict[str, Any] = {
        "made_by": versions().partition("\n")[0],
        "task": type(task).__name__,
        "network": type(task.network).__name__,
        "inputs": inputs,
        "outputs": {output: {"shape": result, "meaning": _result_meaning(model)}},
        "class_names": list(trained.class_names),
        "temperature": model.temperature,
    }
    if not trained.class_names and model.names:
        metadata["targets"] = list(model.names)
    if isinstance(task, MultiLabelClassifier):
        metadata["thresholds"] = task.thresholds.at_temperature().tolist()
    for key in ("columns", "vocabulary"):
        if key in trained.manifest:
            metadata[key] = trained.manifest[key]
    return Exported(task, graph, load_checkpoint(model.path)[HYPER_PARAMETERS], metadata, output)


def _meaning(model: TrainedModel, graph: Graph) -> str:
    trained, preprocessing = model.trained_on, model.task.preprocessing
    if preprocessing.columns is not None:
        return "rows of a table, as columns says: numbers, NaN for gaps; of categories the place among its values"
    if "vocabulary" in trained.manifest:
        return "token ids, as vocabulary says: 0 is padding, 1 an unknown token, 2 the first that is known"
    if len(trained.shape) == 3 and trained.shape[0] in CHANNELS:
        kind = "images (channels, height, width), {} with values from 0 to {:g}, not normalised"
        words = kind.format("grey" if trained.shape[0] == 1 else "RGB", preprocessing.maximum)
        _, height, width = trained.shape
        inside = f"; their shorter side is scaled and their centre cropped to {height}×{width} inside"
        return words + inside if graph.any_size else words
    return "sequences (steps, features), not normalised" if len(trained.shape) == 2 else "numbers, not normalised"


def _result_meaning(model: TrainedModel) -> str:
    if isinstance(model.task, Classifier):
        return "probability of each of class_names"
    if isinstance(model.task, MultiLabelClassifier):
        return "probability of each label of class_names; a label is predicted if its probability reaches its threshold"
    return "the predicted numbers, in the unit of the targets"


def largest_difference(exported: Exported, run: Run, raw: Raw) -> float:
    """Return by how much the results of an exported model differ from the original's, in batches of several sizes.

    Args:
        exported: The original.
        run: The exported model.
        raw: Raw inputs, and lengths if the model takes them.
    """
    task, largest, start = exported.task, 0.0, 0
    for size in BATCHES:
        batch = _fitting(tuple(part[start : start + size] for part in raw), exported.graph)
        start += size
        if not len(batch[0]):
            break
        with torch.inference_mode():
            own = task.to_results(task(batch[0] if len(batch) == 1 else batch))
            other = run(*batch)
        if own.shape != other.shape:
            raise ExportError(f"the exported model gives {tuple(other.shape)}, the original {tuple(own.shape)}")
        difference = (own.double() - other.double()).abs().max().item()
        largest = difference if difference != difference else max(largest, difference)
    return largest


def _fitting(batch: Raw, graph: Graph) -> tuple[Tensor, ...]:
    """Return a batch of sequences as long as the graph takes them: cut after the longest, or padded to the data's."""
    if len(batch) == 1 or not len(batch[0]):
        return batch
    values, lengths = batch
    steps = int(lengths.max()) if graph.any_length else graph.signature.shape[0]
    padded = values.new_zeros(len(values), steps, *values.shape[2:])
    kept = min(steps, values.shape[1])
    padded[:, :kept] = values[:, :kept]
    return padded, lengths


def _shape(shape: list[Any]) -> str:
    return f"({', '.join(map(str, shape))})"
