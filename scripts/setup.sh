#!/usr/bin/env bash
# Installs what a build needs and is not there yet: a C and C++ toolchain, and the shared
# library of XGBoost out of its PyPI wheel, into third_party/xgboost. With `test` also what tests use: clippy, rustfmt,
# RabbitMQ, whose nodes the tests start themselves, the modules of their MongoDB server where Go is, the libraries of
# another where Java and Maven are (`CI=true` installs both), and in Python a mail server, a client of the message bus,
# Prometheus's parser and Schemathesis, in third_party/python. With `acceptance` also what the acceptance tests use beyond
# that: the generator of typed clients, Triton's client, ONNX Runtime, XGBoost's Python package and shap, in third_party/python-acceptance, and
# where npm is, what drives a browser, in third_party/node (`CI=true` installs npm and Chromium). Run it as often as you like: what is there stays.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

XGBOOST_VERSION=3.2.0
LIBRARY=third_party/xgboost
PYTHON=third_party/python
PYTHON_PACKAGES=(aiosmtpd==1.4.6 pika==1.4.4 prometheus-client==0.26.0 schemathesis==4.32.5)
ACCEPTANCE=third_party/python-acceptance
ACCEPTANCE_PACKAGES=(openapi-python-client==0.29.1 'tritonclient[http]==2.73.0' onnxruntime==1.32.0 xgboost-cpu==3.2.0 shap==0.51.0)
NODE=third_party/node
NODE_PACKAGES=(playwright-core@1.65.1 axe-core@4.14.1)
mode=${1:-}

say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf '\nsetup: %s\n' "$1" >&2; shift; for line in "$@"; do printf '       %s\n' "$line" >&2; done; exit 1; }

# ---- what is missing, by trying what the build will do

links() { # links LIBRARY…: does a program link with these?
  local out; out=$(mktemp)
  local ok=0; printf 'int main(void) { return 0; }\n' | cc -x c - -o "$out" "$@" 2>/dev/null || ok=1
  rm -f "$out"; return "$ok"
}

library_is_whole() {
  [ -f "$LIBRARY/SHA256SUMS" ] && [ "$(cat "$LIBRARY/WHEEL" 2>/dev/null)" = "$1" ] &&
    (cd "$LIBRARY" && sha256sum --check --quiet --strict SHA256SUMS >/dev/null 2>&1)
}

has_packages() { # has_packages FOLDER PACKAGE…: are exactly these in it?
  local folder=$1; shift
  [ "$(cat "$folder/PACKAGES" 2>/dev/null)" = "$*" ]
}

python_is_whole() { # or not asked for
  case "$mode" in
    test) has_packages "$PYTHON" "${PYTHON_PACKAGES[@]}" ;;
    acceptance) has_packages "$ACCEPTANCE" "${ACCEPTANCE_PACKAGES[@]}" ;;
  esac
}

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64)
    platform=manylinux_2_28_x86_64
    checksum=9c10b1653e1a689bf4094a328144cf3633c9be0e5217a76fbdc2fde6abcb2950 ;;
  Linux-aarch64)
    platform=manylinux_2_28_aarch64
    checksum=896b9e2bc52ec0921edf92ddd1cebedf47032e94992b7aca0293524d380ce6e9 ;;
  *) die "$(uname -s) on $(uname -m) is not supported: Provost builds on Linux on x86_64 and aarch64." ;;
esac

packages=()
if ! command -v cc >/dev/null 2>&1; then packages+=(gcc g++ libc6-dev)
elif ! links -lstdc++ -lgomp; then packages+=(g++); fi
if ! library_is_whole "$checksum" || ! python_is_whole; then
  if ! command -v python3 >/dev/null 2>&1; then packages+=(python3 python3-pip)
  elif ! python3 -m pip --version >/dev/null 2>&1; then packages+=(python3-pip); fi
fi
# Tests of the message bridge start brokers of their own, unless they are given one.
broker=
if [ "${1:-}" = test ] && [ -z "${PROVOST_TEST_AMQP:-}" ] && [ ! -x /usr/lib/rabbitmq/bin/rabbitmq-server ]; then
  broker=rabbitmq-server
  packages+=("$broker")
