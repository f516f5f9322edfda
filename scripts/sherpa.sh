#!/usr/bin/env bash
# Puts the shared libraries of sherpa-onnx into vendor/sherpa-onnx/lib and tells cargo of them, in .cargo/native.toml.
# ./start and ./test call it. The crate's own build script downloads them from the project's release page, if left
# alone; this is for where that page cannot be reached: the same libraries lie in a wheel on PyPI.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

# As in Cargo.toml.
version=2.0.1
vendor=vendor/sherpa-onnx
settings=.cargo/native.toml
release=https://github.com/k2-fsa/sherpa-onnx/releases/download/v$version

case $(uname -sm) in
    'Linux x86_64')
        wheel=f4ee0ab91c4ae596e0e49d7de32522a946295e038a652f1c1884d89014ee4ec2
        archive=sherpa-onnx-v$version-linux-x64-shared-lib.tar.bz2
        ;;
    'Linux aarch64')
        wheel=4a855a5c89c89885111e4e9c570e5da1aed63373c031b757d8046792d95fe8fe
        archive=sherpa-onnx-v$version-linux-aarch64-shared-cpu-lib.tar.bz2
        ;;
    # What is there for others, the crate's build script knows.
    *) exit 0 ;;
esac

# The operator has chosen.
[ -z "${SHERPA_ONNX_LIB_DIR:-}${SHERPA_ONNX_ARCHIVE_DIR:-}" ] || exit 0

point_cargo_at_them() {
    cat >$settings.part <<TOML
# Written by scripts/sherpa.sh.
[env]
SHERPA_ONNX_LIB_DIR = { value = "$vendor/lib", relative = true }
TOML
    mv $settings.part $settings
}

# Fetched before: SHA256 is written when all is in place, for the wheel of this version.
if (cd $vendor && grep -q "^# $wheel\$" SHA256 && sha256sum --check --status SHA256) 2>/dev/null; then
    [ -f $settings ] || point_cargo_at_them
    exit 0
fi
rm -f $settings

# The crate has them already, or can have them.
[ ! -d "${CARGO_TARGET_DIR:-target}/sherpa-onnx-prebuilt/${archive%.tar.bz2}/lib" ] || exit 0
if command -v curl >/dev/null && curl -fsIL --max-time 10 -o /dev/null "$release/$archive" 2>/dev/null; then
    exit 0
fi

. ./scripts/install.sh
install_packages python3:python3
require_venv
echo "fetching the libraries of sherpa-onnx $version from PyPI"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --dest "$work" "sherpa-onnx-core==$version" || {
    echo "neither $release nor PyPI can be reached; put the two libraries of sherpa-onnx $version into a folder and" \
        "name it in SHERPA_ONNX_LIB_DIR" >&2
    exit 1
}
(cd "$work" && echo "$wheel  $(echo ./*.whl)" | sha256sum --check --status) || {
    echo "the libraries of sherpa-onnx have another checksum than expected; nothing was installed" >&2
    exit 1
}
rm -rf $vendor
mkdir -p $vendor/lib
python3 - "$work"/*.whl $vendor/lib <<'PYTHON'
import pathlib, sys, zipfile

wheel, folder = sys.argv[1:]
with zipfile.ZipFile(wheel) as files:
    for name in ("libsherpa-onnx-c-api.so", "libonnxruntime.so"):
        pathlib.Path(folder, name).write_bytes(files.read(f"sherpa_onnx/lib/{name}"))
PYTHON
(cd $vendor && { echo "# $wheel"; sha256sum lib/*.so; } >SHA256.part && mv SHA256.part SHA256)
point_cargo_at_them
