"""Times what each regularizer adds to a training step of ResNet-18 on 128 images of 3×32×32.

python -m scripts.regularizer_cost

A regularizer's time covers all its hooks and the backward pass of its penalty; the step's covers forward, backward and
SGD. Each round measures all of them in turn; the table shows medians.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from models import regularizers
from models.networks import ResNet
from models.regularizers import MixUp, RandomMix, Regularizer, RegularizerChain, Scheduled, Step

SAMPLES, CLASSES, SHAPE = 128, 10, (3, 32, 32)
# Regularizers with required arguments.
FACTORIES = {
    "RandomMix": lambda: RandomMix([MixUp(), regularizers.CutMix()]),
    "Scheduled": lambda: Scheduled(MixUp(), end_epoch=0),
}


def every_regularizer() -> dict[str, Regularizer]:
    """Return one of each regularizer for classes, with its default settings, by name."""
    found: dict[str, Regularizer] = {}
    for name in regularizers.__all__:
        kind = getattr(regularizers, name)
        if issubclass(kind, Regularizer) and kind is not Regularizer and "classes" in kind.applies_to:
            found[name] = FACTORIES.get(name, kind)()
    return found


def regularizer_work(network: ResNet, regularizer: Regularizer, inputs: Tensor, targets: Tensor) -> Callable[[], None]:
    """Return a function, to be timed, that does the work a regularizer adds to a step."""
    chain = RegularizerChain([regularizer])
    chain.setup(network, CLASSES)
    parameters = list(network.parameters())
    outputs = torch.randn(SAMPLES, CLASSES, requires_grad=True)

    def work() -> None:
        changed, soft = chain.perturb(inputs, targets)
        soft = chain.revise(outputs, soft)
        penalties = [penalty for _, penalty in chain.penalties(Step(changed, soft, outputs, network, network))]
        if penalties and penalties[0].requires_grad:
            torch.autograd.grad(torch.stack(penalties).sum(), [outputs, *parameters], allow_unused=True)
        chain.project(network)

    return work


def step_work(network: ResNet, inputs: Tensor, targets: Tensor) -> Callable[[], None]:
    """Return a function, to be timed, that does a training step without regularizers."""
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)

    def work() -> None:
        optimizer.zero_grad()
        F.cross_entropy(network(inputs), targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return work


def seconds(work: Callable[[], None], repeats: int) -> float:
    """Return the mean time of a call, in seconds."""
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats


def main() -> None:
    """Time all of them and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds, each of everything in turn (default: 5)")
    rounds = parser.parse_args().rounds
    torch.manual_seed(0)
    network = ResNet(SHAPE, CLASSES, depth=18, dropout=0.1)  # RDrop needs dropout
    inputs, targets = torch.randn(SAMPLES, *SHAPE), F.one_hot(torch.randint(CLASSES, (SAMPLES,)), CLASSES).float()
    step = step_work(network, inputs, targets)
    works = {name: regularizer_work(network, item, inputs, targets) for name, item in every_regularizer().items()}
    times: dict[str, list[float]] = {name: [] for name in ("step", *works)}
    seconds(step, 1)
    with tqdm(total=rounds * len(times), leave=False, disable=None) as bar:  # None: only in a terminal
        for number in range(rounds):
            times["step"].append(seconds(step, 1))
            for name, work in works.items():
                bar.set_description(name)
                once = seconds(work, 1)
                times[name].append(seconds(work, min(20, max(1, round(0.2 / once)))))
                bar.update()
            bar.update()
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    median = {name: statistics.median(values) for name, values in times.items()}
    print(f"a step of ResNet-18, {SAMPLES} images, float32: {median['step'] * 1e3:.0f} ms")
    print(f"{'regularizer':<24} {'µs a batch':>12} {'of the step':>12}")
    for name in sorted(works, key=lambda name: median[name]):
        print(f"{name:<24} {median[name] * 1e6:>12,.0f} {median[name] / median['step']:>12.2%}")


if __name__ == "__main__":
    main()
