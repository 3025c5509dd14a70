#!/usr/bin/env bash
# Prints the folder of quinn's published example programs, `client` and `server`, building them first where they are missing.
#
# They are built from the very package that Cargo.lock names, as its authors published it with its own lock file, and
# apart from our workspace: peers that share neither our code nor our choice of features.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
target=${CARGO_TARGET_DIR:-$root/target}

mkdir -p "$target/interop"
target=$(cd "$target" && pwd)
# Tests run side by side, and one of them builds.
exec 9>"$target/interop/quinn.lock"
flock 9

manifest=$(cargo metadata --format-version 1 --locked --manifest-path "$root/Cargo.toml" \
  | grep -oE '"manifest_path":"[^"]*/quinn-[0-9][^"/]*/Cargo\.toml"' | head -n 1 | cut -d '"' -f 4)
[ -n "$manifest" ] || { echo 'quinn is not among the packages of Cargo.lock' >&2; exit 1; }
package=$(dirname "$manifest")
version=$(basename "$package")
source=$target/interop/$version
built=$target/interop/build
marker=$built/$version.examples

if [ ! -f "$marker" ] || [ ! -x "$built/debug/examples/client" ] || [ ! -x "$built/debug/examples/server" ]; then
  rm -rf "$source"
  cp -r "$package" "$source"
  # The copy lies inside our tree; a workspace table of its own keeps cargo from taking it for a part of ours.
  printf '\n[workspace]\n' >> "$source/Cargo.toml"
  CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR=$built \
    cargo build --quiet --locked --manifest-path "$source/Cargo.toml" --example client --example server >&2
  touch "$marker"
fi
printf '%s\n' "$built/debug/examples"
