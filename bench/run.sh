#!/bin/bash
# npm run bench [-- options of compare.py]
# Apache ZooKeeper (A) and Treekeeper (B) side by side, in one run, on this machine. About 20 minutes with all cases.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
[ -e /usr/share/java/zookeeper.jar ] || missing+=(libzookeeper-java)
[ -e /etc/zookeeper/conf ] || missing+=(zookeeper)
command -v java > /dev/null || missing+=(default-jre-headless)
command -v cc > /dev/null || missing+=(gcc libc6-dev)
command -v python3 > /dev/null || missing+=(python3-minimal)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "missing: ${missing[*]}. Install them as root: apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# Thousands of sessions need thousands of files.
ulimit -n "$(ulimit -Hn)"
exec python3 bench/compare.py "$PWD/bench/apache-zookeeper.sh" "$PWD/node_modules/.bin/treekeeper server" "$@"
