"""The public Muon recipe for CIFAR-10, airbench94_muon.py of Jordan's cifar10-airbench, ported plainly.

On a CPU half precision is bfloat16, and nothing is compiled. Data come from memory, and accuracies are without
test-time augmentation.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scripts.benchmarks.setup import now

HALF = {"cpu": torch.bfloat16, "cuda": torch.float16}
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
BATCH, EPOCHS, WHITEN_EPOCHS = 2000, 8, 3
BIAS_LR, HEAD_LR, DECAY = 0.053, 0.67, 2e-6 * BATCH


def zeropower(gradient: Tensor, steps: int = 3, eps: float = 1e-7) -> Tensor:
    """Return the orthogonalized gradient of a matrix."""
    a, b, c = (3.4445, -4.7750, 2.0315)
    x: Tensor = gradient.bfloat16()
    x /= x.norm() + eps
    if gradient.size(0) > gradient.size(1):
        x = x.T
    for _ in range(steps):
        product = x @ x.T
        x = a * x + (b * product + c * product @ product) @ x
    return x.T if gradient.size(0) > gradient.size(1) else x


class Muon(torch.optim.Optimizer):
    """The script's optimizer of filters."""

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})
        self.zeropower = torch.compile(zeropower) if params[0].is_cuda else zeropower

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Step."""
        for group in self.param_groups:
            for p in group["params"]:
                buffer = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p.grad))
                buffer.mul_(group["momentum"]).add_(p.grad)
                g = p.grad.add(buffer, alpha=group["momentum"])
                p.mul_(len(p) ** 0.5 / p.norm())
                p.add_(self.zeropower(g.reshape(len(g), -1)).view(g.shape), alpha=-group["lr"])


class BatchNorm(nn.BatchNorm2d):
    """The script's batch norm."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-12, momentum=0.4)
        self.weight.requires_grad = False


class Conv(nn.Conv2d):
    """The script's 3×3 convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding="same", bias=False)


class ConvGroup(nn.Sequential):
    """The script's block."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            Conv(before, after), nn.MaxPool2d(2), BatchNorm(after), nn.GELU(),
            Conv(after, after), BatchNorm(after), nn.GELU(),
        )  # fmt: skip


class CifarNet(nn.Module):
    """The script's network, on a device."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2, bias=True)
        self.whiten.weight.requires_grad = False
        self.layers = nn.Sequential(
            nn.GELU(), ConvGroup(24, 64), ConvGroup(64, 256), ConvGroup(256, 256), nn.MaxPool2d(3)
        )
        self.head = nn.Linear(256, 10, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.to(HALF[device.type])
        self.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if device.type == "cuda":
            self.compile(mode="max-autotune")  # type: ignore[no-untyped-call]

    def reset(self) -> None:
        """Draw new weights."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | BatchNorm | nn.Linear):
                module.reset_parameters()
            if isinstance(module, Conv):
                nn.init.dirac_(module.weight[: module.in_channels])
        self.head.weight.data *= 1 / self.head.weight.data.std()

    def init_whiten(self, images: Tensor, eps: float = 5e-4) -> None:
        """Whiten the first layer."""
        patches = images.unfold(2, 2, 1).unfold(3, 2, 1).transpose(1, 3).reshape(-1, 12).float()
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches), UPLO="U")
        scaled = (vectors.T.reshape(-1, 3, 2, 2)) / torch.sqrt(values.view(-1, 1, 1, 1) + eps)
        self.whiten.weight.data[:] = torch.cat((scaled, -scaled))

    def forward(self, x: Tensor, whiten_bias_grad: bool = True) -> Tensor:
        """Return logits."""
        assert self.whiten.bias is not None
        bias = self.whiten.bias
        x = F.conv2d(x, self.whiten.weight, bias if whiten_bias_grad else bias.detach())
        x = self.layers(x)
        x = x.view(len(x), -1)
        logits: Tensor = self.head(x) / x.size(-1)
        return logits


@dataclass(frozen=True)
class Reached:
    """What an epoch reached: seconds of training so far, and the test accuracy."""

    seconds: float
    accuracy: float


