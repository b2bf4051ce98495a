#!/usr/bin/env bash
# The demo of the release binary, in a folder of its own. The demo ends with an error where it met a panic, a restart or an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${CARGO_TARGET_DIR:-target}"/release/provost demo --rows 2000 --listen 127.0.0.1:0 --data-dir "$folder/data" --exit