fi
# The second MongoDB server of the tests is large; it is installed where all tests have to run.
if [ "$mode" = test ] && [ "${CI:-}" = true ]; then
  command -v javac >/dev/null 2>&1 || packages+=(default-jdk-headless)
  command -v mvn >/dev/null 2>&1 || packages+=(maven)
  command -v openssl >/dev/null 2>&1 || packages+=(openssl)
fi

if [ "$mode" = acceptance ] && [ "${CI:-}" = true ]; then
  command -v npm >/dev/null 2>&1 || packages+=(npm)
  command -v chromium >/dev/null 2>&1 || packages+=(chromium)
fi

# ---- packages of the distribution

if [ "${#packages[@]}" -gt 0 ]; then
  install="apt-get install -y --no-install-recommends ${packages[*]}"
  if ! command -v apt-get >/dev/null 2>&1; then
    die "missing: ${packages[*]} (names as in Debian 12), and there is no apt-get here." \
      "Install the like of them with this system's package manager, then run the command again."
  fi
  if [ "$(id -u)" = 0 ]; then as_root=(env)
  elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then as_root=(sudo env)
  else
    die "missing: ${packages[*]}, and neither root nor sudo is to be had here. Have an administrator run" \
      "  apt-get update && $install" "then run the command again."
  fi
  say "installing ${packages[*]}"
  log=$(mktemp)
  policy=
  if [ -n "$broker" ] && [ ! -e /usr/sbin/policy-rc.d ]; then
    policy=/usr/sbin/policy-rc.d
    # The package would start a service; the tests need its programs only.
    "${as_root[@]}" sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
  fi
  # shellcheck disable=SC2086 # $install is a list of words
  if ! { "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get update -q &&
    "${as_root[@]}" DEBIAN_FRONTEND=noninteractive $install; } >"$log" 2>&1; then
    tail -n 15 "$log" >&2; rm -f "$log"
    die "apt-get failed (its last lines are above). By hand:" "  apt-get update && $install"
  fi
  rm -f "$log"
  if [ -n "$broker" ]; then
    if [ -n "$policy" ]; then "${as_root[@]}" rm -f "$policy"; trap - EXIT; fi
    # Nor at the next boot.
    if [ -d /run/systemd/system ]; then "${as_root[@]}" systemctl disable --quiet rabbitmq-server || true; fi
  fi
fi

# ---- Rust

needed=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml | head -n 1)
command -v cargo >/dev/null 2>&1 ||
  die "cargo is not found. Install Rust $needed or newer with rustup (https://rustup.rs), then open a new shell."
found=$(rustc --version | sed 's/^rustc \([0-9]*\.[0-9]*\).*/\1/')
[ "$(printf '%s\n%s\n' "$needed" "$found" | sort -V | head -n 1)" = "$needed" ] ||
  die "Rust $needed or newer is needed, and this is $found." "  rustup update stable"
if [ "$mode" = test ]; then
  for component in clippy rustfmt; do
    case $component in clippy) probe=clippy ;; *) probe=fmt ;; esac
    cargo $probe --version >/dev/null 2>&1 && continue
    command -v rustup >/dev/null 2>&1 && rustup component add $component >/dev/null 2>&1 ||
      die "cargo $probe is missing." "  rustup component add $component"
  done
fi

# ---- XGBoost

if ! library_is_whole "$checksum"; then
  say "fetching xgboost-cpu $XGBOOST_VERSION ($platform)"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --platform "$platform" \
    --dest "$work" "xgboost-cpu==$XGBOOST_VERSION" ||
    die "pip could not fetch xgboost-cpu $XGBOOST_VERSION. Is the package index reachable? By hand:" \
      "  python3 -m pip download --no-deps --only-binary=:all: --platform $platform xgboost-cpu==$XGBOOST_VERSION"
  wheel=$(find "$work" -name 'xgboost_cpu-*.whl' | head -n 1)
  [ -n "$wheel" ] || die "pip fetched no wheel of xgboost-cpu $XGBOOST_VERSION."
  sum=$(sha256sum "$wheel" | cut -d ' ' -f 1)
  [ "$sum" = "$checksum" ] ||
    die "the wheel of xgboost-cpu $XGBOOST_VERSION is not the one expected, so it is not used." \
      "  expected SHA-256 $checksum" "  found            $sum"
  python3 - "$wheel" "$work/out" <<'PY'
