import pytest
import yaml

from scripts.cli.errors import UsageError
from scripts.study.reading import read_options
from scripts.study.study_file import to_plain, write_study

RECIPE = ["-c", "configs/digits.yaml"]
SMOOTHED = "configs/regularizers/label_smoothing.yaml"


def test_an_overlay_is_an_arm_called_after_its_file() -> None:
    options = read_options([*RECIPE, "--arm", "plain", "--arm", SMOOTHED, "--seeds", "3"])
    assert [(arm.name, arm.words) for arm in options.arms] == [("plain", ()), ("label_smoothing", ("-c", SMOOTHED))]
    assert (options.words, options.seeds) == (tuple(RECIPE), 3)


def test_an_arm_may_be_any_words_and_how_it_is_tested() -> None:
    words = f"{SMOOTHED} --model.network.dropout 0.5 --test_checkpoint last --calibrate"
    (arm,) = read_options([*RECIPE, "--arm", f"both={words}"]).arms
    assert arm.words == ("-c", SMOOTHED, "--model.network.dropout", "0.5")
    assert (arm.tested, arm.calibrated) == ("last", True)


def test_settings_vary_in_every_combination() -> None:
    options = read_options([*RECIPE, "--vary", "a.b=1,2", "--vary=c=x,y,z"])
    assert options.vary == {"a.b": ("1", "2"), "c": ("x", "y", "z")}


