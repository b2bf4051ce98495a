#!/usr/bin/env python3
"""Writes the figures of Fairlearn, scikit-learn and statsmodels that the tests of crates/learn/src/watch/fairness compare with.

pip install fairlearn statsmodels; then: scripts/fairness_fixture.py > crates/learn/src/watch/fairness/fairlearn.json
"""

import json

import numpy as np
import statsmodels.api as sm
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from sklearn.metrics import precision_score, roc_auc_score
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

THRESHOLD = 0.45
GROUPS = ["north", "south", "east", "west"]


def rows():
    random = np.random.default_rng(22)
    n = 600
    group = random.choice(len(GROUPS), size=n, p=[0.45, 0.3, 0.2, 0.05])
    score = random.normal(size=n) + np.array([0.3, 0.0, -0.5, 0.1])[group]
    # Two digits, so that there are ties.
    p = np.round(1 / (1 + np.exp(-score)), 2).clip(0.01, 0.99)
    y = (random.random(n) < 1 / (1 + np.exp(-(0.8 * score - 0.1)))).astype(int)
    return y, p, np.array(GROUPS)[group]


def by_group(y, p, sensitive):
    decided = (p >= THRESHOLD).astype(int)
    rates = {
        "selection_rate": selection_rate,
        "true_positive_rate": true_positive_rate,
        "false_positive_rate": false_positive_rate,
        "precision": precision_score,
    }
    decisions = MetricFrame(metrics=rates, y_true=y, y_pred=decided, sensitive_features=sensitive).by_group
    ranks = MetricFrame(metrics={"auc_roc": roc_auc_score}, y_true=y, y_pred=p, sensitive_features=sensitive).by_group
    return {str(g): {**decisions.loc[g].to_dict(), **ranks.loc[g].to_dict()} for g in decisions.index}


def slope(y, p):
    fit = sm.Logit(y, sm.add_constant(np.log(p / (1 - p)))).fit(disp=0, tol=1e-13, maxiter=100)
    return {"value": fit.params[1], "error": fit.bse[1]}


def main():
    y, p, group = rows()
    against_rest = {}
    for g in GROUPS:
        found = by_group(y, p, np.where(group == g, "own", "rest"))
        against_rest[g] = {
            "difference": {m: found["own"][m] - found["rest"][m] for m in found["own"]},
            "ratio": {m: found["own"][m] / found["rest"][m] for m in found["own"]},
            "slope": slope(y[group == g], p[group == g]),
        }
    pairs = [(3, 40, 90, 300), (0, 40, 90, 300), (40, 40, 290, 300), (9, 31, 5, 64)]
    newcombe = [
        {"pair": pair, "interval": confint_proportions_2indep(*pair, method="newcomb", compare="diff")} for pair in pairs
    ]
    values = [0.01, 0.04, 0.03, 0.005, 0.8, 0.02, 0.02, 0.5]
    shares = [(3, 40), (0, 40), (40, 40), (290, 300)]
    document = {
        "threshold": THRESHOLD,
        "y": y.tolist(),
        "p": p.tolist(),
        "group": group.tolist(),
        "by_group": by_group(y, p, group),
        "against_rest": against_rest,
        "newcombe": newcombe,
        "wilson": [{"share": s, "interval": proportion_confint(*s, method="wilson")} for s in shares],
        "holm": {"p": values, "adjusted": multipletests(values, method="holm")[1].tolist()},
    }
    print(json.dumps(document))


main()
