#!/bin/bash
# bench/size.sh treekeeper|apache [--nodes N] [--sessions N] [--watches N] [--keep]
# A server with a million znodes, 10,000 sessions and 100,000 watches: memory, pauses, and how long a restart takes.
set -euo pipefail
cd "$(dirname "$0")/.."
ulimit -n "$(ulimit -Hn)"
npm run --silent build
exec node packages/interop/dist/size/main.js "$@"
