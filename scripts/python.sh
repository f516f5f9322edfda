#!/usr/bin/env bash
# Makes target/python, the Python environment of the tests, if it is not what tests/python/requirements.txt says.
# ./test calls it; the tests run target/python/bin/python.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

wanted=tests/python/requirements.txt
environment=target/python
if [ -x $environment/bin/python ] && cmp -s $wanted $environment/requirements.txt; then
    exit 0
fi
echo "making the Python environment of the tests"
rm -rf $environment
python3 -m venv $environment
$environment/bin/python -m pip install --quiet --disable-pip-version-check --requirement $wanted
# Last, so that an environment that was made in part is made anew.
cp $wanted $environment/requirements.txt
