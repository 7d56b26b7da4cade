"""Settings that repeat a recipe rather than change it: the seeds and the fold; and settings without some of them."""

from collections.abc import Collection, Iterator
from typing import Any

REPEATED = (
    "seed_everything", "initialization_seed", "data.split.seed", "data.split.fold", "data.label_noise.noise_seed",
)  # fmt: skip
PLACES = ("name", "runs_dir")  # where a run is kept


def without(settings: Any, keys: Collection[str]) -> Any:
    """Return settings without the values of some keys, which skip "init_args", as flags do."""
    if isinstance(settings, list):
        return [without(item, ()) for item in settings]
    if not isinstance(settings, dict):
        return settings
    kept = {}
    for key, value in ((str(key), value) for key, value in settings.items()):
        if key == "init_args":
            kept[key] = without(value, keys)
        elif key not in keys:
            kept[key] = without(value, list(_below(key, keys)))
    return kept


def value_at(settings: Any, key: str) -> Any:
    """Return the value of a key that skips "init_args"; None if there is none."""
    for name in key.split("."):
        if isinstance(settings, dict) and name not in settings:
            settings = settings.get("init_args")
        settings = settings.get(name) if isinstance(settings, dict) else None
    return settings


def _below(key: str, keys: Collection[str]) -> Iterator[str]:
    yield from (other.removeprefix(f"{key}.") for other in keys if other.startswith(f"{key}."))
