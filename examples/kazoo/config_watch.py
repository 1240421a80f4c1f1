#!/usr/bin/env python3
"""Configuration that follows a node: a program takes up the newest version without a restart."""
import json
import sys
import threading

from kazoo.client import KazooClient

HOSTS = sys.argv[1] if len(sys.argv) > 1 else '127.0.0.1:2181'
PATH = '/examples/config'

operator = KazooClient(HOSTS)
operator.start()
operator.ensure_path(PATH)
operator.set(PATH, json.dumps({'workers': 1}).encode())

program = KazooClient(HOSTS)
program.start()
last_seen = threading.Event()


@program.DataWatch(PATH)
def apply_config(data, stat):
    """Called at once with what is there, and again when it has changed. Versions in between may be passed over."""
    if data is None:
        return
    config = json.loads(data)
    print(f'version {stat.version}: {config["workers"]} workers', flush=True)
    if config['workers'] == 3:
        last_seen.set()


_, stat = operator.get(PATH)
# With the version, two operators cannot overwrite each other unseen: the second one gets BadVersionError.
stat = operator.set(PATH, json.dumps({'workers': 2}).encode(), version=stat.version)
operator.set(PATH, json.dumps({'workers': 3}).encode(), version=stat.version)

if not last_seen.wait(10):
    sys.exit('the last version did not arrive')
print('up to date', flush=True)
for client in (program, operator):
    client.stop()
    client.close()
