"""`holdout report` on real runs, and its pages in a real browser."""

import json
import re
import shutil
import statistics
import subprocess
import time
from pathlib import Path

import pytest

from tests.scripts.report.pages import Page

LOOKS_AT_PICTURES = True

PLAIN = ("--model.lr_scheduler", "null")


@pytest.fixture(scope="module")
def runs(desk) -> Path:
    """Two runs that differ in their seed, the first of them tested twice, and one of another recipe."""
    for seed in (0, 1):
        desk.fit("seeds", "--seed_everything", str(seed), *PLAIN)
    desk.fit("noisy", "-c", "configs/regularizers/mixup.yaml", *PLAIN)
    for _ in range(2):
        desk.here("test", "--ckpt_path", "runs/seeds/version_0")
    return desk.folder / "runs"


def report(desk, *names: str, status: int = 0) -> Page:
    said = desk.here("report", *names, status=status).stdout
    path = re.fullmatch(r"report {6}(.+) \([\d.]+ [kM]B, .+\)\n", said)
    assert path, said
    return Page((desk.folder / path[1]).read_text())


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / f"{name}.json").read_text())


def test_the_page_of_a_run_holds_its_numbers_and_figures(desk, runs: Path) -> None:
    started = time.perf_counter()
    found = report(desk, "runs/seeds/version_0/checkpoints/best.ckpt")
    assert time.perf_counter() - started < 5
    folder = runs / "seeds" / "version_0"
    written = (folder / "report.html").read_text()
    assert len(written) < 3e6
    best, tested = read(folder, "summary")["best"], read(folder, "test")
    assert found.title == "seeds/version_0 · Holdout"
    assert tested["evaluations"] == 2
    assert any("evaluated 2 times" in line for line in found.notices["warning"])
    shown = found.row("accuracy")
    for value in (best["train/accuracy"], best["val/accuracy"], tested["metrics"]["test/accuracy"]):
        assert f"{value:.4f}" in shown
    manifest = read(folder, "split")
    assert found.row("val") == ["144", manifest["parts"]["val"]["sha256"]]
    assert (folder / "config.yaml").read_text() in found.text
    assert found.tags.count("img") == len(list((folder / "figures").iterdir())) > 0
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in found.addresses())
    assert "script" not in found.tags
    assert "http" not in re.sub(r"http-equiv|http://www.w3.org/\S+", "", written)
    report(desk, "runs/seeds/version_0")
    assert (folder / "report.html").read_text() == written


def test_the_page_of_seeds_has_their_mean_and_deviation(desk, runs: Path) -> None:
    found = report(desk, "runs/seeds")
    assert (runs / "seeds" / "report.html").is_file()
    losses = [read(folder, "summary")["best"]["val/loss"] for folder in sorted(runs.glob("seeds/version_*"))]
    assert found.row("val/loss")[0] == f"{statistics.mean(losses):.4f} ± {statistics.stdev(losses):.4f}"
    assert found.row("test/loss")[0].endswith("(of 1)")


def test_the_page_of_two_recipes_shows_in_what_they_differ(desk, runs: Path) -> None:
    found = report(desk, "runs/seeds", "runs/noisy", "--output", "two.html")
    heads = next(row for row in found.rows if row[0] == "setting")[1:]
    differing = dict(zip(heads, found.row("model.regularizers"), strict=True))
    assert differing == {"seeds": "none", "noisy/version_0": "[MixUp(alpha=0.2, each=sample)]"}
    assert not [row for row in found.rows if row[0] == "data.batch_size"]
    assert not [line for line in found.notices["warning"] if "comparable" in line]


def test_a_run_that_was_stopped_and_a_split_of_another_size(desk, runs: Path) -> None:
    folder = desk.fit("other", "--data.split.val_fraction", "0.3", *PLAIN)
    (folder / "summary.json").unlink()
    found = report(desk, "runs/seeds/version_1", "runs/other/version_0", "--output=other.html")
    warned = " ".join(found.notices["warning"])
    assert "other/version_0 and seeds/version_1 are not comparable" in warned or "seeds/version_1 and other" in warned
    assert "split.val_fraction is" in warned
    assert "no summary.json" in warned


def test_what_was_said_of_silent_failures_is_in_the_report_after_a_resume_too(desk) -> None:
    still = (*PLAIN, "--model.optimizer.lr", "0", "--model.network.norm", "none")
    whole = desk.fit("whole", *still, epochs=5)
    desk.fit("resumed", *still, epochs=4)
    desk.here("fit", *desk.digits(5), "--name", "resumed", *still, "--ckpt_path", "last")
    said = [read(folder, "summary")["warnings"] for folder in (whole, desk.folder / "runs/resumed/version_0")]
    assert said[0] == said[1]
    assert any("val/loss has not moved" in line for line in said[0])
    found = report(desk, "runs/resumed/version_0")
    assert all(any(line in warned for warned in found.notices["warning"]) for line in said[0])
    assert any("resumed" in line for line in found.notices["note"])


