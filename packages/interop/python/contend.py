"""kazoo's side of recipes that others take part in: host:port, the recipe, rounds for each of two clients.

Says "ready", waits for a line, contends, and prints the highest number of those it saw inside at once.
"""
import random
import sys
import time

from check import client, in_thread

RECIPE, ROUNDS = sys.argv[2], int(sys.argv[3])
most = [0]


def inside(zk, *_):
    """While something is held: says so, and counts who else does."""
    me = zk.create('/inside/kazoo-', ephemeral=True, sequence=True)
    most[0] = max(most[0], len(zk.get_children('/inside')))
    count, _ = zk.get('/count')
    time.sleep(random.random() / 500)
    if RECIPE != 'semaphore':
        zk.set('/count', str(int(count) + 1).encode())
    zk.delete(me)


def contend(zk, name):
    counter = zk.Counter('/contended') if RECIPE == 'counter' else None
    for _ in range(ROUNDS):
        if counter is not None:
            counter += 1
            continue
        if RECIPE == 'election':
            zk.Election('/contended', name).run(inside, zk)
            continue
        if RECIPE == 'lock':
            held = zk.Lock('/contended', name)
        elif RECIPE == 'lock-curator':
            held = zk.Lock('/contended', name, extra_lock_patterns=['lock-'])
        elif RECIPE == 'write':
            held = zk.WriteLock('/contended', name)
        else:
            held = zk.Semaphore('/contended', name, max_leases=2)
        held.acquire(timeout=60)
        try:
            inside(zk)
        finally:
            held.release()


clients = [client(), client()]
print('ready', flush=True)
sys.stdin.readline()
threads = [in_thread(contend, zk, f'kazoo-{i}') for i, zk in enumerate(clients)]
for each in threads:
    each.thread.join()
    each.join()
for zk in clients:
    zk.stop()
print(most[0], flush=True)
