"""Folders of runs that a stranger made: everything is escaped, nothing is followed, run or waited for."""

import json
import math
import os
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from scripts.report.notices import notices
from scripts.report.page import page
from scripts.report.run import Run, read_run
from tests.scripts.report.pages import Page, read_page, split, summary, write_run
from tests.scripts.report.pages import settings as run_settings

EVIL = (
    "</td></svg></script><script>alert(1)</script><img src=x onerror=alert(1)>\" ' onload=alert(1) &lt; \u202e\x1b[2J"
)
OURS = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "section", "h1", "h2", "h3", "h4", "p", "ul",
    "li", "b", "i", "span", "div", "figure", "figcaption", "img", "table", "thead", "tbody", "tr", "th", "td", "dl",
    "dt", "dd", "details", "summary", "pre", "wbr", "svg", "g", "path", "defs", "use", "text", "clippath", "rect",
}  # fmt: skip


def check_harmless(found: Page) -> None:
    assert set(found.tags) <= OURS
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in found.addresses())
    assert "\u202e" not in found.text
    assert "\x1b" not in found.text


def test_names_and_values_of_all_files_are_escaped(tmp_path: Path) -> None:
    named = {EVIL: 0.5, f"val/{EVIL}": 0.5, f"test/class_accuracy/{EVIL}": 0.5, f"train/{EVIL}": math.nan}
    evil = dict.fromkeys(("command", "git_commit", "stopped", "monitor", "gap_to", EVIL), EVIL)
    runs = []
    for number in range(2):
        run = write_run(
            tmp_path / "a'<b>" / f"version_{number}",
            {f"val/{EVIL}": [0.5, 0.4], f"lr-{EVIL}": [0.1, 0.1], f"own/{EVIL}": [0.1], f"own/x{EVIL}": [0.2]},
            config=run_settings(number, widths=[f"{EVIL}{number}"]) | {EVIL: f"{EVIL}{number}"},
            summary=summary(**evil | {"best": named | {"epoch": 1}, "warnings": [EVIL], "gap": {EVIL: 1.0}}),
            split=split(val=f"{EVIL}{number}", arguments={EVIL: EVIL}, label_noise={"name": EVIL}, **{EVIL: EVIL})
            | {"parts": {EVIL: {"size": EVIL}, "train": {"class_counts": {EVIL: 9, "x": 1}}}},
            test={"metrics": named, "checkpoint": EVIL, EVIL: {EVIL: [EVIL]}},
        )
        (run / "figures").mkdir()
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Description", EVIL)
        Image.new("RGB", (9, 9)).save(run / "figures" / f"{EVIL.replace('/', '')}.png", pnginfo=texts)
        (run / "traceback.txt").write_text(EVIL)
        runs.append(run)
    for some in (runs[:1], runs):
        found = read_page(*some)
        check_harmless(found)
        assert found.tags.count("img") == len(some)
        assert "<script>alert(1)</script>" in found.text  # as text


def test_no_link_is_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    for name in ("config.yaml", "summary.json"):
        (secret / name).write_text('{"command": "the secret"}')
    Image.new("RGB", (7, 7)).save(secret / "a.png")
    run = write_run(tmp_path / "a" / "version_0", split=split())
    (run / "config.yaml").symlink_to(secret / "config.yaml")
    (run / "summary.json").symlink_to(secret / "summary.json")
    (run / "figures").symlink_to(secret)
    (run / "events.out.tfevents.9").symlink_to(next(run.glob("events*")))
    found = read_run(run)
    assert (found.config, found.summary, found.pictures) == ({}, {}, [])
    linked = [problem for problem in found.problems if "a link, which is not followed" in problem]
    assert len(linked) == 4
    assert "the secret" not in page([found])[0]


