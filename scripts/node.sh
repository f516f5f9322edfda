#!/usr/bin/env bash
# Installs the official Node client into target/node, if it is not what tests/node/package-lock.json says. ./test calls
# it; the tests run node there.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

wanted=tests/node/package-lock.json
environment=target/node
if cmp -s $wanted $environment/installed.json; then
    exit 0
fi
echo "installing the Node client of the tests"
rm -rf $environment
mkdir -p $environment
cp tests/node/package.json $wanted $environment
(cd $environment && npm ci --ignore-scripts --omit=optional --no-audit --no-fund --silent)
# Last, so that what was installed in part is installed anew.
cp $wanted $environment/installed.json
