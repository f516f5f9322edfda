#!/usr/bin/env bash
# Makes target/python, the Python environment of the tests, if it is not what tests/python/requirements.txt says; the
# older versions of requirements-older.txt lie in its folder older/, for PYTHONPATH.
# ./test calls it; the tests run target/python/bin/python.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

wanted=tests/python/requirements.txt
older=tests/python/requirements-older.txt
environment=target/python
if [ -x $environment/bin/python ] && cat $wanted $older | cmp -s - $environment/requirements.txt; then
    exit 0
fi
echo "making the Python environment of the tests"
rm -rf $environment
python3 -m venv $environment
pip() { $environment/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }
pip --requirement $wanted
pip --target $environment/older --no-deps --requirement $older
# Last, so that an environment that was made in part is made anew.
cat $wanted $older >$environment/requirements.txt