def test_pipes_devices_and_folders_are_not_opened(tmp_path: Path) -> None:
    run = tmp_path / "a" / "version_0"
    (run / "figures").mkdir(parents=True)
    for name in ("config.yaml", "figures/a.png", "events.out.tfevents.1"):
        os.mkfifo(run / name)
    (run / "summary.json").mkdir()
    found = read_run(run)
    assert sum("not a regular file" in problem for problem in found.problems) == 4


def test_no_file_fills_the_memory(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a" / "version_0")
    with (run / "summary.json").open("wb") as file:
        file.truncate(2**40)
    (run / "split.json").write_text("[" * 100_000)
    (run / "test.json").write_text('{"metrics": {"test/loss": ' + "9" * 5000 + "}}")
    (run / "config.yaml").write_text("a: &a [x,x]\n" + "".join(f"b{n}: &b{n} [*a,*a]\n" for n in range(9)) + "- [")
    record = struct.pack("<Q", 2**62) + bytes(4)
    (run / "events.out.tfevents.2").write_bytes(record + bytes(100))
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(2**20))), (b"IEND", b"")]
    packed = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    (run / "figures").mkdir()
    (run / "figures" / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    named = {problem.split(" ")[0] for problem in read_run(run).problems}
    names = {"summary.json", "split.json", "test.json", "config.yaml", "figures/bomb.png", "events.out.tfevents.2"}
    assert named == names


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 3e38, -3e38, 1e-45])
def test_any_number_is_drawn(tmp_path: Path, value: float) -> None:
    best = {"epoch": value, "epochs_done": value, "val/loss": value}
    run = write_run(tmp_path / "a" / "version_0", {"val/loss": [0.5, value], "gap/x": [value]}, summary={"best": best})
    check_harmless(read_page(run))


KEYS = st.sampled_from([
    "best", "last", "gap", "metrics", "parts", "train", "val", "test", "class_counts", "label_counts", "size", "sha256",
    "source", "name", "arguments", "duplicates", "train/val", "warnings", "monitor", "mode", "epoch", "epochs_done",
    "val/loss", "val/accuracy", "train/accuracy", "test/f1/x", "epochs", "stopped", "versions", "evaluations",
    "class_path", "init_args", "model", "data", "split", "seed", "seed_everything", "checkpoint", "network", "x",
    "label_noise", "",
])  # fmt: skip
NUMBERS = st.one_of(st.floats(), st.integers(), st.sampled_from([10**400, -(10**400), 0, 1e308]))
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8), st.sampled_from(["min", "max", "a.B"]))
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))
FILES = st.dictionaries(KEYS, VALUES, max_size=6)


@settings(max_examples=int(os.environ.get("HOLDOUT_FUZZ", "12")), suppress_health_check=list(HealthCheck))
@given(files=st.lists(st.tuples(FILES, FILES, FILES, FILES), min_size=1, max_size=3))
def test_whatever_the_files_hold_is_a_page(files: list[tuple[dict, dict, dict, dict]]) -> None:
    runs = []
    for number, (config, found, manifest, tested) in enumerate(files):
        run = Run(Path(f"a/version_{number}"), f"a/version_{number}", config=config, config_text=json.dumps(config))
        run.summary, run.split, run.test, run.validation = found, manifest, tested, tested
        notices(run)
        runs.append(run)
    check_harmless(Page(page(runs)[0]))


def test_many_metrics_and_empty_records_take_no_longer(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a" / "version_0")
    many = {f"test/m{number}": 0.5 for number in range(50_000)}
    (run / "test.json").write_text(json.dumps({"metrics": many}))
    with (run / "events.out.tfevents.2").open("wb") as file:
        file.truncate(2**30)
    found = read_run(run)
    assert len(found.test_metrics) == 2000
    assert any(problem.startswith("events.out.tfevents.2 is damaged") for problem in found.problems)


def test_settings_of_any_keys_are_compared(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / name / "version_0") for name in "ab"]
    for folder in folders:
        (folder / "config.yaml").write_text("model: {class_path: a.B}\nextra: [{1: a, b: c}]\n")
    check_harmless(Page(page([read_run(folder) for folder in folders])[0]))
