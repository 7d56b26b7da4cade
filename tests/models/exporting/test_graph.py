"""The graph of a model does what the model does to raw inputs."""

import pytest
import torch
from torch import nn

from models import Classifier
from models.exporting import ExportError, Graph, Signature
from models.exporting.graph import fit_images
from models.preprocessing import Preprocessing

SIZES = [(32, 20), (31, 40), (64, 64), (50, 97), (20, 20), (8, 9), (200, 33)]


def graph_of(network: nn.Module, preprocessing: Preprocessing, signature: Signature) -> tuple[Classifier, Graph]:
    task = Classifier(network, 3).eval()
    task.preprocessing = preprocessing
    return task, Graph(task, signature)


@pytest.mark.parametrize("size", SIZES)
def test_images_of_any_size_are_resized_and_cropped_as_the_preprocessing_does(size) -> None:
    images = torch.nn.functional.interpolate(torch.rand(2, 3, 7, 5) * 255, size=size, mode="bilinear")
    resize = Preprocessing(size=[32, 20]).resize
    assert torch.allclose(fit_images(images, [32, 20]), resize(images), atol=0.01)
    whole = images.to(torch.uint8)
    assert (fit_images(whole, [32, 20]) - resize(whole).float()).abs().max() <= 1  # of 255


def test_categories_and_gaps_of_a_table_are_encoded_inside() -> None:
    columns = [[0, 1.5, 2.0, 0.5, 1], [3, 0, 0, 1, 0]]  # a number with gaps, a category of three values
    task, graph = graph_of(nn.Linear(5, 3), Preprocessing(columns=columns), Signature((2,), torch.float64))
    raw = torch.tensor([[1.0, 2.0], [torch.nan, 0.0], [7.5, torch.nan]], dtype=torch.float64)
    program = graph.follow().module()
    with torch.no_grad():
        assert torch.allclose(program(raw), task(raw).softmax(-1))
        assert program(raw[:1]).shape == (1, 3)


def test_bytes_are_scaled_and_normalised_inside() -> None:
    preprocessing = Preprocessing(255.0, [0.4], [0.2])
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    task, graph = graph_of(network, preprocessing, Signature((1, 4, 4), torch.uint8, of_images=True))
    raw = torch.randint(256, (5, 1, 4, 4), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.allclose(graph.follow().module()(raw), task(raw).softmax(-1))


class OneBatch(nn.Module):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs[:, :3] if len(inputs) == 2 else inputs[:, 1:]


def test_a_network_that_depends_on_the_number_of_samples_is_refused() -> None:
    _, graph = graph_of(OneBatch(), Preprocessing(), Signature((4,), torch.float32))
    with pytest.raises(ExportError, match="OneBatch cannot be exported as a graph"):
        graph.follow()
