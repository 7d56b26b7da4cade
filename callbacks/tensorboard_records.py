"""Records of TensorBoard's own forms: a run in the HParams tab, and a file of single points."""

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.metadata import (
    PLUGIN_DATA_VERSION,
    PLUGIN_NAME,
    SESSION_END_INFO_TAG,
    SESSION_START_INFO_TAG,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.summary.writer.record_writer import RecordWriter

from datamodules.atomic_write import atomic_write

FORMAT = "brain.Event:2"


def hparams_records(settings: Mapping[str, bool | int | float | str], title: str) -> list[Any]:
    """Return what makes a run a row of the HParams tab.

    torch's own function adds a list of the run's columns. TensorBoard takes the list of one run for all: settings that
    only other runs have are hidden then, and which of them differ is not found out.

    Args:
        settings: Values of the columns.
        title: Name of the row; rows of one name become one.
    """
    start = SessionStartInfo(group_name=title)
    for name, value in settings.items():
        if isinstance(value, bool):
            start.hparams[name].bool_value = value
        elif isinstance(value, str):
            start.hparams[name].string_value = value
        else:
            start.hparams[name].number_value = value
    end = SessionEndInfo(status=Status.Value("STATUS_SUCCESS"))
    return [
        _record(SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start, version=PLUGIN_DATA_VERSION)),
        _record(SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end, version=PLUGIN_DATA_VERSION)),
    ]


def _record(tag: str, content: Any) -> Any:
    plugin = SummaryMetadata.PluginData(plugin_name=PLUGIN_NAME, content=content.SerializeToString())
    return Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin))])


def picture_record(name: str, png: bytes, width: int, height: int) -> Any:
    """Return what shows a PNG file, of pixels with transparency, as it is."""
    image = Summary.Image(encoded_image_string=png, width=width, height=height, colorspace=4)
    return Summary(value=[Summary.Value(tag=name, image=image)])


def write_points(path: Path, points: Mapping[str, float], step: int) -> None:
    """Write an event file that holds one step's values by name."""
    values = [Summary.Value(tag=name, simple_value=value) for name, value in points.items()]
    now = time.time()
    events = [Event(wall_time=now, file_version=FORMAT), Event(wall_time=now, step=step, summary=Summary(value=values))]
    content = io.BytesIO()
    writer = RecordWriter(content)
    for event in events:
        writer.write(event.SerializeToString())
    with atomic_write(path) as file:
        file.write(content.getvalue())
