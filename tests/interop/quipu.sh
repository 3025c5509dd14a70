#!/usr/bin/env bash
# Prints the path of our command line, `quipu`, building it first where it is missing or stale.
#
# It is another package's program, so cargo does not build it for these tests by itself. The whole workspace is named for
# its features: what scripts/test has built is then as it should be, and this takes no time.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
target=${CARGO_TARGET_DIR:-$root/target}

# A test's environment has variables of cargo's for the test's own package. ring is built anew when they change.
unset ${!CARGO_PKG_*} ${!CARGO_MANIFEST_*}

mkdir -p "$target"
target=$(cd "$target" && pwd)
CARGO_TARGET_DIR=$target cargo build --quiet --locked --workspace --bin quipu --manifest-path "$root/Cargo.toml" >&2
printf '%s\n' "$target/debug/quipu"
