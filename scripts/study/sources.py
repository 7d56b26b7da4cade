"""Sources of variance: what differs between two runs of one recipe, each with the setting that seeds it."""

from collections.abc import Mapping, Sequence

from scripts.cli.errors import UsageError
from scripts.cli.flags import did_you_mean

# Order: that of the samples, and every draw of training: augmentation, dropout, what regularizers draw.
SOURCES = {
    "initialization": "initialization_seed",
    "order": "seed_everything",
    "split": "data.split.seed",
    "label_noise": "data.label_noise.noise_seed",
}
DEFAULT_SOURCES = ("initialization", "order")
SPLIT = "split"
TOGETHER = "all"  # the sources vary together


def check_sources(names: Sequence[str]) -> None:
    """Check names of sources.

    Raises:
        UsageError: One is unknown or given twice, or there is none.
    """
    for name in names:
        if name not in SOURCES:
            raise UsageError(f"--sources: {name!r} is not one of {', '.join(SOURCES)}{did_you_mean(name, SOURCES)}")
    if not names or len(set(names)) < len(names):
        raise UsageError(f"--sources: name each of {', '.join(SOURCES)} once at most, and one at least")


def seed_flags(base: Mapping[str, int], varied: Sequence[str], offset: int) -> list[str]:
    """Return the flags that seed a run.

    `seed_everything` alone seeds initial weights and order as one, as `fit` does, where both vary or neither does.

    Args:
        base: The recipe's seed of each source that it has.
        varied: The sources that differ from the recipe.
        offset: What is added to their seeds, 0 or more.
    """
    seeds = {source: base[source] + offset for source in varied}
    if ("initialization" in varied) != ("order" in varied) or base["initialization"] != base["order"]:
        seeds.setdefault("initialization", base["initialization"])
    else:
        seeds.pop("initialization", None)
    return [word for source, seed in seeds.items() for word in (f"--{SOURCES[source]}", str(seed))]
