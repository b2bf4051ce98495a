#!/usr/bin/env bash
# Builds the fuzz targets, runs them one after the other, and writes docs/FUZZING.md from what libFuzzer reports.
#   fuzz/run.sh                      all targets, 300 s each
#   fuzz/run.sh -s 60 event csv      some of them, 60 s each
# A stable compiler is enough, see rustc.sh. Needs a C++ compiler.
# What is found stays in fuzz/artifacts/TARGET; the corpus grows in fuzz/corpus/TARGET. Exits 1 if anything was found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seconds=300
if [ "${1:-}" = -s ]; then seconds=$2; shift 2; fi
all=(model trained snapshot event jsonl csv file config settings table)
[ $# -gt 0 ] && targets=("$@") || targets=("${all[@]}")

export RUSTC_WRAPPER=$PWD/rustc.sh
export LD_LIBRARY_PATH="$PWD/../third_party/xgboost${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export CARGO_TARGET_DIR="$PWD/target"
bin=$CARGO_TARGET_DIR/debug

../scripts/setup.sh
nice -n 15 "${CARGO:-cargo}" build --locked ${FUZZ_JOBS:+-j "$FUZZ_JOBS"}
# The seeds are deterministic; leaks are not what they are made for.
ASAN_OPTIONS=detect_leaks=0 "$bin/seeds" seeds

found=0
mkdir -p results
for target in "${targets[@]}"; do
  mkdir -p "corpus/$target" "artifacts/$target"
  log=results/$target.log
  printf 'fuzz: %s for %s s\n' "$target" "$seconds"
  # One allocation over 64 MB, 1 GB in all or one input of 10 s counts as a finding.
  status=0
  start=$(date -u +%F)
  TIMEFORMAT='cpu %U'
  { time nice -n "${FUZZ_NICE:-15}" "$bin/$target" "corpus/$target" "seeds/$target" -artifact_prefix="artifacts/$target/" \
    -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=64 \
    -print_final_stats=1 >"$log" 2>&1; } 2>"$log.time" || status=$?
  printf 'provost: seconds %s\nprovost: date %s\nprovost: status %s\nprovost: %s\n' \
    "$seconds" "$start" "$status" "$(tail -n 1 "$log.time")" >>"$log"
  rm -f "$log.time"
  if [ "$status" != 0 ]; then
    found=1
    printf 'fuzz: %s FOUND something:\n' "$target" >&2
    grep -aE "panicked at|ERROR: |SUMMARY: |Test unit written" -A 1 "$log" | head -n 12 >&2 || true
  fi
done
python3 report.py results ../docs/FUZZING.md
exit "$found"
