"""Texts become token ids by a vocabulary that the training part alone decides."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch

from datamodules import DataError, Sequences, SplitOptions, TextSequences, Vocabulary
from datamodules.sequences.vocabulary import split_text
from models import Classifier, Regressor, TrainingError
from models.networks import Recurrent, TokenRecurrent
from models.regularizers import MixUp


def reviews(count=120, seed=0):
    random = np.random.default_rng(seed)
    words = {0: ["bad", "awful", "Dull"], 1: ["good", "great", "Fine"]}
    rows = []
    for number in range(count):
        liked = number % 2
        filler = [f"w{index}" for index in random.integers(0, 40, random.integers(1, 12))]
        text = " ".join(random.permutation([*filler, *random.choice(words[liked], 2)]))
        rows.append({"text": f"{text}, row{number}!", "target": ("no", "yes")[liked], "stars": liked + number / 1000})
    return pd.DataFrame(rows)


def read(frame, tmp_path, name="reviews.csv", **options):
    path = tmp_path / name
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    data = TextSequences(str(path), **{"text": "text", "target": "target"} | options)
    data.setup()
    return data


@pytest.mark.parametrize(
    ("tokens", "lowercase", "expected"),
    [
        ("words", True, ["don", "'", "t", "stop", ",", "é1"]),
        ("words", False, ["Don", "'", "t", "STOP", ",", "é1"]),
        ("characters", True, list("don't stop, é1")),
    ],
)
def test_texts_are_split_into_tokens(tokens, lowercase, expected):
    assert split_text("Don't STOP, e\u03011", tokens, lowercase, 99) == expected
    assert split_text("Don't STOP, e\u03011", tokens, lowercase, 2) == expected[:2]
    assert split_text("", tokens, lowercase, 2) == [""]


@pytest.mark.parametrize("name", ["reviews.csv", "reviews.parquet"])
@pytest.mark.parametrize("tokens", ["words", "characters"])
def test_the_vocabulary_is_the_most_frequent_tokens_of_the_training_part(tmp_path, name, tokens):
    frame = reviews()
    data = read(frame, tmp_path, name, tokens=tokens, vocabulary_size=12)
    split = [split_text(text, tokens, True, 256) for text in frame["text"]]
    counts = Counter(token for index in data.split.train for token in split[index])
    expected = sorted(counts, key=lambda token: (-counts[token], token))[:12]
    assert data.vocabulary.known == expected
    assert data.num_tokens == 14
    ids = {token: number for number, token in enumerate(expected, start=2)}
    for number, found in enumerate(data.samples.inputs):
        assert found.tolist() == [ids.get(token, 1) for token in split[number]]
    assert data.class_names == ("no", "yes")


def test_what_the_other_parts_alone_hold_is_unknown_and_counted(tmp_path):
    frame = reviews()
    data = read(frame, tmp_path)
    test = [token for index in data.split.test for token in split_text(frame["text"][index], "words", True, 256)]
    unknown = sum(token not in data.vocabulary.known for token in test)
    assert unknown >= len(data.split.test), "each has a word of its own"
    assert f"{unknown:,} of {len(test):,} words in test unknown" in data.describe()
    assert not any(f"row{index}" in data.vocabulary.known for index in data.split.test)


def test_long_texts_are_cut_and_counted(tmp_path):
    frame = reviews()
    lengths = [len(split_text(text, "words", True, 256)) for text in frame["text"]]
    data = read(frame, tmp_path, max_length=7)
    assert data.samples.lengths.tolist() == [min(length, 7) for length in lengths]
    assert f"{sum(length > 7 for length in lengths)} texts cut after 7 words" in data.describe()
    assert data.encode([frame["text"][0]]).lengths.tolist() == [7]
    assert "cut" not in read(frame, tmp_path).describe()


def test_the_vocabulary_is_plain_in_the_manifest_and_encodes_as_the_data_does(tmp_path):
    data = read(reviews(), tmp_path, max_length=9)
    settings = json.loads(json.dumps(data.manifest["vocabulary"]))
    again = Vocabulary(**settings)
    texts = reviews()["text"].tolist()
    for made in (again.encode(texts), data.encode(texts)):
        assert isinstance(made, Sequences)
        assert torch.equal(made.values, data.samples.inputs[:].values)
    empty = again.encode(["", "never-seen"])
    assert empty.values.tolist() == [[1, 0, 0], [1, 1, 1]]
    assert empty.lengths.tolist() == [1, 3]


def test_a_model_learns_texts_and_takes_new_ones_from_its_checkpoint_alone(tmp_path, quiet_trainer):
    torch.manual_seed(0)
    data = read(reviews(400), tmp_path, batch_size=16)
    network = TokenRecurrent(data.input_shape, 2, data.num_tokens, 16, cell="gru", hidden_size=16, output="mean")
    task = Classifier(network, 2, optimizer=lambda parameters: torch.optim.Adam(parameters, 0.01))
    trainer = quiet_trainer(max_epochs=8)
    trainer.fit(task, data)
    assert trainer.callback_metrics["val/accuracy"] > 0.9
    small = trainer.test(task, data, verbose=False)
    other = read(reviews(400), tmp_path, eval_batch_size=3)
    assert small[0] == pytest.approx(trainer.test(task, other, verbose=False)[0], abs=1e-5)
    trainer.save_checkpoint(tmp_path / "text.ckpt")
    content = torch.load(tmp_path / "text.ckpt", weights_only=True)
    made = Classifier(TokenRecurrent(**network.init_args), 2).eval()
    made.load_state_dict(content["state_dict"])
    new = Vocabulary(**content["split"]["vocabulary"]).encode(["great, GOOD fine w1", "awful bad dull w1"])
    assert made(new).argmax(-1).tolist() == [1, 0]
    assert torch.equal(made(new), task.eval()(data.encode(["great, GOOD fine w1", "awful bad dull w1"])))


def test_numbers_are_continuous_targets(tmp_path, quiet_trainer):
    data = read(reviews(), tmp_path, target="stars")
    assert data.class_names == ()
    assert data.samples.targets.shape == (120, 1)
    network = TokenRecurrent(data.input_shape, 1, data.num_tokens, 4, hidden_size=4)
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(Regressor(network, data.target_mean, data.target_std), data)
    assert trainer.callback_metrics["val/rmse"].isfinite()


def test_weights_are_a_column(tmp_path, quiet_trainer):
    frame = reviews().assign(w=np.arange(120) % 4)
    data = read(frame, tmp_path, weights="w", batch_size=16)
    assert data.samples.weights.tolist() == frame["w"].tolist()
    network = TokenRecurrent(data.input_shape, 2, data.num_tokens, 4, hidden_size=4)
    quiet_trainer(max_epochs=1).fit(Classifier(network, 2), data)
    with pytest.raises(DataError, match=r"sample 3 has the weight -1"):
        read(frame.assign(w=np.arange(120) % 4 * -1.0 + 2), tmp_path, weights="w")
    with pytest.raises(DataError, match="the column 'text' cannot be both text and weights"):
        read(frame, tmp_path, weights="text")


def test_equal_texts_are_duplicates_whatever_their_case(tmp_path):
    frame = reviews()
    frame["text"] = ["Same", "SAME"] * 60
    with pytest.raises(DataError, match="byte-identical"):
        read(frame, tmp_path, split=SplitOptions(duplicates="raise"))


def test_another_vocabulary_at_test_time_is_refused(tmp_path):
    manifest = read(reviews(), tmp_path).manifest
    read(reviews(), tmp_path).check_same_split(manifest)
    with pytest.raises(DataError, match=r"vocabulary was another one: data\.tokens"):
        read(reviews(), tmp_path, vocabulary_size=5).check_same_split(manifest)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": "review"}, r"no column 'review' \(data\.text\); there are text, target, stars"),
        ({"target": "label"}, r"no column 'label' \(data\.target\)"),
        ({"text": "target"}, "cannot be both text and target"),
        ({"mean": [0.0], "std": [1.0]}, "token ids are not normalised"),
        ({"vocabulary_size": 0}, "vocabulary_size 0 is less than 1"),
        ({"continuous": True}, "row 2, column 'target': 'no' is not a number"),
    ],
)
def test_options_that_do_not_fit_the_file_are_refused(tmp_path, options, message):
    with pytest.raises((DataError, ValueError), match=message) as refused:
        read(reviews(), tmp_path, **options)
    assert "\n" not in str(refused.value)


def test_a_missing_target_and_empty_texts_are_refused(tmp_path):
    frame = reviews()
    frame.loc[3, "target"] = ""
    with pytest.raises(DataError, match=r"reviews\.csv, row 5, column 'target': the target is missing"):
        read(frame, tmp_path)
    with pytest.raises(DataError, match="all 86 training samples are equal"):
        read(reviews().assign(text=""), tmp_path)


def test_networks_and_regularizers_that_do_not_take_token_ids_are_refused(tmp_path, quiet_trainer):
    data = read(reviews(), tmp_path)
    with pytest.raises(ValueError, match="TokenRecurrent takes token ids"):
        Recurrent(data.input_shape, 2)
    with pytest.raises(ValueError, match=r"the data holds no token ids .*: use Recurrent"):
        TokenRecurrent((5, 2), 2, 0)
    network = TokenRecurrent(data.input_shape, 2, data.num_tokens, 4, hidden_size=4)
    with pytest.raises(TrainingError, match="MixUp mixes samples"):
        quiet_trainer(max_epochs=1).fit(Classifier(network, 2, regularizers=[MixUp(1.0)]), data)