BLOWS_UP = """
from pathlib import Path
import lightning as L

class BlowsUp(L.Callback):
    changes_training = False

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1 and not Path("calm").exists():
            next(pl_module.parameters()).data.fill_(float("nan"))
"""


def test_a_training_that_diverges_says_so_until_it_is_resumed(desk) -> None:
    (desk.folder / "blowing.py").write_text(BLOWS_UP)
    flags = ("--trainer.callbacks+", "blowing.BlowsUp", *PLAIN)
    folder = desk.fit("diverged", *flags, status=2)
    found = report(desk, "runs/diverged/version_0")
    said = next(line for line in found.notices["warning"] if "an error ended training: in epoch 2: " in line)
    assert "the loss is nan" in said
    (desk.folder / "calm").touch()
    desk.here("fit", *desk.digits(2), "--name", "diverged", *flags, "--ckpt_path", "last")
    assert not (folder / "failure.txt").exists()


MISTAKES = [
    ((), "which run? holdout report RUN [RUN ...] [--output FILE]"),
    (("runs/seed",), "runs/seed: no such run, folder or checkpoint; did you mean runs/seeds?"),
    (("runs",), "runs is not a run, and holds none (version_0 with a config.yaml); did you mean runs/"),
    (("configs/digits.yaml",), "configs/digits.yaml is a file, not a run"),
    (("runs/seeds/version_0/summary.json",), "name its folder: runs/seeds/version_0"),
    (("runs/seeds", "--output"), "--output needs a value: --output FILE"),
    (("runs/seeds", "--output", "runs"), "--output runs is a folder; name a file in it: --output runs/report.html"),
    (("runs/seeds", "--outptu", "x"), "unknown argument --outptu; did you mean --output?"),
    (("runs/seeds", "--output", "configs/digits.yaml/x.html"), "choose another place: --output FILE"),
]


@pytest.mark.parametrize(("words", "line"), MISTAKES)
def test_a_mistake_is_one_line(desk, runs: Path, words: tuple[str, ...], line: str) -> None:
    said = desk.here("report", *words, status=2).stderr
    assert said.count("\n") == 1
    assert line in said


def test_help(desk) -> None:
    shown = desk.here("report", "--help").stdout
    assert shown.startswith("usage: holdout report RUN [RUN ...] [--output FILE]\n")
    assert "--output FILE" in shown
    assert "what can be chosen" not in shown


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ASK = """<script nonce="test">
addEventListener("load", () => {
  const wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
  const seen = [...document.querySelectorAll("svg text")].filter(text => text.getBBox().width > 0).length;
  const images = [...document.images].map(image => image.complete ? image.naturalWidth : 0);
  const paper = getComputedStyle(document.body).backgroundColor;
  document.title = "found " + JSON.stringify({title: document.title, images, texts: seen, wide, paper});
});
</script></head>"""


def browse(path: Path, *flags: str) -> tuple[str, str]:
    """Open a page in Chromium; return its content after all is loaded, and what stood on the console."""
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", *flags]
    command += ["--virtual-time-budget=10000", f"--user-data-dir={path.parent / 'browser'}", "--dump-dom"]
    done = subprocess.run([*command, path.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize(("names", "width"), [("runs/seeds/version_0", 1280), ("runs/seeds runs/noisy", 400)])
def test_a_browser_shows_all_of_it_and_complains_of_nothing(desk, runs: Path, names: str, width: int) -> None:
    report(desk, *names.split(), "--output", "page.html")
    path = desk.folder / "page.html"
    html = path.read_text()
    asking = desk.folder / "asking.html"  # the page forbids scripts: the test's own is let in by name
    html = html.replace("default-src 'none';", "default-src 'none'; script-src 'nonce-test';")
    asking.write_text(html.replace("</head>", ASK).replace("<details", "<details open"))
    for scheme, paper in ((1, "rgb(255, 255, 255)"), (0, "rgb(21, 24, 28)")):
        flags = (f"--window-size={width},900", f"--blink-settings=preferredColorScheme={scheme}")
        content, complaints = browse(asking, *flags)
        assert complaints == ""
        found = json.loads(Page(content.replace("<script", "<pre").replace("</script", "</pre")).title[len("found ") :])
        assert found["title"].endswith(" · Holdout")
        assert found["images"]
        assert min(found["images"]) > 0
        assert len(found["images"]) == html.count("<img ")
        assert found["texts"] > 50
        assert found["paper"] == paper
        assert not found["wide"]
    content, complaints = browse(path)
    assert complaints == ""
    assert "· Holdout</title>" in content
