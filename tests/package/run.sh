#!/usr/bin/env bash
# Builds the sdist and the wheel, installs the wheel and the sdist each into an empty venv, and calls the core from there.
set -euo pipefail
cd "$(dirname "$0")/../.."
python="$PWD/.venv/bin/python"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m build --no-isolation --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }

wheel=("$work"/dist/inferencekey-*-cp310-abi3-*.whl)
sdist=("$work"/dist/inferencekey-*.tar.gz)
[ "${#wheel[@]}" = 1 ] && [ -f "${wheel[0]}" ] || { echo "no single abi3 wheel in: $(ls "$work/dist")"; exit 1; }
[ -f "${sdist[0]}" ] || { echo "no sdist in: $(ls "$work/dist")"; exit 1; }
echo "wheel: $(basename "${wheel[0]}"), $(du -h "${wheel[0]}" | cut -f1)"

# What the wheel ships: nothing that everybody may write to, and no run path but the module's own folder. (Its tag promises no
# oldest libc yet.)
"$python" - "${wheel[0]}" "$work/wheel" <<'PY'
import sys
import zipfile

with zipfile.ZipFile(sys.argv[1]) as wheel:
    writable = [item.filename for item in wheel.infolist() if item.external_attr >> 16 & 0o002]
    assert not writable, f"everybody may write to {writable}"
    wheel.extractall(sys.argv[2])
PY
for binary in "$work"/wheel/inferencekey/*.so*; do
    paths=$(readelf --dynamic --wide "$binary" | sed -nE 's/.*\(R(UN)?PATH\).*\[(.*)\]/\2/p')
    [[ -z $paths || $paths == '$ORIGIN' ]] || { echo "$(basename "$binary") looks for libraries in $paths"; exit 1; }
done

check() { # name, requirement
    "$python" -m venv "$work/$1"
    "$work/$1/bin/pip" install --quiet --disable-pip-version-check "$2"
    (cd "$work" && "$work/$1/bin/python" - <<'PY'
import inferencekey

try:
    inferencekey.ManagementClient(base_url="https://example.test", sdk_token="ik_live_x")
except inferencekey.PermissionDenied as refused:
    assert refused.code == "wrong_credential_type", refused.code
else:
    raise SystemExit("the core did not answer")
PY
    )
    echo "$1: installed and called"
}

check from-wheel "${wheel[0]}"
check from-sdist "${sdist[0]}"
echo "2 passed, 0 failed"