def train(
    net: CifarNet, epochs: int, images: Tensor, labels: Tensor, test_images: Tensor, test_labels: Tensor
) -> Iterator[Reached]:
    """Train as the script does, its learning rate falling over 8 epochs; yield what each epoch reached.

    Args:
        net: The network, whose weights are drawn anew.
        epochs: How many epochs of the 8 to train.
        images: (N, 3, 32, 32), uint8.
        labels: (N,).
        test_images: The same of the test part.
        test_labels: The same of the test part.
    """
    images, test_images = (_normalized(part) for part in (images, test_images))
    net.reset()
    filters = [p for p in net.parameters() if p.ndim == 4 and p.requires_grad]
    biases = [p for name, p in net.named_parameters() if "layers" in name and p.ndim == 1 and p.requires_grad]
    groups = [
        {"params": [net.whiten.bias], "lr": BIAS_LR, "weight_decay": DECAY / BIAS_LR},
        {"params": biases, "lr": BIAS_LR, "weight_decay": DECAY / BIAS_LR},
        {"params": [net.head.weight], "lr": HEAD_LR, "weight_decay": DECAY / HEAD_LR},
    ]
    optimizers = [torch.optim.SGD(groups, momentum=0.85, nesterov=True), Muon(filters, lr=0.24, momentum=0.6)]
    initial = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    per_epoch = len(images) // BATCH
    total, whiten_steps, step, seconds = math.ceil(EPOCHS * per_epoch), math.ceil(WHITEN_EPOCHS * per_epoch), 0, 0.0
    begin = now(images.device)
    net.init_whiten(images[:5000])
    flipped = torch.rand(len(images), device=images.device) < 0.5
    padded = F.pad(images, (2,) * 4, "reflect")
    for epoch in range(epochs):
        net.train()
        flip = flipped if epoch % 2 == 0 else ~flipped
        augmented = _crop(torch.where(flip.view(-1, 1, 1, 1), padded.flip(-1), padded))
        order = torch.randperm(len(images), device=images.device)
        for chosen in order.split(BATCH)[:per_epoch]:  # type: ignore[no-untyped-call]
            inputs = augmented[chosen].contiguous(memory_format=torch.channels_last)
            outputs = net(inputs, whiten_bias_grad=step < whiten_steps)
            F.cross_entropy(outputs, labels[chosen], label_smoothing=0.2, reduction="none").sum().backward()  # type: ignore[no-untyped-call]
            for optimizer, rates in zip(optimizers, initial, strict=True):
                for number, (group, rate) in enumerate(zip(optimizer.param_groups, rates, strict=True)):
                    whitening = optimizer is optimizers[0] and number == 0
                    group["lr"] = rate * max(1 - step / (whiten_steps if whitening else total), 0)
                optimizer.step()
            net.zero_grad(set_to_none=True)
            step += 1
        seconds += now(images.device) - begin
        yield Reached(seconds, _accuracy(net, test_images, test_labels))
        begin = now(images.device)


def _normalized(images: Tensor) -> Tensor:
    mean, std = (torch.tensor(part, device=images.device).view(3, 1, 1) for part in (MEAN, STD))
    return ((images / 255 - mean) / std).to(HALF[images.device.type])


def _crop(padded: Tensor) -> Tensor:
    shifts = torch.randint(-2, 3, (len(padded), 2), device=padded.device)
    found = padded.new_empty((len(padded), 3, 32, 32))
    for down in range(-2, 3):
        for right in range(-2, 3):
            mask = (shifts[:, 0] == down) & (shifts[:, 1] == right)
            found[mask] = padded[mask, :, 2 + down : 34 + down, 2 + right : 34 + right]
    return found


@torch.no_grad()
def _accuracy(net: CifarNet, images: Tensor, labels: Tensor) -> float:
    net.eval()
    right = 0
    for begin in range(0, len(labels), BATCH):
        part = slice(begin, begin + BATCH)
        right += int((net(images[part]).argmax(1) == labels[part]).sum())
    return right / len(labels)
