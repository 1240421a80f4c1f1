#!/usr/bin/env python3
"""Who is alive: each worker is an ephemeral node, and a dispatcher sees them come and go."""
import sys
import threading

from kazoo.client import KazooClient

HOSTS = sys.argv[1] if len(sys.argv) > 1 else '127.0.0.1:2181'
PATH = '/examples/workers'


def connect():
    client = KazooClient(HOSTS)
    client.start()
    return client


def disconnect(client):
    client.stop()
    client.close()


dispatcher = connect()
dispatcher.ensure_path(PATH)
changed = threading.Condition()
alive = []


@dispatcher.ChildrenWatch(PATH)
def members(names):
    with changed:
        alive[:] = sorted(name.rsplit('-', 1)[0] for name in names)
        print('alive:', ', '.join(alive) or 'nobody', flush=True)
        changed.notify_all()


def expect(*names):
    with changed:
        if not changed.wait_for(lambda: alive == sorted(names), 10):
            sys.exit(f'expected {names}, see {alive}')


workers = {}
for host in ('alpha', 'beta'):
    workers[host] = connect()
    # The name ends in a number that the server gives: two workers never get the same.
    workers[host].create(f'{PATH}/{host}-', ephemeral=True, sequence=True)
    expect(*workers)

disconnect(workers.pop('alpha'))  # its session ends, and its node goes with it
expect('beta')
disconnect(workers.pop('beta'))
expect()
disconnect(dispatcher)
