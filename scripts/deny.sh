#!/usr/bin/env bash
# Licences, bans, sources and known vulnerabilities of the dependency tree, by deny.toml. The database of advisories is a git
# repository; where it cannot be fetched, that check is left out and says so.
#   scripts/deny.sh                  installs cargo-deny into third_party/tools where it is missing
#   scripts/deny.sh --if-installed   leaves everything out where it is missing, and says so
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools=$PWD/third_party/tools
export PATH="$tools/bin:$PATH"
say() { printf 'deny: %s\n' "$*" >&2; }

if ! cargo deny --version >/dev/null 2>&1; then
  if [ "${1:-}" = --if-installed ]; then
    say "SKIPPED: cargo-deny is not installed; \`make deny\` installs it and checks licences, sources and advisories"
    exit 0
  fi
  say "installing cargo-deny into third_party/tools (some minutes, once)"
  cargo install --quiet --locked cargo-deny --root "$tools"
fi

# Warnings (duplicate versions) are counted, errors shown in full.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() {
  if ! cargo deny --locked --offline --color never check "$@" >"$log" 2>&1; then cat "$log" >&2; exit 1; fi
  say "$(tail -n 1 "$log") ($(grep -c '^warning' "$log" || true) warnings)"
}
run licenses bans sources
if [ "${1:-}" = --if-installed ] && ! compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/*/.git" >/dev/null; then
  say "ADVISORIES NOT CHECKED: there is no database of them here; \`make deny\` fetches it"
elif [ "${1:-}" = --if-installed ] || cargo deny fetch db >"$log" 2>&1; then
  run advisories
else
  say "ADVISORIES NOT CHECKED: their database could not be fetched: $(grep -v '^ *$' "$log" | tail -n 1)"
fi
