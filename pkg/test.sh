#!/usr/bin/env bash
# Runs every test of the workspace and says at the end which scenarios could not run, and why.
# Called by `make test`, which has built everything and set FSX_SKIP_LOG.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

skip_log=${FSX_SKIP_LOG:?set by the Makefile}
mkdir -p "$(dirname "$skip_log")"
: >"$skip_log"
# mariadbd is not on the path of ordinary users.
export PATH=$PATH:/usr/sbin:/sbin

failed=0
salt/test/render.sh || failed=1
if cargo nextest --version >/dev/null 2>&1; then
    # A process for each test, which suits code that lives in other programs' processes.
    cargo nextest run --locked --workspace --no-fail-fast || failed=1
    # nextest does not know the examples in the documentation.
    cargo test --locked --workspace --doc --quiet || failed=1
else
    cargo test --locked --workspace --no-fail-fast || failed=1
fi

if [ -s "$skip_log" ]; then
    echo
    sort -u "$skip_log"
fi
exit $failed
