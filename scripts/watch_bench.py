"""How often watching errs, beside Evidently and NannyML on the same windows; writes docs/WATCH.md.

usage: watch_bench.py WATCH [POINTS.jsonl...] [--pairs 1.0] [--out docs/WATCH.md]

WATCH is the example of crates/learn. References of 10,000 rows and windows are drawn from the files (from the generated sample without any) by whole applicants, with replacement: nothing has changed between them, so that every alarm is a false one. 12 columns are the model's own; 30 and 60 have further ones, the categories among them. A window pair has an alarm where the same feature is over in both windows in the same respect. Evidently: its default method and threshold for each column, where the same column drifts in both windows of a pair, and its default for the whole, where half of the columns drift in both. NannyML: CBPE fitted on the same out-of-fold predictions, 1.96 of its sampling errors about its estimate.
"""

import argparse
import collections
import datetime
import gzip
import importlib.metadata
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

warnings.filterwarnings("ignore")
# The peers report their use to their makers otherwise.
os.environ.update(NML_DISABLE_USAGE_LOGGING="1", DO_NOT_TRACK="1")

import numpy as np
import pandas as pd

HERE = pathlib.Path(__file__).resolve().parent
CATEGORIES = {"university", "program", "university_program", "undergraduate_university", "undergraduate_major"}
METRICS = {"auc_roc": "roc_auc", "f1_score": "f1", "accuracy": "accuracy", "brier_score": None}


def evidently_pairs(folder, line, deadline):
    """Pairs tried of those that a line has dumped; in how many the same column drifts in both windows, and in how many half of the columns do."""
    from evidently.legacy.calculations.stattests.registry import get_stattest
    from evidently.legacy.core import ColumnType

    def drifted(reference, window):
        found = set()
        for name in reference.columns:
            before, now = reference[name].dropna(), window[name].dropna()
            if len(before) == 0 or len(now) == 0:
                continue
            kind = ColumnType.Categorical if name in CATEGORIES else ColumnType.Numerical
            if get_stattest(before, now, kind, None)(before, now, kind, None).drifted:
                found.add(name)
        return found

    references, twice, half, pairs = {}, 0, 0, 0
    for pair in range(len(line["dumped"])):
        if time.monotonic() > deadline:
            break
        read = lambda name: pd.read_csv(folder / f"clean-{line['data']}-{name}.csv")
        at = pair % 5
        if at not in references:
            references[at] = read(f"reference-{at}")
        first, second = (drifted(references[at], read(f"{line['rows']}-{pair}-{part}")) for part in ("first", "second"))
        pairs, twice = pairs + 1, twice + bool(first & second)
        half += min(len(first), len(second)) >= 0.5 * len(references[at].columns)
    return pairs, twice, half


def nannyml_windows(folder, data, year):
    """Estimate and sampling error of each window and metric."""
    import nannyml

    frame = pd.read_csv(folder / f"performance-{data}-{year}.csv", dtype={"part": str})
    frame = frame.rename(columns={"p": "y_pred_proba", "predicted": "y_pred", "outcome": "y_true"})
    reference, windows = frame[frame.part == "reference"], frame[frame.part != "reference"]
    names = [name for name in METRICS.values() if name]
    cbpe = nannyml.CBPE(problem_type="classification_binary", y_pred_proba="y_pred_proba", y_pred="y_pred", y_true="y_true",
                        metrics=names, chunk_size=500)
    cbpe.fit(reference.drop(columns="part").reset_index(drop=True))
    found = cbpe.estimate(windows.drop(columns="part").reset_index(drop=True)).filter(period="analysis").to_df()
    return [{name: (row[(name, "value")], row[(name, "sampling_error")]) for name in names} for _, row in found.iterrows()]


def share(part, whole):
    return f"{part} of {whole} ({100 * part / whole:.1f} %)" if whole else "none"


def met(ok):
    return "met" if ok else "**missed**"


