"""The formats that a model is exported in: each writes bytes, and runs what it has written."""

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.optional import need
from models.exporting.graph import ExportError, Graph, first_line, quiet_exporters
from models.exporting.weights import load_safetensors, to_safetensors
from models.task import Task

Run = Callable[..., Tensor]  # raw inputs, and lengths of sequences, to results
EXTRA = "export"
METADATA_FILE = "metadata.json"
ONNX_LIMIT = 2**31  # bytes of one file


@dataclass(frozen=True)
class Exported:
    """What is exported.

    Attributes:
        task: The task, in evaluation mode.
        graph: The same as one module.
        hyperparameters: Those of its checkpoint.
        metadata: Plain values by name: class names, inputs and so on.
        output: Name of the result.
    """

    task: Task
    graph: Graph
    hyperparameters: Mapping[str, Any]
    metadata: Mapping[str, Any]
    output: str

    def texts(self) -> dict[str, str]:
        """Return the metadata as texts: JSON, but for what is a text already."""
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in self.metadata.items()}


class Format(ABC):
    """A file format.

    Attributes:
        ending: Of its files.
        reader: What reads them.
        packages: What it needs that may not be installed.
    """

    ending: ClassVar[str]
    reader: ClassVar[str]

    packages: ClassVar[tuple[str, ...]] = ()

    def check_installed(self) -> None:
        """Check that the packages it needs are installed.

        Raises:
            DataError: One is not; the message says how to install it.
        """
        for package in self.packages:
            need(package, EXTRA, f"a {self.ending} file")

    @abstractmethod
    def write(self, exported: Exported) -> bytes:
        """Return the content of a file.

        Raises:
            ExportError: The model cannot be written in this format.
        """

    @abstractmethod
    def read(self, content: bytes) -> Run:
        """Return a function that runs the model in a file's content, as another program would."""


class ONNX(Format):
    """An ONNX graph; the metadata are its `metadata_props`."""

    ending = ".onnx"
    reader = "onnxruntime"
    packages = ("onnx", "onnxscript", "onnxruntime")

    @override
    def write(self, exported: Exported) -> bytes:
        program, names = exported.graph.follow(), exported.graph.signature.names
        try:
            with quiet_exporters():
                made = torch.onnx.export(
                    program, dynamo=True, verbose=False, input_names=names, output_names=[exported.output]
                )
                assert made is not None
                made.model.metadata_props.update(exported.texts())
                proto = made.model_proto
                if proto.ByteSize() >= ONNX_LIMIT:
                    raise ExportError("an ONNX file holds less than 2 GiB; --format torch_export holds more")
                content: bytes = proto.SerializeToString()
        except ExportError:
            raise
        except Exception as error:  # of torch, onnxscript or protobuf
            name = type(exported.task.network).__name__
            raise ExportError(f"{name} cannot be written as ONNX ({first_line(error)})") from error
        return content

    @override
    def read(self, content: bytes) -> Run:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        names = [given.name for given in session.get_inputs()]

        def run(*inputs: Tensor) -> Tensor:
            given = {name: values.numpy() for name, values in zip(names, inputs, strict=True)}
            return torch.from_numpy(session.run(None, given)[0])

        return run


class TorchExport(Format):
    """A `torch.export` program; the metadata are its extra file metadata.json."""

    ending = ".pt2"
    reader = "torch.export.load"

    @override
    def write(self, exported: Exported) -> bytes:
        program = exported.graph.follow()
        file = io.BytesIO()
        try:
            with quiet_exporters():
                extra = {METADATA_FILE: json.dumps(dict(exported.metadata))}
                torch.export.save(program, file, extra_files=extra)
        except Exception as error:  # torch raises many kinds
            name = type(exported.task.network).__name__
            raise ExportError(f"{name} cannot be written as a torch.export program ({first_line(error)})") from error
        return file.getvalue()

    @override
    def read(self, content: bytes) -> Run:
        with quiet_exporters():
            module = torch.export.load(io.BytesIO(content)).module()
        return module.__call__


class Safetensors(Format):
    """The weights, and in the metadata all that rebuilds the task: `models.exporting.load_safetensors`."""

    ending = ".safetensors"
    reader = "load_safetensors"

    @override
    def write(self, exported: Exported) -> bytes:
        try:
            return to_safetensors(exported.task, exported.hyperparameters, exported.texts())
        except TypeError as error:
            raise ExportError(f"its hyperparameters are not plain values ({first_line(error)})") from error

    @override
    def read(self, content: bytes) -> Run:
        task = load_safetensors(content, trust=True)  # it is ours

        def run(inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
            return task.to_results(task(inputs if lengths is None else (inputs, lengths)))

        return run


FORMATS: dict[str, Format] = {"onnx": ONNX(), "torch_export": TorchExport(), "safetensors": Safetensors()}