def test_values_of_a_studys_file_are_words_of_the_command_line(tmp_path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("fit: -c configs/digits.yaml\nvary: {model.loss: [null, Focal], data.drop_last: [true, false]}\n")
    assert read_options(["--study", str(path)]).vary == {
        "model.loss": ("null", "Focal"),
        "data.drop_last": ("true", "false"),
    }


def test_a_search_is_of_all_arms_or_of_one() -> None:
    search = ["--search", "model.optimizer.lr=log:1e-4:1e-1", "--search", "wide:model.network.dropout=uniform:0:0.5"]
    options = read_options(
        [*RECIPE, "--arm", "plain", "--arm", "wide=--trainer.max_epochs 3", *search, "--trials", "4"]
    )
    assert [list(arm.search) for arm in options.arms] == [
        ["model.optimizer.lr"],
        ["model.optimizer.lr", "model.network.dropout"],
    ]


def test_flags_win_over_a_studys_file(tmp_path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(f"fit: -c configs/digits.yaml\narms: {{plain: '', smoothed: -c {SMOOTHED}}}\nseeds: 7\n")
    options = read_options(["--study", str(path), "--seeds", "2", "--trainer.max_epochs", "4"])
    assert (options.seeds, len(options.arms)) == (2, 2)
    assert options.words == ("-c", "configs/digits.yaml", "--trainer.max_epochs", "4")


def test_a_study_that_goes_on_may_have_more_seeds_and_nothing_else_that_differs(tmp_path) -> None:
    words = [*RECIPE, "--arm", "plain", "--arm", SMOOTHED, "--seeds"]
    write_study(tmp_path, read_options([*words, "2"]))
    write_study(tmp_path, read_options([*words, "4", "--parallel", "1"]))
    for other in ([*words, "3"], [*words, "4", "--trainer.max_epochs", "1"], [*words[:-3], "--seeds", "4"]):
        with pytest.raises(UsageError, match=r"differs from the command line in (seeds; a|fit|arms)"):
            write_study(tmp_path, read_options(other))
    assert read_options(["--study", str(tmp_path / "study.yaml")]).seeds == 4


@pytest.mark.parametrize(
    "words",
    [
        [*RECIPE, "--arm", "plain", "--arm", f"s={SMOOTHED} --calibrate", "--seeds", "4", "--folds", "3", "--apart"],
        [*RECIPE, "--search", "model.optimizer.lr=log:0.001:0.1", "--trials", "6", "--asha", "--metric", "test/loss"],
        [*RECIPE, "--vary", "data.split.train_fraction=0.1,1.0", "--sources", "split", "--difference", "0.01"],
    ],
)
def test_a_study_reads_its_own_file_as_the_same_study(words: list[str], tmp_path) -> None:
    options = read_options(words)
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(to_plain(options)))
    assert read_options(["--study", str(path)]) == options


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "needs a recipe"),
        (["--seeds", "2"], "needs a recipe"),
        ([*RECIPE, "--seeds", "0"], "--seeds 0 is not a whole number of 1 or more"),
        ([*RECIPE, "--seeds", "two"], "--seeds two"),
        ([*RECIPE, "--seeds", "5000"], "--seeds 5000: 1000 are the most"),
        ([*RECIPE, "--seeds"], "--seeds needs a value"),
        ([*RECIPE, "--folds", "1"], "--folds 1"),
        ([*RECIPE, "--arm", "mixup"], "is it a file, mixup.yaml"),
        ([*RECIPE, "--arm", "configs/regularizers/mixop.yaml"], "did you mean configs/regularizers/mixup.yaml"),
        ([*RECIPE, "--arm", "plain", "--arm", "plain"], "two arms have one name"),
        ([*RECIPE, "--arm", "--model.network.dropout 0.5"], "needs a value|a name and flags"),
        ([*RECIPE, "--arm", "x=-c 'open"], "No closing quotation"),
        ([*RECIPE, "--arm", "x=--seed_everything 3"], "a study decides --seed_everything"),
        ([*RECIPE, "--arm", "x=--test_checkpoint first"], "give best or last"),
        ([*RECIPE, "--vary", "a"], "give a setting and its values"),
        ([*RECIPE, "--vary", "a=1,1"], "given twice"),
        ([*RECIPE, "--vary", "a=1,,2"], "empty"),
        ([*RECIPE, "--sources", "order,weather"], "'weather' is not one of"),
        ([*RECIPE, "--sources", "order,order"], "once at most"),
        ([*RECIPE, "--search", "a=log:1:2"], "--search and --trials go together"),
        ([*RECIPE, "--trials", "3"], "--search and --trials go together"),
        ([*RECIPE, "--search", "nobody:a=log:1:2", "--trials", "3"], "there is no arm nobody"),
        ([*RECIPE, "--seed_everything", "3"], "a study decides it"),
        ([*RECIPE, "--runs_dir", "elsewhere"], "use --studies_dir"),
        ([*RECIPE, "--ckpt_path", "last"], "use --resume"),
        ([*RECIPE, "--name", "../out"], "without slashes"),
        ([*RECIPE, "--difference", "-1"], "not above 0"),
        ([*RECIPE, "--gpus_per_run", "nan"], "not above 0"),
        ([*RECIPE, "--gpus_per_run", "2"], "one device each"),
        ([*RECIPE, "--vary", "seed_everything=1,2"], "a study decides it for each run"),
        ([*RECIPE, "--vary", "trainer.devices=1,2"], "a study decides it for each run"),
        ([*RECIPE, "--search", "data.split.fold=int:0:3", "--trials", "2"], "a study decides it for each run"),
        ([*RECIPE, "--resume", "7"], "--resume takes no value"),
        (["--study", "nothing.yaml"], "no file nothing.yaml"),
        (["-c", "nothing.yaml"], "no file nothing.yaml"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        read_options(words)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("seedz: 3", "a study has no key seedz; did you mean seeds"),
        ("- 3", "it holds no keys"),
        ("fit: [", "is not YAML"),
        ("fit: -c configs/digits.yaml\narms: [a, b]", "arms: give each a name"),
        ("fit: -c configs/digits.yaml\nvary: 3", "vary: give each setting"),
        ("fit: -c configs/digits.yaml\nsearch: 3", "search: give a space"),
        ("fit: -c configs/digits.yaml\napart: often", "neither true nor false"),
        ("fit: -c configs/digits.yaml\narms: {'a/b': ''}", "a name is letters"),
        ("fit: -c configs/digits.yaml\nseeds: 1.5", "--seeds 1.5"),
        ("fit: -c configs/digits.yaml\nmetrics: 3", "metrics"),
        ("fit: -c configs/digits.yaml\nsources: 3", "--sources"),
        ("fit: 3", "needs a recipe"),
        ("fit: -c configs/digits.yaml\nsearch: {plain: 3}\ntrials: 3", "plain"),
    ],
)
def test_a_studys_file_that_is_none_is_refused_in_a_line(content: str, said: str, tmp_path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match=said):
        read_options(["--study", str(path)])