def page(lines, peers, options, seconds):
    version = lambda name: f"{name} {importlib.metadata.version(name)}"
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    of = lambda kind: [l for l in lines if l["kind"] == kind]
    out = [
        "# Watching", "",
        "Written by `make watch-bench`; not edited by hand. " + __doc__.split("\n\n")[2].replace("\n", " ").replace("WATCH is the example of crates/learn. ", ""), "",
        f"- {datetime.date.today()}, {cpu}, {os.cpu_count()} cores, {platform.system()} {platform.release()}; {seconds / 60:.1f} minutes",
        f"- {', '.join(version(n) for n in ('evidently', 'nannyml', 'numpy', 'pandas'))}, Python {platform.python_version()}", "",
        "## Nothing has changed", "",
        "Bar: at most 1 alarm in 1,000 window pairs, of 3,000 and more. A single window that is over is no alarm yet.", "",
        "| data | rows | features | pairs | alarms | first windows over | seconds of a window | Evidently: pairs with a column that drifts | Evidently: pairs where half of the columns drift |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for l in of("clean"):
        pairs, twice, half = peers.get((l["data"], l["rows"], l["features"]), (0, 0, 0))
        theirs = (share(twice, pairs), share(half, pairs)) if pairs else ("", "")
        out.append(f"| {l['data']} | {l['rows']:,} | {l['features']} | {l['pairs']:,} | {l['alarms']} | {share(l['over'], l['windows'])} "
                   f"| {l['seconds']:.3f} | {theirs[0]} | {theirs[1]} |")
    pairs, alarms = (sum(l[name] for l in of("clean")) for name in ("pairs", "alarms"))
    out += ["", f"All together: {alarms} alarms in {pairs:,} pairs ({1000 * alarms / pairs:.2f} in 1,000; bar 1, {met(alarms * 1000 <= pairs and pairs >= 3000)})."]
    out += ["", "## One feature is shifted by .3 deviations", "",
            "Windows of 500 rows, pairs in which that feature has an alarm. A feature whose cycles differ by .3 deviations among themselves has a floor "
            "that a shift of .3 does not pass: that is no news. Bar: 90 %, over the features whose floor is at most .2 and which half of the rows have; rows drawn one "
            "by one. Drawn by whole applicants 500 rows are fewer independent ones, where applicants have several.", "",
            "| data | feature | rows with a value | floor | found, single rows | found, whole applicants | |", "| --- | --- | ---: | ---: | ---: | ---: | --- |"]
    tried = found = 0
    for l in of("shift"):
        if l["deviation"] == 0 or not l["found"]:
            continue
        counts = l["floor"] <= 0.2 and l["share"] >= 0.5
        if counts:
            tried, found = tried + l["trials"], found + l["found"]["rows"]
        out.append(f"| {l['data']} | {l['feature']} | {100 * l['share']:.0f} % | {l['floor']:.2f} | {share(l['found']['rows'], l['trials'])} "
                   f"| {share(l['found']['applicants'], l['trials'])} | {'' if counts else 'not counted'} |")
    if tried:
        out += ["", f"All that count: {share(found, tried)}; bar 90 %, {met(found >= 0.9 * tried)}."]
    out += ["", "## Performance without outcomes", "",
            "Windows of 500 rows of each of the last years, by boosting on the twelve features of all years before it, calibrated out of fold; the outcomes are known and "
            "say what was realised. Bars: where calibration holds by the window's outcomes, 93 % of the intervals have the realised value; where an interval misses it, "
            "calibration is said not to hold in 80 %.", "",
            "| metric | windows where calibration holds | intervals with the realised value | NannyML there | all windows | missed intervals | of these said | NannyML, all windows |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    windows = of("performance")
    inside = lambda w, m: w["estimated"][m]["low"] <= w["realised"][m]["value"] <= w["estimated"][m]["high"]
    # In the place of its own answer, what a window would say before its outcomes are known.
    before = {}
    for w in sorted(windows, key=lambda w: w["window"]):
        w["before"] = before.get((w["data"], w["year"]))
        if w["holds"] is not None:
            before[w["data"], w["year"]] = w["holds"]
    totals = collections.Counter()
    for m, theirs in METRICS.items():
        known = [w for w in windows if w["estimated"][m] and w["realised"] and w["realised"][m]]
        holds = [w for w in known if w["holds"]]
        good, missed = sum(inside(w, m) for w in holds), [w for w in known if not inside(w, m)]
        said = sum(w["holds"] is False for w in missed)
        totals.update(holds=len(holds), good=good, missed=len(missed), said=said)
        trusted = [w for w in known if w["before"]]
        totals.update(trusted=len(trusted), right=sum(inside(w, m) for w in trusted),
                      later=sum(w["before"] is not None for w in missed), warned=sum(w["before"] is False for w in missed))

        def peer(of):
            have = [(w, w["nannyml"][theirs]) for w in of if theirs and w.get("nannyml")]
            return share(sum(abs(w["realised"][m]["value"] - value) <= 1.96 * error for w, (value, error) in have), len(have)) if have else ""

        out.append(f"| {m} | {len(holds)} | {share(good, len(holds))} | {peer(holds)} | {len(known)} | {len(missed)} | {share(said, len(missed))} | {peer(known)} |")
    if totals["holds"]:
        ok = totals["good"] >= 0.93 * totals["holds"]
        out += ["", f"All metrics together: {share(totals['good'], totals['holds'])} where calibration holds (bar 93 %, {met(ok)}); of the missed intervals "
                    f"{share(totals['said'], totals['missed'])} are in windows where it is said not to hold (bar 80 %, {met(totals['said'] >= 0.8 * totals['missed'])})."]
        out += ["", "By the outcomes of a window an estimate that they contradict is never believed, so the bars are then met by what the flag means. What it is worth for a "
                    f"window whose outcomes are not known yet, by the answer of the window before it: {share(totals['right'], totals['trusted'])} of the intervals have the realised value "
                    f"where that window's calibration holds; {share(totals['warned'], totals['later'])} of the missed intervals come after one whose calibration does not."]
    out += ["", "| data | year | windows | calibration holds | mean error of the expected AUC, ours | NannyML's |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for data, year in sorted({(w["data"], w["year"]) for w in windows}):
        own = [w for w in windows if (w["data"], w["year"]) == (data, year) and w["realised"]["auc_roc"]]
        error = statistics.mean(abs(w["estimated"]["auc_roc"]["value"] - w["realised"]["auc_roc"]["value"]) for w in own)
        theirs = [abs(w["nannyml"]["roc_auc"][0] - w["realised"]["auc_roc"]["value"]) for w in own if w.get("nannyml")]
        out.append(f"| {data} | {year} | {len(own)} | {sum(bool(w['holds']) for w in own)} | {error:.4f} | {f'{statistics.mean(theirs):.4f}' if theirs else ''} |")
    out += ["", "## Time", "", "One comparison with the domain classifier, against 10,000 rows, seconds:", "",
            "| data | rows | features | seconds | permutations, at most | domain AUC |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    for l in of("time"):
        auc = l["domain_auc"]
        out.append(f"| {l['data']} | {l['rows']:,} | {l['features']} | {l['seconds']:.2f} | {l['permutations']:,} "
                   f"| {'' if auc is None else f'''{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})'''} |")
    pathlib.Path(options.out).write_text("\n".join(out) + "\n")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("watch")
    a.add_argument("points", nargs="*", help="JSON lines of data points, gzipped or not; the generated sample without any")
    a.add_argument("--pairs", default="1.0", help="a factor of the numbers of pairs")
    a.add_argument("--evidently-seconds", type=float, default=30, help="for each file")
    a.add_argument("--out", default=str(HERE.parent / "docs" / "WATCH.md"))
    options = a.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        files = []
        for given in options.points:
            file = folder / pathlib.Path(given).name.removesuffix(".gz")
            with (gzip.open(given) if given.endswith(".gz") else open(given, "rb")) as source, open(file, "wb") as target:
                shutil.copyfileobj(source, target)
            files.append(file)
        command = [options.watch, *files, "--pairs", options.pairs, "--dump", folder]
        done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))} failed")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        print(f"{len(lines)} lines in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        for data, year in sorted({(l["data"], l["year"]) for l in lines if l["kind"] == "performance"}):
            own = [l for l in lines if l["kind"] == "performance" and (l["data"], l["year"]) == (data, year)]
            for line, found in zip(own, nannyml_windows(folder, data, year)):
                line["nannyml"] = found
        peers = {}
        for data in sorted({l["data"] for l in lines}):
            deadline = time.monotonic() + options.evidently_seconds
            for line in lines:
                if line["kind"] == "clean" and line["data"] == data and line["dumped"]:
                    peers[data, line["rows"], line["features"]] = evidently_pairs(folder, line, deadline)
    page(lines, peers, options, time.monotonic() - began)


if __name__ == "__main__":
    main()
