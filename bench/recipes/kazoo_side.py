"""kazoo's side of holders.js: host:port, then
free CYCLES | lock HAND_OVERS CONTENDERS | candidate PATH SESSION_TIMEOUT_S. Times are in seconds.
"""
import sys
import threading
import time

from kazoo.client import KazooClient

ADDRESS, PART, *REST = sys.argv[1:]


def client(timeout=10.0):
    zk = KazooClient(ADDRESS, timeout=timeout)
    zk.start()
    return zk


def free(cycles):
    zk = client()
    lock = zk.Lock('/bench-kazoo-free', 'kazoo')
    lock.acquire()
    lock.release()
    began = time.monotonic()
    for _ in range(cycles):
        lock.acquire()
        lock.release()
    print(time.monotonic() - began)


def lock(hand_overs, contenders):
    times, released = [], [0.0]

    def contend(zk):
        contended = zk.Lock(f'/bench-kazoo-lock-{contenders}', 'kazoo')
        while len(times) < hand_overs:
            contended.acquire()
            if released[0] > 0:
                times.append(time.monotonic() - released[0])
            time.sleep(0.001)
            released[0] = time.monotonic()
            contended.release()

    threads = [threading.Thread(target=contend, args=(client(),)) for _ in range(contenders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in times:
        print(each)


def candidate(path, timeout):
    zk = client(timeout)
    told = threading.Event()

    def lead():
        told.wait()
        print('leads', flush=True)
        time.sleep(3600)

    threading.Thread(target=lambda: zk.Election(path, 'kazoo').run(lead), daemon=True).start()
    while not zk.exists(path) or not any(zk.get(f'{path}/{name}')[1].owner_session_id == zk.client_id[0]
                                         for name in zk.get_children(path)):
        time.sleep(0.01)
    print('stands', flush=True)
    told.set()
    time.sleep(3600)


print('kazoo', flush=True) if PART != 'candidate' else None
if PART == 'free':
    free(int(REST[0]))
elif PART == 'lock':
    lock(int(REST[0]), int(REST[1]))
else:
    candidate(REST[0], float(REST[1]))
