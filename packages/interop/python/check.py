"""What the scripts beside this one share: each takes host:port, runs its checks, and exits 1 at the first that fails."""
import logging
import sys
import threading
import time

from kazoo.client import KazooClient

logging.basicConfig(level=logging.CRITICAL)
HOSTS = sys.argv[1]
WAIT_S = 15


def client(**options):
    """A started client; the caller stops it, or the process's end does."""
    zk = KazooClient(hosts=HOSTS, timeout=10, **options)
    zk.start(timeout=WAIT_S)
    return zk


def equal(what, actual, expected):
    if actual != expected:
        sys.exit(f'{what}: expected {expected!r}, got {actual!r}')


def raises(kind, call, *args, **kwargs):
    try:
        result = call(*args, **kwargs)
    except kind:
        return
    sys.exit(f'{call.__name__}{args}: expected {kind.__name__}, got {result!r}')


def eventually(what, condition):
    """Waits until the condition holds."""
    end = time.time() + WAIT_S
    while not condition():
        if time.time() > end:
            sys.exit(f'{what}: still not so after {WAIT_S} s')
        time.sleep(0.01)


def in_thread(call, *args, **kwargs):
    """Runs the call beside us; join() returns its result or raises what it raised."""
    return Running(call, args, kwargs)


class Running:
    def __init__(self, call, args, kwargs):
        self.result = None
        self.error = None
        self.thread = threading.Thread(target=self._run, args=(call, args, kwargs), daemon=True)
        self.thread.start()

    def _run(self, call, args, kwargs):
        try:
            self.result = call(*args, **kwargs)
        except BaseException as error:
            self.error = error

    def running(self):
        return self.thread.is_alive()

    def join(self):
        self.thread.join(WAIT_S)
        if self.thread.is_alive():
            sys.exit('a thread that should have ended is still running')
        if self.error is not None:
            raise self.error
        return self.result


def run(*checks):
    for check in checks:
        check()
        print(f'ok {check.__name__}', flush=True)
