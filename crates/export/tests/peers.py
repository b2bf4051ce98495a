"""What XGBoost predicts with FOLDER/model.json for the rows in FOLDER/asked, and how shap's exact explainer explains the calibrated
probability of those in FOLDER/explained over those in FOLDER/background. Rows are f32, row-major, 12 in a row.

usage: peers.py FOLDER SLOPE INTERCEPT
"""

import sys
from pathlib import Path

try:
    import numpy
    import shap
    import xgboost
except ImportError as error:
    print(f"shap or xgboost is not installed ({error}): scripts/setup.sh acceptance")
    sys.exit(3)

folder, slope, intercept = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
rows = lambda name: numpy.frombuffer((folder / name).read_bytes(), "<f4").reshape(-1, 12)
booster = xgboost.Booster(model_file=str(folder / "model.json"))


def margin(x):
    return booster.inplace_predict(x.astype("f4"), predict_type="margin").astype("f8")


def probability(x):
    return 1 / (1 + numpy.exp(-margin(x)))


def calibrated(x):
    p = numpy.clip(probability(x), 1e-6, 1 - 1e-6)
    return 1 / (1 + numpy.exp(-(slope * numpy.log(p / (1 - p)) + intercept)))


(folder / "probability").write_bytes(probability(rows("asked")).astype("<f8").tobytes())
background = rows("background")
explainer = shap.explainers.Exact(calibrated, shap.maskers.Independent(background, max_samples=len(background)))
found = explainer(rows("explained"))
shares = numpy.column_stack([numpy.broadcast_to(found.base_values, len(found.values)), found.values])
(folder / "shares").write_bytes(shares.astype("<f8").tobytes())
