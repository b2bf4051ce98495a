"""One fit or one search by scikit-learn, XGBoost or LightGBM, as `provost fit` would do it; one JSON line.

usage: bench_peer.py features.csv WORK THREADS SETTINGS.json

WORK is a name of scripts/bench.py's table. A search scores the settings' candidates on the folds of the column `fold`, F1 at 0.5
and AUC, single-threaded fits on THREADS processes that are up before the clock starts, and fits the best anew.
"""

import csv
import json
import os
import sys
import warnings

FILE, WORK, THREADS, SETTINGS = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.load(open(sys.argv[4]))
SEARCH = "candidates" in SETTINGS
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1" if SEARCH else str(THREADS)
os.environ["PYTHONWARNINGS"] = "ignore"
warnings.filterwarnings("ignore")

import resource
import time

import numpy as np
from joblib import Parallel, delayed
from sklearn import ensemble, linear_model, neural_network
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def estimator(library, params, threads):
    if library == "xgboost":
        import xgboost

        return xgboost.XGBClassifier(n_jobs=threads, random_state=42, tree_method="hist", **params)
    if library == "lightgbm":
        import lightgbm

        return lightgbm.LGBMClassifier(n_jobs=threads, random_state=42, verbose=-1, **params)
    kind = {
        "random_forest": ensemble.RandomForestClassifier,
        "gradient_boosting": ensemble.GradientBoostingClassifier,
        "hist_gradient_boosting": ensemble.HistGradientBoostingClassifier,
        "logistic_regression": linear_model.LogisticRegression,
        "neural_network": neural_network.MLPClassifier,
    }[library]
    params = {k: tuple(v) if isinstance(v, list) else v for k, v in params.items()}
    if library == "random_forest":
        params["n_jobs"] = threads
    return kind(random_state=42, **params)


def model(library, params, threads):
    params = dict(params)
    steps = [SimpleImputer(strategy="median", keep_empty_features=True)] if params.pop("impute", True) else []
    if library in ("logistic_regression", "neural_network"):
        steps.append(StandardScaler())
    return make_pipeline(*steps, estimator(library, params, threads))


def one(candidate, x, y, train, held):
    warnings.filterwarnings("ignore")
    p = clone(candidate).fit(x[train], y[train]).predict_proba(x[held])[:, 1]
    return f1_score(y[held], p >= 0.5, zero_division=0), roc_auc_score(y[held], p)


def main():
    with open(FILE, newline="") as f:
        rows = csv.DictReader(f)
        columns = {name: [] for name in rows.fieldnames}
        for row in rows:
            for name, cell in row.items():
                columns[name].append(cell)
    features = [n for n in columns if n not in ("label", "split", "fold", "data_point_id")]
    x = np.column_stack([np.array([float(c) if c else np.nan for c in columns[n]]) for n in features])
    y, split = np.array(columns["label"]).astype(int), np.array(columns["split"])
    train, test = split == "train", split == "test"
    library = SETTINGS["library"]
    if SEARCH:
        fold = np.array(columns["fold"])[train]
        xt, yt = x[train], y[train]
        models = [model(library, c, 1) for c in SETTINGS["candidates"]]
        folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in np.unique(fold)]
        Parallel(n_jobs=THREADS)(delayed(one)(models[0], xt, yt, *folds[0]) for _ in range(2 * THREADS))
    started = time.perf_counter()
    if SEARCH:
        scores = Parallel(n_jobs=THREADS)(delayed(one)(m, xt, yt, *f) for m in models for f in folds)
        mean = np.array(scores).reshape(len(models), len(folds), 2).mean(axis=1)[:, 0]
        fitted = models[int(np.argmax(mean))].fit(xt, yt)
        extra = {"cv_f1": float(mean.max())}
    else:
        fitted, extra = model(library, SETTINGS["params"], THREADS).fit(x[train], y[train]), {}
    wall = time.perf_counter() - started
    auc = roc_auc_score(y[test], fitted.predict_proba(x[test])[:, 1])
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"work": WORK, "wall_s": wall, "rss_mb": rss, "test": {"auc": auc}, **extra}))


main()
