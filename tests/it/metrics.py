"""Checks scrapes of /metrics, and the files that name its metrics, with Prometheus's own parsers.

Usage: metrics.py PLAIN OPENMETRICS DASHBOARD ALERTS PAGE. Prints every fault; exit code 1 if there is one.
"""

import json
import re
import sys

import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain

SUFFIXES = {
    "counter": ["_total"],
    "histogram": ["_bucket", "_sum", "_count"],
    "info": ["_info"],
    "gauge": [""],
}
KNOWN_LABELS = {"instance", "job"}
faults = []


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def fault(text):
    faults.append(text)


def exposed(families):
    """By the name that the page has: type and labels."""
    found = {}
    for family in families:
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        name = family.name if family.name.endswith(suffix) and suffix else family.name + suffix
        labels = set()
        for sample in family.samples:
            labels |= set(sample.labels) - {"le"}
        found[name] = (family.type, labels, family.documentation, len(family.samples))
    return found


def check_names(scrape):
    for name, (kind, _, documentation, _) in scrape.items():
        if not re.fullmatch(r"(provost|process)_[a-z_]+", name):
            fault(f"{name}: not a name of this service")
        if kind not in SUFFIXES:
            fault(f"{name}: its type is {kind}")
        if kind == "counter" and not name.endswith("_total"):
            fault(f"{name}: a counter ends with _total")
        if kind == "histogram" and not name.endswith("_seconds"):
            fault(f"{name}: a histogram without its unit")
        if re.search(r"_(ms|milliseconds|minutes|kb|mb|percent)(_|$)", name):
            fault(f"{name}: not in a base unit")
        if len(documentation) < 10:
            fault(f"{name}: no HELP")


def samples_of(scrape):
    """Name of a sample to the metric it belongs to."""
    found = {}
    for name, (kind, *_) in scrape.items():
        if kind == "histogram":
            for suffix in SUFFIXES["histogram"]:
                found[name + suffix] = name
        else:
            found[name] = name
    return found


def check_expression(where, expression, samples, table):
    # Metrics with their selectors; texts in quotes are left out of what is looked through for names.
    for name, selector in re.findall(r"\b((?:provost|process)_[a-z_]+|up)\b\s*(\{[^}]*\})?", expression):
        if name == "up":
            continue
        metric = samples.get(name)
        if metric is None:
            fault(f"{where}: no metric {name} in {expression}")
            continue
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector):
            if label not in KNOWN_LABELS and label not in table[metric][1]:
                fault(f"{where}: {name} has no label {label}")
    if expression.count("(") != expression.count(")"):
        fault(f"{where}: parentheses do not match in {expression}")


def rows(page, header):
    """The cells of a table whose header begins so."""
    found, inside = [], False
    for line in page.splitlines():
        if line.startswith(header):
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("| ---"):
            found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


plain_path, open_path, dashboard_path, alerts_path, page_path = sys.argv[1:]
plain_text, open_text, page = read(plain_path), read(open_path), read(page_path)
if not open_text.endswith("# EOF\n"):
    fault("OpenMetrics does not end with # EOF")
plain, openmetrics = exposed(read_plain(plain_text)), exposed(read_openmetrics(open_text))
check_names(openmetrics)
# Prometheus's own format has no type for info: such a metric is a gauge there.
names = set(plain), set(openmetrics)
if names[0] != names[1]:
    fault(f"only in one format: {sorted(names[0] ^ names[1])}")
if len(openmetrics) < 50:
    fault(f"only {len(openmetrics)} metrics")

table = {}
for name, kind, labels, meaning in rows(page, "| metric |"):
    table[name.strip("`")] = (kind, set(re.findall(r"`(\w+)`", labels)))
    if len(meaning) < 5:
        fault(f"the page says nothing of {name}")
for name in sorted(set(table) ^ set(openmetrics)):
    where = "the page" if name in table else "the scrape"
    fault(f"{name} is only in {where}")
for name in set(table) & set(openmetrics):
    kind, labels, _, samples = openmetrics[name]
    if table[name][0] != kind:
        fault(f"{name} is a {kind}, and the page says {table[name][0]}")
    if samples and table[name][1] != labels:
        fault(f"{name} has the labels {sorted(labels)}, and the page says {sorted(table[name][1])}")

samples = samples_of(openmetrics)
dashboard = json.loads(read(dashboard_path))
drawn = 0
for panel in dashboard["panels"]:
    for target in panel.get("targets", []):
        check_expression(f"panel {panel['title']!r}", target["expr"], samples, table)
        drawn += 1
ids = [panel["id"] for panel in dashboard["panels"]]
if len(set(ids)) != len(ids) or drawn < 40:
    fault(f"the dashboard has {drawn} expressions, and ids {ids}")

rules = [rule for group in yaml.safe_load(read(alerts_path))["groups"] for rule in group["rules"]]
for rule in rules:
    where = f"alert {rule['alert']}"
    check_expression(where, rule["expr"], samples, table)
    if rule["labels"]["severity"] not in ("critical", "warning", "info"):
        fault(f"{where}: its severity is {rule['labels']['severity']}")
    if not rule["annotations"]["summary"] or not rule["annotations"]["description"]:
        fault(f"{where}: it says nothing")
alerts = [rule["alert"] for rule in rules]
told = [row[0].strip("`") for row in rows(page, "| alert |")]
if sorted(alerts) != sorted(told):
    fault(f"alerts of one only, page or file: {sorted(set(alerts) ^ set(told))}")

for text in faults:
    print(text)
print(f"{len(openmetrics)} metrics, {drawn} expressions drawn, {len(rules)} alerts")
sys.exit(1 if faults else 0)
