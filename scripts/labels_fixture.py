#!/usr/bin/env python3
"""Writes the confident joint of cleanlab that the tests of crates/learn/src/watch/labels.rs compare with.

pip install cleanlab; then: scripts/labels_fixture.py > crates/learn/src/watch/labels/cleanlab.json
"""

import json

import numpy as np
from cleanlab.count import compute_confident_joint, get_confident_thresholds


def main():
    random = np.random.default_rng(7)
    n = 120
    y = (random.random(n) < 0.45).astype(int)
    p = np.round(np.clip(0.5 + (y - 0.5) * 0.5 + 0.25 * random.normal(size=n), 0.01, 0.99), 3)
    # One label in ten is wrong.
    y = np.where(random.random(n) < 0.1, 1 - y, y)
    both = np.column_stack([1 - p, p])
    document = {
        "y": y.tolist(),
        "p": p.tolist(),
        "thresholds": get_confident_thresholds(y, both).tolist(),
        "confident_joint": compute_confident_joint(y, both, calibrate=False).tolist(),
    }
    print(json.dumps(document))


main()
