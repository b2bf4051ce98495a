"""Runs `provost fit` and the libraries that Python users take, in turn, on the same CSV, and writes docs/BENCHMARKS.md.

usage: bench.py PROVOST SCALE PREDICTIONS [--out docs/BENCHMARKS.md] [--pairs 5] [--rows 1000,25000,500000] [--real FEATURES.csv]
       [--more 5000000] [--race-seeds 10]

Every number in the page comes from the run that wrote it. A pair is one run of each side, right after each other; the peer is
run on one and on two threads (a search, and a forest of 500,000 rows, on two), and the shorter time of the pair counts. Ratios are medians over the pairs (lowest to highest). `--real` adds a
table of real feature rows (`provost features --split`) for the work that has a bar on real data. SCALE is the example of crates/learn:
working memory and how time grows with rows. PREDICTIONS is the example of crates/export: predictions and explanations on one thread.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
BOOSTED = {"n_estimators": 200, "max_depth": 5, "learning_rate": 0.1}
# Work: rows it is done on, our algorithm and parameters, peers (library and its parameters), bar (times the peer's speed).
FITS = [
    ("forest, 300 trees", (25_000,), "random_forest", {"n_estimators": 300}, [("random_forest", {"n_estimators": 300})], 6),
    ("forest, 300 trees", (500_000,), "random_forest", {"n_estimators": 300}, [("random_forest", {"n_estimators": 300})], 15),
    ("boosting, 200 x depth 5", (25_000, 500_000), "gradient_boosting", BOOSTED, [
        ("hist_gradient_boosting", {"max_iter": 200, "max_depth": 5, "learning_rate": 0.1, "early_stopping": False, "max_leaf_nodes": 32}),
        ("xgboost", BOOSTED),
        ("lightgbm", {**BOOSTED, "num_leaves": 32}),
    ], 1.7),
    ("xgboost, 200 x depth 5", (25_000, 500_000), "xgboost", BOOSTED, [("xgboost", BOOSTED)], 1.0),
    ("xgboost, missing values left to it by both, 200 x depth 5", (25_000, 500_000), "xgboost", BOOSTED, [("xgboost", {**BOOSTED, "impute": False})], 1.0),
    ("logistic, L2", (500_000,), "logistic_regression", {"C": 1.0}, [
        ("logistic_regression", {"solver": s, "max_iter": 1000}) for s in ("lbfgs", "newton-cholesky")], 1.0),
    ("logistic, L1", (500_000,), "logistic_regression", {"C": 1.0, "penalty": "l1"}, [
        ("logistic_regression", {"solver": "liblinear", "l1_ratio": 1.0, "max_iter": 1000})], 5),
    ("network, 20 epochs", (25_000,), "neural_network", {"max_iter": 20}, [
        ("neural_network", {"max_iter": 20, "tol": 0.0, "n_iter_no_change": 20})], 4),
]
# Our algorithm, trees, depth (0: full), and how many times the time of 500,000 rows 5,000,000 may take.
SCALES = [("gradient_boosting", 200, 5, 11), ("random_forest", 20, 0, 14)]
milliseconds = lambda s: f"{s * 1e3:.1f} ms"
# Work of predictions: how it is read of our line, how it is shown, and its bar.
PREDICTIONS = [
    ("one row: features, trees, calibration, interval, set", lambda f: f["one_row_s"], lambda s: f"{s * 1e6:.1f} µs", 10e-6),
    ("batch of 100,000 rows: trees, calibration", lambda f: f["rows_per_s"], lambda n: f"{n / 1e6:.2f} million rows/s", 2e6),
    ("explanation, boosted", lambda f: f["explanation_s"]["xgboost"], milliseconds, 0.010),
    ("explanation, forest of 100 full trees", lambda f: f["explanation_s"]["random_forest"], milliseconds, 0.150),
    ("explanation, network", lambda f: f["explanation_s"]["neural_network"], milliseconds, 0.150),
    ("explanation, logistic", lambda f: f["explanation_s"]["logistic_regression"], milliseconds, None),
    ("explanation, ensemble of these four", lambda f: f["explanation_s"]["ensemble"], milliseconds, None),
]
# How the same is read of a peer's line.
COMPARED = {
    PREDICTIONS[0][0]: lambda f: f["one_row_s"],
    PREDICTIONS[1][0]: lambda f: f["rows_per_s"],
    PREDICTIONS[2][0]: lambda f: f["explanation_s"],
}
SEARCHES = [("random_forest", 40), ("gradient_boosting", 20), ("xgboost", 3), ("logistic_regression", 20), ("neural_network", 8)]
GRIDS = {
    "random_forest": {"n_estimators": [100, 200, 300], "max_depth": [10, 20, 30, None], "min_samples_split": [2, 5, 10],
                      "min_samples_leaf": [1, 2, 4], "max_features": ["sqrt", "log2"], "class_weight": ["balanced", None]},
    "gradient_boosting": {"learning_rate": [0.01, 0.05, 0.1], "n_estimators": [100, 200, 300], "max_depth": [3, 5, 7],
                          "min_samples_split": [2, 5, 10], "min_samples_leaf": [1, 2, 4], "subsample": [0.7, 0.8, 0.9, 1.0]},
    "xgboost": {"learning_rate": [0.01, 0.05, 0.1, 0.3], "max_depth": [3, 5, 7, 9], "n_estimators": [100, 200, 300],
                "subsample": [0.7, 0.8, 0.9, 1.0], "colsample_bytree": [0.7, 0.8, 0.9, 1.0], "gamma": [0, 0.1, 0.2],
                "min_child_weight": [1, 3, 5]},
    "logistic_regression": {"C": [0.001, 0.01, 0.1, 1, 10, 100], "penalty": ["l1", "l2"], "solver": ["liblinear", "saga"],
                            "class_weight": ["balanced", None], "max_iter": [1000, 2000]},
    "neural_network": {"hidden_layer_sizes": [[50], [100], [50, 50], [100, 50]], "activation": ["relu", "tanh"],
                       "alpha": [1e-4, 1e-3, 1e-2], "learning_rate": ["constant", "adaptive"], "max_iter": [500, 1000]},
}


def synthetic(path, rows, seed=7):
    """Twelve continuous columns, a tenth of three of them missing, a label that they half explain; 70/15/15, five folds."""
    r = np.random.default_rng(seed)
    x = r.normal(size=(rows, 12)).astype(np.float32)
    z = 1.2 * x[:, 0] - 0.8 * x[:, 1] ** 2 + x[:, 2] * x[:, 3] + 0.5 * np.sin(3 * x[:, 4]) + 0.4 * x[:, 5]
    y = (r.random(rows) < 1 / (1 + np.exp(-z + 0.5))).astype(int)
    x[:, 6:9][r.random((rows, 3)) < 0.1] = np.nan
    split = np.where(np.arange(rows) % 20 < 14, "train", np.where(np.arange(rows) % 20 < 17, "validation", "test"))
    fold = np.full(rows, -1)
    for label in (0, 1):
        at = np.flatnonzero((split == "train") & (y == label))
        fold[at] = np.arange(len(at)) % 5
    with open(path, "w") as f:
        f.write(",".join([f"f{i}" for i in range(12)] + ["label", "split", "fold"]) + "\n")
        for i in range(rows):
            cells = ["" if np.isnan(v) else repr(float(v)) for v in x[i]]
            f.write(",".join(cells + [str(y[i]), split[i], str(fold[i])]) + "\n")


def candidates(algorithm, seed):
    r = np.random.default_rng(seed)
    pick = lambda values: values[int(r.integers(len(values)))]
    return [{name: pick(values) for name, values in GRIDS[algorithm].items()} for _ in range(50)]


def run(command, **environment):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder, self.lines, self.scaled, self.lost, self.left_out = options, folder, [], [], [], []
        self.predicted = None
        self.own_predictions, self.peer_predictions = [], []

    def write(self, value):
        path = self.folder / "settings.json"
        path.write_text(json.dumps(value))
        return path

    def ours(self, file, algorithm, extra):
        command = [self.options.provost, "fit", file, "--algorithms", algorithm, "--threads", "2", "--json", *extra]
        return run(command)

    def theirs(self, file, work, settings, threads=(1, 2)):
        """The shorter of one and two threads."""
        path = self.write(settings)
        found = [run([sys.executable, HERE / "bench_peer.py", file, work, str(t), path]) for t in threads]
        return min(found, key=lambda f: f["wall_s"])

    def compare(self, work, rows, bar, ours, peers):
        """`ours` and each of `peers` are called in turn; the fastest peer's median counts."""
        own, their = [], {name: [] for name in peers}
        for _ in range(self.options.pairs):
            own.append(ours())
            for name in list(peers):
                try:
                    their[name].append(peers[name]())
                except RuntimeError as e:
                    self.left_out.append(f"{work}: {name}: {str(e).splitlines()[-1]}")
                    del peers[name], their[name]
        if not their:
            return
        best = min(their, key=lambda n: statistics.median(f["wall_s"] for f in their[n]))
        ratios = [t["wall_s"] / o["wall_s"] for o, t in zip(own, their[best])]
        median = statistics.median
        line = {
            "work": work, "rows": rows, "bar": bar, "ratio": median(ratios), "low": min(ratios), "high": max(ratios),
            "ours": median(o["wall_s"] for o in own), "theirs": median(t["wall_s"] for t in their[best]), "peer": best,
            "auc": own[0]["test"]["auc"], "peer_auc": their[best][0]["test"]["auc"],
            "rss": max(o["rss_mb"] for o in own), "peer_rss": max(t["rss_mb"] for t in their[best]),
        }
        print(json.dumps(line), flush=True)
        self.lines.append(line)

    def fits(self, file, rows, what):
        for work, on, algorithm, params, peers, bar in FITS:
            if rows not in on:
                continue
            path = self.folder / "params.json"

            def ours():
                path.write_text(json.dumps({algorithm: params}))
                return self.ours(file, algorithm, ["--params", path])

            # A forest's trees share nothing, nor do the fits of a search: two threads are faster, and one takes minutes more.
            threads = (2,) if algorithm == "random_forest" and rows >= 500_000 else (1, 2)

            def theirs(library, given, threads=threads):
                return lambda: self.theirs(file, work, {"library": library, "params": given}, threads)

            named = {f"{library} {given.get('solver', '')}".strip(): theirs(library, given) for library, given in peers}
            self.compare(f"{work}, {what}", rows, bar, ours, named)

    def searches(self, file, rows):
        path = self.folder / "candidates.json"
        for algorithm, bar in SEARCHES:
            drawn = candidates(algorithm, 42)

            def spelled(candidate):
                # scikit-learn 1.8 and later name the penalty by its ratio.
                if algorithm == "logistic_regression":
                    candidate = dict(candidate)
                    candidate["l1_ratio"] = {"l1": 1.0, "l2": 0.0}[candidate.pop("penalty")]
                return candidate

            def ours(extra=()):
                path.write_text(json.dumps({algorithm: drawn}))
                return self.ours(file, algorithm, ["--mode", "search", "--candidates", path, *extra])

            theirs = lambda: self.theirs(
                file, algorithm, {"library": algorithm, "candidates": [spelled(c) for c in drawn]}, (2,))
            self.compare(f"search 50 x 5, {algorithm}", rows, bar, ours, {algorithm: theirs})
            if self.lines and self.lines[-1]["work"].endswith(algorithm):
                raced = [ours(["--pruning", "racing"])["wall_s"] for _ in range(self.options.pairs)]
                self.lines[-1].update(raced=statistics.median(raced))
        self.losses(rows)

    def losses(self, rows):
        """What racing costs in the winner's cross-validated F1: new rows and new candidates for each seed."""
        file, path = self.folder / "raced.csv", self.folder / "candidates.json"
        for seed in range(self.options.race_seeds):
            synthetic(file, rows, 1000 + seed)
            for algorithm, _ in SEARCHES:
                path.write_text(json.dumps({algorithm: candidates(algorithm, 1000 + seed)}))
                search = ["--mode", "search", "--candidates", path]
                exact, raced = self.ours(file, algorithm, search), self.ours(file, algorithm, [*search, "--pruning", "racing"])
                self.lost.append(exact["cv_f1"] - raced["cv_f1"])

    def scale(self, rows, more):
        """Fits alone, in turn on few and on many rows; working memory as the allocator counts it."""
        for algorithm, trees, depth, bar in SCALES:
            fit = lambda n: run([self.options.scale, algorithm, str(n), "--trees", str(trees), "--depth", str(depth)])
            pairs = [(fit(rows), fit(more)) for _ in range(self.options.pairs)]
            ratios = [many["seconds"] / few["seconds"] for few, many in pairs]
            few, many = pairs[0]
            line = {"algorithm": algorithm, "trees": trees, "depth": depth or "full", "bar": bar, "ratio": statistics.median(ratios),
                    "low": min(ratios), "high": max(ratios), "few": statistics.median(f["seconds"] for f, _ in pairs),
                    "memory": max(f["working_bytes_per_row"] for f, _ in pairs), "more_memory": many["working_bytes_per_row"],
                    "model": few["model_bytes"], "rows": rows, "more": more}
            print(json.dumps(line), flush=True)
            self.scaled.append(line)

    def inference(self):
        command = [self.options.scale, "gradient_boosting", "100000", "--trees", "300", "--depth", "5", "--threads", "1", "--predict", "1"]
        found = [run(command)["predicting"] for _ in range(self.options.pairs)]
        self.predicted = {name: statistics.median(f[name] for f in found) for name in found[0]}
        print(json.dumps(self.predicted), flush=True)

    def predictions(self):
        """Predictions and explanations in process, ours and the peers' in turn, of one model."""
        for _ in range(self.options.pairs):
            self.own_predictions.append(run([self.options.predictions, self.folder]))
            try:
                self.peer_predictions.append(run([sys.executable, HERE / "bench_predictions_peer.py", self.folder]))
            except RuntimeError as e:
                self.left_out.append(f"predictions: {str(e).splitlines()[-1]}")
        print(json.dumps({"own": self.own_predictions, "peers": self.peer_predictions}), flush=True)

    def predictions_table(self):
        """Rows of the table: work, ours, bar, and each peer's with how many times as fast we are."""
        median = lambda found: statistics.median(found)
        own = lambda read: median([read(f) for f in self.own_predictions])
        peers = sorted({name for f in self.peer_predictions for name in f})
        lines = []
        for work, read, shown, bar in PREDICTIONS:
            mine = own(read)
            met = "" if bar is None else f", {'met' if (mine >= bar if work.startswith('batch') else mine <= bar) else '**missed**'}"
            others = []
            for name in peers if work in COMPARED else []:
                try:
                    theirs = median([COMPARED[work](f[name]) for f in self.peer_predictions])
                except KeyError:
                    continue
                times = mine / theirs if work.startswith("batch") else theirs / mine
                others.append(f"{name} {shown(theirs)} ({times:.1f} times)")
            lines.append(f"| {work} | {shown(mine)} | {'' if bar is None else shown(bar)}{met} | {'; '.join(others)} |")
        return lines

    def page(self):
        version = lambda name: importlib.metadata.version(name)
        cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
        load = os.getloadavg()[1]
        libraries = []
        for name in ("scikit-learn", "xgboost-cpu", "xgboost", "lightgbm", "numpy"):
            try:
                libraries.append(f"{name} {version(name)}")
            except importlib.metadata.PackageNotFoundError:
                pass
        out = [
            "# Benchmarks", "",
            "Written by `make bench`; not edited by hand. " + __doc__.split("\n\n")[2].replace("\n", " ").replace("`--real`", "`REAL=`"), "",
            f"- {datetime.date.today()}, {cpu}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
            f"- {subprocess.run([self.options.provost, '--version'], capture_output=True, text=True).stdout.strip()}; "
            f"Python {platform.python_version()}, {', '.join(libraries)}",
            f"- {self.options.pairs} pairs; load over five minutes at the end: {load:.1f}", "",
            "| work | rows | peer | times its speed (lowest to highest) | bar | seconds, ours and theirs | AUC, ours and theirs | peak MB, ours and theirs |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for l in self.lines:
            met = "met" if l["ratio"] >= l["bar"] else "**missed**"
            out.append(
                f"| {l['work']} | {l['rows']:,} | {l['peer']} | {l['ratio']:.2f} ({l['low']:.2f} to {l['high']:.2f}) | {l['bar']} {met} "
                f"| {l['ours']:.3f}, {l['theirs']:.3f} | {l['auc']:.4f}, {l['peer_auc']:.4f} | {l['rss']}, {l['peer_rss']} |")
        raced = [l for l in self.lines if "raced" in l]
        if raced:
            ours, theirs = sum(l["raced"] for l in raced), sum(l["theirs"] for l in raced)
            met = "met" if theirs / ours >= 40 else "**missed**"
            out += ["", f"The searches with racing, together: {theirs / ours:.1f} times the peer's speed (bar 40, {met})."]
            if self.lost:
                loss = statistics.mean(self.lost)
                out[-1] += (f" It costs the winner {loss:.5f} of cross-validated F1 in the mean over {self.options.race_seeds} seeds of rows and "
                            f"candidates (bar .001, {'met' if loss <= 0.001 else '**missed**'}), {max(self.lost):.4f} at most.")
        if self.predicted:
            million = self.predicted["rows_per_second"] / 1e6
            out += ["", f"Inference, one core, 300 boosted trees of depth 5 over 12 columns: {million:.2f} million rows a second in one call of 100,000 rows "
                        f"(bar 1, {'met' if million >= 1 else '**missed**'}; aim 2), {self.predicted['one_row_seconds'] * 1e6:.1f} µs for a call of one row."]
        if self.own_predictions:
            out += ["", "Predictions and explanations in process, one thread, medians. The boosted model has 300 trees of depth 5; an explanation has "
                        "12 features, 100 background rows, all coalitions, and explains the calibrated probability. In brackets: how many times as fast we are.", "",
                    "| work | ours | bar | peers |", "| --- | --- | --- | --- |", *self.predictions_table()]
        if self.scaled:
            out += ["", "Working memory beside the feature matrix and the model, and the time of more rows (two threads, fits alone):", "",
                    "| work | bytes a row (bar 64) | model, bytes a row | seconds | more rows | times the time (lowest to highest) | bar |",
                    "| --- | --- | --- | --- | --- | --- | --- |"]
        for l in self.scaled:
            memory, time = ("met" if ok else "**missed**" for ok in (l["memory"] <= 64, l["ratio"] <= l["bar"]))
            out.append(
                f"| {l['algorithm'].replace('_', ' ')}, {l['trees']} trees, depth {l['depth']}, {l['rows']:,} rows | {l['memory']:.1f} {memory} "
                f"| {l['model'] / l['rows']:.1f} | {l['few']:.2f} | {l['more']:,} (at {l['more_memory']:.1f} bytes) "
                f"| {l['ratio']:.2f} ({l['low']:.2f} to {l['high']:.2f}) | {l['bar']} {time} |")
        if self.left_out:
            out += ["", "Left out:", *[f"- {line}" for line in sorted(set(self.left_out))]]
        pathlib.Path(self.options.out).write_text("\n".join(out) + "\n")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("provost")
    a.add_argument("scale")
    a.add_argument("predictions")
    a.add_argument("--out", default=str(HERE.parent / "docs" / "BENCHMARKS.md"))
    a.add_argument("--pairs", type=int, default=5)
    a.add_argument("--rows", default="1000,25000,500000")
    a.add_argument("--real")
    a.add_argument("--race-seeds", type=int, default=10)
    a.add_argument("--more", type=int, default=5_000_000)
    options = a.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, pathlib.Path(folder))
        for rows in map(int, options.rows.split(",")):
            file = bench.folder / f"{rows}.csv"
            synthetic(file, rows)
            if rows <= 1000:
                bench.searches(file, rows)
            else:
                bench.fits(file, rows, "synthetic")
            # After each part, so that what was measured outlives whatever ends the run.
            bench.page()
        if options.real:
            bench.fits(options.real, 25_000, "real")
            bench.page()
        bench.inference()
        bench.page()
        bench.predictions()
        bench.page()
        if options.more:
            bench.scale(500_000, options.more)
            bench.page()


if __name__ == "__main__":
    main()
