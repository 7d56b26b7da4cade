"""The table of what regularizers cost has a row for each."""

import sys

import pytest

from models import regularizers
from scripts import regularizer_cost


@pytest.mark.slow
def test_every_regularizer_for_classes_is_timed(monkeypatch, capsys) -> None:
    monkeypatch.setattr(regularizer_cost, "SAMPLES", 2)
    monkeypatch.setattr(sys, "argv", ["regularizer_cost", "--rounds", "1"])
    regularizer_cost.main()
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()[2:]}
    assert rows.keys() == regularizer_cost.every_regularizer().keys()
    assert {"MixUp", "RandomMix", "OnlineLabelSmoothing", "JacobianPenalty"} <= rows.keys() <= set(regularizers.__all__)
    percentages = [float(percentage.rstrip("%")) for _, percentage in rows.values()]
    assert percentages == sorted(percentages)
    assert percentages[-1] > 50
