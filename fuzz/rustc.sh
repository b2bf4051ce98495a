#!/usr/bin/env bash
# RUSTC_WRAPPER of fuzz/run.sh: AddressSanitizer and libFuzzer's coverage for our own crates and for the parsers that they rely
# on; all others are built as usual.
rustc=$1
shift
name=
for ((i = 1; i <= $#; i++)); do
  if [ "${!i}" = --crate-name ]; then j=$((i + 1)); name=${!j}; break; fi
done
case $name in
  provost*|serde_json|postcard|csv|csv_core|toml|toml_parser|libfuzzer_sys|model|trained|snapshot|event|jsonl|config|settings|table|seeds)
    # Only here, since build scripts look at it and would be run again.
    RUSTC_BOOTSTRAP=1 exec "$rustc" "$@" -Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
      -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
      -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 ;;
  *) exec "$rustc" "$@" ;;
esac
