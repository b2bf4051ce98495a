"""What other libraries take to predict and to explain what crates/export/examples/predictions.rs has written; one JSON line, of medians
on one thread.

usage: bench_predictions_peer.py FOLDER
"""

import json
import os
import pathlib
import statistics
import sys
import time
import warnings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"
warnings.filterwarnings("ignore")

import lightgbm
import numpy as np
import onnxruntime
import shap
import xgboost

FOLDER = pathlib.Path(sys.argv[1])
SLOPE, INTERCEPT = 1.1, -0.1


def rows(name):
    return np.frombuffer((FOLDER / name).read_bytes(), "<f4").reshape(-1, 12)


def median(calls, call):
    call()
    seconds = []
    for _ in range(calls):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def measured(predict, asked):
    one = asked[:1].copy()
    return {"one_row_s": median(2_000, lambda: predict(one)), "rows_per_s": len(asked) / median(5, lambda: predict(asked))}


def main():
    asked, background, explained = rows("rows"), rows("background"), rows("explained")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession((FOLDER / "model.onnx").read_bytes(), options, providers=["CPUExecutionProvider"])
    booster = xgboost.Booster({"nthread": 1}, model_file=str(FOLDER / "model.json"))
    booster.set_param({"nthread": 1})
    light = lightgbm.train(
        {"objective": "binary", "max_depth": 5, "num_leaves": 32, "learning_rate": 0.1, "num_threads": 1, "verbose": -1, "seed": 42},
        lightgbm.Dataset(rows("train"), np.frombuffer((FOLDER / "labels").read_bytes(), "u1")), 300)
    margin = lambda x: booster.inplace_predict(x.astype("f4"), predict_type="margin").astype("f8")
    calibrated = lambda x: 1 / (1 + np.exp(-(SLOPE * margin(x) + INTERCEPT)))
    exact = shap.explainers.Exact(calibrated, shap.maskers.Independent(background, max_samples=len(background)))
    found = {
        "onnxruntime": measured(lambda x: session.run(["probability"], {"features": x}), asked),
        "xgboost inplace_predict": measured(booster.inplace_predict, asked),
        "lightgbm": measured(lambda x: light.predict(x, num_threads=1), asked),
        "shap": {"explanation_s": median(3, lambda: exact(explained))},
    }
    try:
        tree = shap.TreeExplainer(booster, background, feature_perturbation="interventional")
        found["shap TreeExplainer, margins"] = {"explanation_s": median(5, lambda: tree.shap_values(explained))}
    except Exception as error:  # of a version that does not read this XGBoost's models
        print(f"TreeExplainer: {error}", file=sys.stderr)
    print(json.dumps(found))


main()
