#!/usr/bin/env bash
# Makes the pictures of docs/images: the demo trains on sample data, a service serves what it has trained, the plots of its
# ensemble are fetched from their routes, and a browser takes pictures of its pages.
#   scripts/images.sh PROVOST [ROWS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
provost=$(realpath "$1")
rows=${2:-5000}
plots=(roc_curve calibration)

work=$(mktemp -d)
service=
finish() { if [ -n "$service" ]; then kill "$service" 2>/dev/null || true; wait "$service" 2>/dev/null || true; fi; rm -rf "$work"; }
trap finish EXIT

PROVOST_SCHEDULE__ENABLED=false "$provost" demo --rows "$rows" --data-dir "$work/data" --exit
mkfifo "$work/said"
PROVOST_SCHEDULE__ENABLED=false "$provost" serve --data-dir "$work/data" --listen 127.0.0.1:0 --json >"$work/said" 2>"$work/log" &
service=$!
read -r ready <"$work/said"

python3 - "$ready" docs/images "${plots[@]}" <<'PY'
import json, pathlib, sys, urllib.request
ready, folder, *plots = sys.argv[1:]
base = json.loads(ready)["url"] + "/api/v1/model-training"
def get(path):
    with urllib.request.urlopen(base + path, timeout=60) as answer:
        return answer.read()
models = json.loads(get("/models?limit=200"))
ensemble = next(m["model_id"] for m in models if m["algorithm"] == "ensemble")
for plot in plots:
    image = get(f"/evaluate/{ensemble}/plots/{plot}.svg")
    if not image.lstrip().startswith(b"<svg"):
        sys.exit(f"images: {plot} is no SVG")
    path = pathlib.Path(folder, f"{plot}.svg")
    path.with_suffix(".new").write_bytes(image)
    path.with_suffix(".new").replace(path)
    print(f"images: {path} ({len(image)} bytes)")
PY

# The pages, where there are Node and a browser.
if ! command -v node >/dev/null; then echo 'images: no Node: the pictures of pages stay as they are'; exit; fi
scripts/setup.sh acceptance
url=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["url"])' "$ready")
node tests/browser/tour.mjs "$url" docs/images || { [ $? = 3 ] && echo 'images: no browser: the pictures of pages stay as they are'; }
