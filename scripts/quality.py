"""How good the answers are: AUC on held-out rows, against the Python libraries and between our own choices; writes docs/QUALITY.md.

usage: quality.py PROVOST QUALITY POINTS.jsonl... [--out docs/QUALITY.md] [--seeds 10] [--splits 3] [--first 4] [--grids config/extended.toml]

Every number in the page is measured by the script that writes it, on one day with one set of versions. QUALITY is the example of crates/learn. Against the libraries: the same twelve
columns, the same 70/15/15 splits, default parameters, the difference of the two test scores paired by split.
Models of our own: five algorithms and their ensemble, with default parameters, or on the extended features with those of the grids,
of which there is one candidate each, and a patience of 50 rounds; the test rows are scored once. The grids were chosen by out-of-fold
predictions on the first splits, so that the extended features are measured on later ones (by years there is only one way to split).

--go-on keeps the parts that the page has already, of the same day and versions, and measures the others.
"""

import argparse
import csv
import datetime
import importlib.metadata
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import tomllib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
FIVE = ["random_forest", "xgboost", "gradient_boosting", "logistic_regression", "neural_network"]
# Default forests and XGBoost's default rate of .3 scatter most from split to split, and are fitted soonest: so many times the splits;
# and so many for what the ensemble gains over default models, of which .001 is a quarter of the bar.
SCATTERED, MORE = FIVE[:2], 4


