#!/usr/bin/env bash
# Makes src/bindings.rs anew, for another version of XGBoost:
#   cargo install bindgen-cli --version 0.72.1     (which needs libclang)
#   crates/xgboost-sys/bindings.sh INCLUDE          (the folder `include` of XGBoost's sources)
set -euo pipefail
include=${1:?the folder include of the sources of XGBoost}
bindgen --no-doc-comments --no-layout-tests --rust-target 1.85 --merge-extern-blocks \
  --allowlist-function 'XG.*' --allowlist-type 'bst_.*|.*Handle' \
  "$include/xgboost/c_api.h" -o "$(dirname "${BASH_SOURCE[0]}")/src/bindings.rs" -- "-I$include"