import os, re, sys, zipfile
wheel, out = sys.argv[1:]
os.makedirs(out)
with zipfile.ZipFile(wheel) as z:
    for name in z.namelist():
        if name == "xgboost/lib/libxgboost.so" or re.fullmatch(r"xgboost_cpu\.libs/libgomp-\w+\.so\.1\.0\.0", name):
            path = os.path.join(out, os.path.basename(name))
            with open(path, "wb") as f:
                f.write(z.read(name))
            os.chmod(path, 0o755)
PY
  [ "$(find "$work/out" -type f | wc -l)" = 2 ] || die "the wheel of xgboost-cpu does not hold libxgboost.so and its libgomp."
  (cd "$work/out" && sha256sum -- *.so* >SHA256SUMS && printf '%s\n' "$checksum" >WHEEL)
  mkdir -p third_party
  rm -rf "$LIBRARY"
  mv "$work/out" "$LIBRARY"
  say "XGBoost $XGBOOST_VERSION is in $LIBRARY"
fi

# ---- Python packages of the tests

fetch_packages() { # fetch_packages FOLDER PACKAGE…
  local folder=$1; shift
  say "fetching $*"
  fresh=$(mktemp -d)
  trap 'rm -rf "${work:-}" "$fresh"' EXIT
  if PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --only-binary=:all: --target "$fresh/python" \
    "$@"; then
    printf '%s\n' "$*" >"$fresh/python/PACKAGES"
    mkdir -p third_party
    rm -rf "$folder"
    mv "$fresh/python" "$folder"
    say "$* are in $folder"
  else
    say "pip could not fetch $*: the tests that need them are skipped, and say so. By hand:"
    say "  python3 -m pip install --only-binary=:all: --target $folder $*"
  fi
}

if ! python_is_whole; then
  case "$mode" in
    test) fetch_packages "$PYTHON" "${PYTHON_PACKAGES[@]}" ;;
    acceptance) fetch_packages "$ACCEPTANCE" "${ACCEPTANCE_PACKAGES[@]}" ;;
  esac
fi

# ---- Node packages of the browser tests

if [ "$mode" = acceptance ] && ! has_packages "$NODE" "${NODE_PACKAGES[@]}"; then
  if ! command -v npm >/dev/null 2>&1; then
    say "npm is not found: the browser tests are skipped, and say so"
  elif npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$NODE" "${NODE_PACKAGES[@]}" >/dev/null 2>&1; then
    printf '%s\n' "${NODE_PACKAGES[*]}" >"$NODE/PACKAGES"
    say "${NODE_PACKAGES[*]} are in $NODE"
  else
    say "npm could not fetch ${NODE_PACKAGES[*]}: the browser tests are skipped, and say so"
  fi
fi

# ---- modules of the tests' MongoDB server

if [ "$mode" = test ] && [ -z "${PROVOST_TEST_MONGODB:-}" ]; then
  if ! command -v go >/dev/null 2>&1; then
    say "Go is not found: the tests of MongoDB are skipped, and say so, unless PROVOST_TEST_MONGODB names a server"
  elif ! (cd tests/mongo-server && go mod download) >/dev/null 2>&1; then
    say "Go could not fetch the modules of tests/mongo-server: the tests of MongoDB are skipped, and say so"
  fi
fi

# ---- libraries of the tests' second MongoDB server

if [ "$mode" = test ]; then
  tests/mongo-java-server/fetch.sh ||
    say "the tests of MongoDB on a second implementation are skipped, and say so: a JDK 17 and Maven bring it"
fi