def last_line(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def split(source, target, seed):
    """The same rows with a column `split`, drawn by the seed."""
    with open(source, newline="") as f, open(target, "w", newline="") as out:
        rows = csv.reader(f)
        write = csv.writer(out)
        write.writerow([*next(rows), "split"])
        rows = list(rows)
        place = np.random.default_rng(seed).permutation(len(rows)) / len(rows)
        for row, at in zip(rows, place):
            write.writerow([*row, "train" if at < 0.7 else "validation" if at < 0.85 else "test"])


def parity(options, name, features, folder):
    """Ours less theirs, by algorithm and seed."""
    found = {algorithm: [] for algorithm in FIVE}
    for seed in range(options.seeds * MORE):
        file = folder / "split.csv"
        split(features, file, seed)
        for algorithm in FIVE if seed < options.seeds else SCATTERED:
            ours = last_line([options.provost, "fit", file, "--algorithms", algorithm, "--json"])
            settings = folder / "settings.json"
            settings.write_text(json.dumps({"library": algorithm, "params": {}}))
            theirs = last_line([sys.executable, HERE / "bench_peer.py", file, algorithm, 2, settings])
            found[algorithm].append((ours["test"]["auc"], theirs["test"]["auc"]))
            print(name, seed, algorithm, found[algorithm][-1], file=sys.stderr, flush=True)
    return found


def covered(line, name, features, how, at_random, rows):
    """Adds a row for each class; answers the coverage at random, to which that by years is compared."""
    asked, found = line["sets"]["asked"], {}
    for group, of_group in line["sets"]["classes"].items():
        shares, count = of_group["coverage"], of_group["rows"]
        error = (asked * (1 - asked) / count) ** 0.5
        furthest = max(abs(share - asked) for share in shares.values()) / error
        found[group] = statistics.mean(shares.values())
        if how == "years":
            verdict = f"time costs {at_random[group] - found[group]:+.3f}" if group in at_random else "nothing to compare with"
        else:
            verdict = "met" if furthest <= 3 else "**missed**"
        cells = " | ".join(f"{shares[algorithm]:.3f}" for algorithm in [*FIVE, "ensemble"])
        rows.append(f"| {name}, sets | {features} | {how} | {group} | {count:,.0f} | {cells} | {furthest:.1f} | {verdict} |")
    return found if how == "random" else at_random


def main():
    a = argparse.ArgumentParser()
    a.add_argument("provost")
    a.add_argument("quality")
    a.add_argument("points", nargs="+")
    a.add_argument("--out", default=str(HERE.parent / "docs" / "QUALITY.md"))
    a.add_argument("--seeds", type=int, default=10)
    a.add_argument("--splits", type=int, default=3)
    a.add_argument("--first", type=int, default=4, help="first split of the extended features: those before chose the grids")
    a.add_argument("--grids", default=str(HERE.parent / "config" / "extended.toml"))
    a.add_argument("--go-on", action="store_true")
    options = a.parse_args()
    peers = ", ".join(f"{n} {importlib.metadata.version(n)}" for n in ("scikit-learn", "xgboost-cpu"))
    # As in settings, where "none" stands for the null that TOML lacks.
    grids = {algorithm: {name: [None if v == "none" else v for v in values] for name, values in grid.items()}
             for algorithm, grid in tomllib.loads(pathlib.Path(options.grids).read_text())["grids"].items()}
    head = [
        "# Quality", "", "Written by `make quality`; not edited by hand. " + " ".join(__doc__.split("\n\n")[2].split()), "",
        f"{datetime.date.today()}; {subprocess.run([options.provost, '--version'], capture_output=True, text=True).stdout.strip()}; "
        f"{peers}, Python {platform.python_version()}.", "",
        "## Against the libraries", "",
        "Bar: the mean by which an algorithm is behind, plus two standard errors of it, is at most .001.", "",
        "| data | algorithm | splits | ours | theirs | ours less theirs | behind, with two errors | |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    between = [
        "", "## Our own models", "",
        "Splits: `rows` draws rows, 70/15/15; `random` and `grouped` are the service's and keep nearly all, or all, rows of an applicant together; "
        "`years` trains on all years before each of the last ones and tests on that year. Means over so many splits; the best single model is the "
        f"algorithm of the highest mean. Parameters are the defaults, or those of `config/{pathlib.Path(options.grids).name}` for {', '.join(grids).replace('_', ' ')}. Bars: the ensemble at least .004 above the best single model; "
        "extended features, the best model: .832 (Edulix) and .757 (GradCafe) random, .832 (Edulix) grouped, .790 and .740 by years.", "",
        f"| data | features | split | parameters | {' | '.join(a.replace('_', ' ') for a in [*FIVE, 'ensemble'])} | ensemble less the best |",
        "| --- | --- | --- | --- |" + " ---: |" * 7,
    ]
    of_sets = [
        "", "## Plausible outcomes", "",
        "How often the sets of `plausible_outcomes`, asked to hold an outcome with the probability .9, hold that of a test row, by its class; means over the splits of "
        "the table above. They are calibrated on out-of-fold rows of the training part, so that on rows that are held out of the same years each model's coverage is within three "
        "binomial errors (of the rows of that class in one test part). By years the test rows are later than all of those: the last column says how much coverage time costs, as "
        "the mean over the models, against rows that are held out at random.", "",
        f"| data | features | split | class | rows | {' | '.join(a.replace('_', ' ') for a in [*FIVE, 'ensemble'])} | furthest from .9, binomial errors | |",
        "| --- | --- | --- | --- | ---: |" + " ---: |" * 7 + " --- |",
    ]
    against, own, sets = [], [], []
    before = pathlib.Path(options.out).read_text().splitlines() if options.go_on and pathlib.Path(options.out).exists() else []
    before = before if head[4] in before else []

    def kept(*cells):
        """Rows of the page that begin so."""
        return [line for line in before if line.startswith(f"| {' | '.join(cells)}")]

    def write(to_come=True):
        """After each part, so that what was measured outlives whatever ends the run."""
        stopped = ["", "**The run was stopped before its end: parts are missing.**"] if to_come else []
        pathlib.Path(options.out).write_text("\n".join([*head, *against, *between, *own, *of_sets, *sets, *stopped]) + "\n")

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        own_grids = folder / "grids.json"
        own_grids.write_text(json.dumps(grids))
        for points in options.points:
            name = pathlib.Path(points).name.split(".")[0]
            known = [row for algorithm in FIVE for row in kept(name, f"{algorithm} ")]
            against += known
            if options.seeds and not known:
                features = folder / f"{name}.csv"
                subprocess.run([options.provost, "features", points, "--out", features], check=True, capture_output=True)
                for algorithm, pairs in parity(options, name, features, folder).items():
                    differences = [o - t for o, t in pairs]
                    error = statistics.stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else float("nan")
                    behind = -statistics.mean(differences) + 2 * error
                    against.append(
                        f"| {name} | {algorithm} | {len(pairs)} | {statistics.mean(o for o, _ in pairs):.4f} | {statistics.mean(t for _, t in pairs):.4f} "
                        f"| {statistics.mean(differences):+.4f} | {behind:+.4f} | {'met' if behind <= 0.001 else '**missed**'} |")
                write()
            at_random = {}
            for kind in ["base random", "base rows", "extended rows", "extended random", "extended grouped", "extended years"]:
                features, how = kind.split()
                known, known_sets = kept(name, features, f"{how} ("), kept(f"{name}, sets", features, f"{how} |")
                if known and known_sets:
                    own += known
                    sets += known_sets
                    if how == "random":
                        at_random = {cells[3]: statistics.mean(map(float, cells[5:11])) for cells in
                                     ([cell.strip() for cell in row.strip("|").split("|")] for row in known_sets)}
                    continue
                chosen = ["--iterations", 1, "--tune", ",".join(grids), "--grids", own_grids, "--patience", 50, "--first", options.first] if features == "extended" else []
                line = last_line([options.quality, points, "--features", features, "--split", how, "--splits", options.splits * (1 if chosen else MORE), *chosen])
                print(json.dumps(line), file=sys.stderr, flush=True)
                mean = line["mean"]
                cells = " | ".join(f"{mean[algorithm]:.4f}" for algorithm in [*FIVE, "ensemble"])
                gain = mean["ensemble"] - max(mean[algorithm] for algorithm in FIVE)
                own.append(f"| {name} | {features} | {how} ({line['splits']}) | {'the file' if chosen else 'defaults'} | {cells} | {gain:+.4f} |")
                at_random = covered(line, name, features, how, at_random, sets)
                write()
    write(to_come=False)


if __name__ == "__main__":
    main()
