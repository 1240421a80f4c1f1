"""kazoo's side of holders.js: host:port, then
lock PATH HAND_OVERS WARM_UP CONTENDERS, which answers in milliseconds | candidate PATH SESSION_TIMEOUT_S.
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


def lock(path, hand_overs, warm_up, contenders):
    """First the processor time in µs, then the times."""
    times, released, begun = [], [0.0], [0.0]

    def contend(zk):
        contended = zk.Lock(path, 'kazoo')
        while len(times) < warm_up + hand_overs:
            contended.acquire()
            if released[0] > 0:
                times.append(time.monotonic() - released[0])
            else:
                begun[0] = time.process_time()
            time.sleep(0.001)
            released[0] = time.monotonic()
            contended.release()

    threads = [threading.Thread(target=contend, args=(client(),)) for _ in range(contenders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print((time.process_time() - begun[0]) * 1e6)
    for each in times[warm_up:warm_up + hand_overs]:
        print(each * 1000)


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


if PART == 'lock':
    lock(REST[0], int(REST[1]), int(REST[2]), int(REST[3]))
else:
    candidate(REST[0], float(REST[1]))
