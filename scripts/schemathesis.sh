#!/usr/bin/env bash
# Schemathesis against a running `provost serve` and the OpenAPI document that it serves itself: no 5xx, and every answer as
# the document says.
#   scripts/schemathesis.sh URL [SECONDS]     a service that runs (its data is played with), 60 s
# With PROVOST_KEY in the environment it asks with that key: the document describes a service that has keys.
# Left out: the event stream of a job, which does not end while its job runs, and the end of a key, which may be the one that it
# asks with. Needs `scripts/setup.sh test`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
url=${1:?usage: scripts/schemathesis.sh URL [SECONDS]}
seconds=${2:-60}
python=$PWD/third_party/python
export PYTHONPATH="$python${PYTHONPATH:+:$PYTHONPATH}"
python3 -c 'import schemathesis' 2>/dev/null || {
  echo 'schemathesis: not installed; `scripts/setup.sh test` installs it' >&2
  exit 3
}

# The service needs an active model, as /v2/health/ready answers 503 without one, and a high `http.failed_auth_per_minute`, as every
# route is asked with wrong keys.
# What is not checked, and why:
# - positive_data_acceptance: a body may be valid and its data not be there (400, 404, 409).
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# Half of the time with the ids of a job and a model that are there, if there are some: else there is little but 404.
python3 - "$url" >known.toml <<'PY'
import json, os, sys, urllib.request
base = sys.argv[1] + "/api/v1/model-training"
key = os.environ.get("PROVOST_KEY")
headers = {"Authorization": f"Bearer {key}"} if key else {}
get = lambda path: json.load(urllib.request.urlopen(urllib.request.Request(base + path, headers=headers), timeout=10))
jobs, models = get("/jobs?limit=1&status=completed"), get("/models?limit=1")
if jobs and models:
    print(f'[parameters]\n"path.job_id" = "{jobs[0]["job_id"]}"\n"path.model_id" = "{models[0]["model_id"]}"')
PY
# Lines of JSON are sent as the text that they are.
printf '%s\n' 'import schemathesis' 'schemathesis.serializer.alias("application/x-ndjson", "text/plain")' >hooks.py
export SCHEMATHESIS_HOOKS=hooks PYTHONPATH="$work${PYTHONPATH:+:$PYTHONPATH}"
key=()
[ -z "${PROVOST_KEY:-}" ] || key=(-H "Authorization: Bearer $PROVOST_KEY")
ask() { # ask SECONDS CONFIGURATION
  python3 -m schemathesis.cli --config-file "$2" run "$url/openapi.json" \
    "${key[@]}" --checks all --exclude-checks positive_data_acceptance \
    --exclude-path-regex '(/jobs/\{job_id\}/events|/keys/\{key_id\})$' \
    --max-time "$1" --seed "${SEED:-1}" --request-timeout 30 --continue-on-failure \
    --suppress-health-check all --warnings off --no-color
}
status=0
if [ -s known.toml ]; then
  seconds=$((seconds / 2))
  ask "$seconds" known.toml || status=1
fi
: >none.toml
ask "$seconds" none.toml || status=1
exit "$status"
