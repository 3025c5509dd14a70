#!/usr/bin/env bash
# Prints the path of a Python that has aioquic and cbor2, making its environment first where it is missing or stale.
#
# It lives in the target folder, so it is shared by everything that shares that folder and never found in git.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
wanted=$here/requirements.txt

mkdir -p "$target"
target=$(cd "$target" && pwd)
venv=$target/interop-venv
# Tests run side by side, and one of them builds.
exec 9>"$target/interop-venv.lock"
flock 9

# The copy is made last, so an environment that was cut short does not have it. --clear: the Python it was made of may be gone.
if ! cmp -s "$wanted" "$venv/requirements.txt" || ! "$venv/bin/python" -c 'import aioquic, cbor2' 2>/dev/null; then
  python3 -m venv --clear "$venv" >&2
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$wanted" >&2
  cp "$wanted" "$venv/requirements.txt"
fi
printf '%s\n' "$venv/bin/python"
