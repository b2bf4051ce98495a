"""Writes the table of docs/FUZZING.md out of libFuzzer's own output: report.py RESULTS DOCUMENT"""

import pathlib
import re
import subprocess
import sys

results, document = map(pathlib.Path, sys.argv[1:])
BEGIN, END = "<!-- table: written by fuzz/run.sh -->", "<!-- end of table -->"


def last(pattern, text, default="–"):
    found = re.findall(pattern, text)
    return found[-1] if found else default


def row(log):
    text = log.read_text(errors="replace")
    executions = last(r"stat::number_of_executed_units:\s*(\d+)", text)
    status = last(r"cov: (\d+) ft: (\d+) corp: (\d+)", text, ("–",) * 3)
    finding = "nothing" if "provost: status 0" in text else last(r"SUMMARY: (.*)", text, "see its log")
    return [
        log.stem,
        f"{int(executions):,}" if executions.isdigit() else executions,
        last(r"provost: cpu ([\d.]+)", text),
        status[0],
        status[1],
        status[2],
        last(r"stat::peak_rss_mb:\s*(\d+)", text),
        last(r"stat::slowest_unit_time_sec:\s*(\d+)", text),
        finding,
        last(r"provost: date (\S+)", text),
    ]


text = document.read_text()
if BEGIN not in text or END not in text:
    sys.exit(f"{document}: the marks of the table are gone")
logs = sorted(results.glob("*.log"))
targets = {path.stem for path in pathlib.Path("targets").glob("*.rs")}
# Of a target that was not run now the row of its last run stays.
rows = {}
for line in text.split(BEGIN)[1].split(END)[0].splitlines():
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    if len(cells) == 10 and cells[0] in targets:
        rows[cells[0]] = cells
rows.update((log.stem, row(log)) for log in logs)
head = ["target", "executions", "CPU s", "edges", "features", "corpus", "peak MB", "slowest s", "found", "date"]
lines = ["| " + " | ".join(head) + " |", "| --- | " + "---: | " * 7 + "--- | --- |"]
lines += ["| " + " | ".join(rows[target]) + " |" for target in sorted(rows)]
rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()
missing = sorted(targets - set(rows))
if missing:
    lines += ["", f"Not run yet: {', '.join(missing)}."]
table = "\n".join([BEGIN, "", f"{rustc}, AddressSanitizer, debug assertions and overflow checks on.", "", *lines, "", END])
before, after = text.split(BEGIN)[0], text.split(END)[1]
document.write_text(before + table + after)
