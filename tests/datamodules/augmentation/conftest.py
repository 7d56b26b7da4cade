"""Images to augment: every pixel a byte, as the data modules have them."""

import pytest
import torch


@pytest.fixture
def images():
    return torch.randint(256, (50, 3, 12, 10), generator=torch.Generator().manual_seed(0)) / 255
