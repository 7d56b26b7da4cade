"""Calibration on the validation part: a temperature for probabilities, and sets or intervals that hold the truth.

Prediction sets and intervals hold the truth as often as they state if validation and new samples are exchangeable:
drawn alike, in no order. Three things here bend that a little. The best epoch, and the temperature, were chosen on the
same validation part; the steps of one sequence, each a sample here, are alike; and a split by groups or by time makes
validation and test differ. So `holdout test` measures the coverage that was reached.
"""

from models.calibration.calibration import Calibration, Conformal
from models.calibration.conformal import conformal_threshold
from models.calibration.temperature import fit_temperature

__all__ = ["Calibration", "Conformal", "conformal_threshold", "fit_temperature"]
