#!/usr/bin/env bash
# Puts libxgboost and its libgomp beside the release binary, and checks that the binary finds them there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=$(cargo metadata --format-version 1 --no-deps --offline |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
release=$target/release

for library in third_party/xgboost/lib*.so*; do
  cmp -s "$library" "$release/$(basename "$library")" || install -m 755 "$library" "$release/"
done

for library in libxgboost.so "$(basename third_party/xgboost/libgomp-*)"; do
  found=$(env -u LD_LIBRARY_PATH ldd "$release/provost" | awk -v name="$library" '$1 == name { print $3 }')
  if [ "$(realpath -m "${found:-/nowhere}")" != "$(realpath "$release/$library")" ]; then
    printf 'bundle: %s finds %s at "%s", not beside itself.\n' "$release/provost" "$library" "$found" >&2
    printf 'bundle: is RUSTFLAGS set? It replaces the rpath of .cargo/config.toml; unset it and build again.\n' >&2
    exit 1
  fi
done

# Man pages and completions, for docs/DEPLOYMENT.md to install.
"$release/provost" --quiet man --out "$release/man" >/dev/null
mkdir -p "$release/completions"
for shell in bash fish zsh; do
  "$release/provost" completions "$shell" >"$release/completions/provost.$shell"
done
