"""All recipes of kazoo, each with several clients."""
import threading
import time
import uuid
from datetime import datetime, timedelta

from kazoo.exceptions import LockTimeout
from kazoo.recipe.lease import MultiNonBlockingLease, NonBlockingLease
from kazoo.recipe.partitioner import PartitionState

from check import client, equal, eventually, in_thread, raises, run

a, b, c = client(), client(), client()


def lock():
    first, second, third = a.Lock('/lock', 'a'), b.Lock('/lock', 'b'), c.Lock('/lock', 'c')
    assert first.acquire()
    assert not second.acquire(blocking=False)
    raises(LockTimeout, second.acquire, timeout=0.2)
    waiting = in_thread(second.acquire)
    eventually('contenders', lambda: a.Lock('/lock').contenders() == ['a', 'b'])
    later = in_thread(third.acquire)
    eventually('contenders', lambda: a.Lock('/lock').contenders() == ['a', 'b', 'c'])
    assert waiting.running()
    first.release()
    assert waiting.join()
    assert later.running()
    second.cancel()
    second.release()
    assert later.join()
    third.release()
    equal('nobody', a.Lock('/lock').contenders(), [])
    with a.Lock('/lock', 'again'):
        equal('again', b.Lock('/lock').contenders(), ['again'])


def lock_counts():
    """Nobody loses an increment under the lock."""
    a.create('/lock-counter', b'0')

    def work(zk):
        for _ in range(10):
            with zk.Lock('/counting'):
                data, _ = zk.get('/lock-counter')
                zk.set('/lock-counter', str(int(data) + 1).encode())

    for running in [in_thread(work, zk) for zk in (a, b, c)]:
        running.join()
    equal('count', a.get('/lock-counter')[0], b'30')


def lock_of_lost_holder():
    holder = client()
    assert holder.Lock('/lost', 'holder').acquire()
    waiting = in_thread(a.Lock('/lost', 'heir').acquire)
    time.sleep(0.2)
    assert waiting.running()
    holder.stop()
    assert waiting.join()


def read_write_lock():
    assert a.ReadLock('/rw', 'r1').acquire()
    reader = b.ReadLock('/rw', 'r2')
    assert reader.acquire(timeout=5)
    writer = c.WriteLock('/rw', 'w')
    waiting = in_thread(writer.acquire)
    time.sleep(0.2)
    assert waiting.running()
    reader.release()
    for child in a.get_children('/rw'):
        if '__rlock__' in child or '__READ__' in child.upper():
            a.delete(f'/rw/{child}')
    assert waiting.join()
    assert not b.ReadLock('/rw', 'r3').acquire(blocking=False)
    writer.release()
    assert b.ReadLock('/rw', 'r3').acquire(timeout=5)


def semaphore():
    one, two, three = a.Semaphore('/sem', 'a', 2), b.Semaphore('/sem', 'b', 2), c.Semaphore('/sem', 'c', 2)
    assert one.acquire() and two.acquire()
    assert not three.acquire(blocking=False)
    equal('holders', sorted(a.Semaphore('/sem', max_leases=2).lease_holders()), ['a', 'b'])
    waiting = in_thread(three.acquire)
    time.sleep(0.2)
    assert waiting.running()
    one.release()
    assert waiting.join()
    two.release()
    three.release()


def election():
    led = []
    go = threading.Event()

    def lead(name):
        led.append(name)
        go.wait(15)

    first = in_thread(a.Election('/election', 'a').run, lead, 'a')
    eventually('first leader', lambda: led == ['a'])
    candidate = b.Election('/election', 'b')
    second = in_thread(candidate.run, lead, 'b')
    eventually('contenders', lambda: c.Election('/election').contenders() == ['a', 'b'])
    equal('one leader', led, ['a'])
    go.set()
    first.join()
    second.join()
    equal('leaders', led, ['a', 'b'])


def barrier():
    gate = a.Barrier('/barrier')
    gate.create()
    assert not b.Barrier('/barrier').wait(0.2)
    waiting = in_thread(c.Barrier('/barrier').wait)
    time.sleep(0.1)
    assert waiting.running()
    assert gate.remove()
    assert waiting.join()
    assert not gate.remove()


def double_barrier():
    barriers = [zk.DoubleBarrier('/double', 3) for zk in (a, b, c)]
    entering = [in_thread(one.enter) for one in barriers[:2]]
    time.sleep(0.2)
    assert all(one.running() for one in entering)
    barriers[2].enter()
    for one in entering:
        one.join()
    leaving = [in_thread(one.leave) for one in barriers[1:]]
    time.sleep(0.2)
    assert all(one.running() for one in leaving)
    barriers[0].leave()
    for one in leaving:
        one.join()


def counter():
    count = a.Counter('/count')

    def work(zk):
        mine = zk.Counter('/count')
        for _ in range(20):
            mine += 1

    for running in [in_thread(work, zk) for zk in (a, b, c)]:
        running.join()
    equal('value', count.value, 60)
    count -= 10
    equal('value', count.value, 50)
    real = a.Counter('/real', default=1.5)
    real += 0.5
    equal('float', real.value, 2.0)


def queue():
    one = a.Queue('/queue')
    for i in range(10):
        one.put(str(i).encode())
    one.put(b'first', priority=10)
    equal('length', len(b.Queue('/queue')), 11)
    equal('priority', b.Queue('/queue').get(), b'first')
    equal('order', [c.Queue('/queue').get() for _ in range(10)], [str(i).encode() for i in range(10)])
    equal('empty', one.get(), None)


def locking_queue():
    one, two = a.LockingQueue('/lqueue'), b.LockingQueue('/lqueue')
    one.put(b'x')
    one.put_all([b'y', b'z'])
    equal('get', one.get(), b'x')
    assert one.holds_lock()
    equal('get', two.get(), b'y')
    assert one.consume()
    assert not one.holds_lock()
    assert two.release()
    equal('given back', one.get(), b'y')
    assert one.consume()
    equal('last', one.get(timeout=5), b'z')
    assert one.consume()
    equal('none', two.get(timeout=0.2), None)


def party():
    for name in ('Party', 'ShallowParty'):
        first, second = getattr(a, name)(f'/{name}', 'a'), getattr(b, name)(f'/{name}', 'b')
        first.join()
        second.join()
        equal('members', sorted(first), ['a', 'b'])
        equal('size', len(second), 2)
        first.leave()
        equal('members', list(second), ['b'])


def partitioner():
    def partitions(zk, name):
        return zk.SetPartitioner('/partition', set=('1', '2', '3', '4'), time_boundary=0.5, identifier=name)

    one, two = partitions(a, 'a'), partitions(b, 'b')
    for each in (one, two):
        each.wait_for_acquire(15)
    eventually('acquired', lambda: one.acquired and two.acquired or step(one, two))
    equal('all partitions', sorted(list(one) + list(two)), ['1', '2', '3', '4'])
    two.finish()
    eventually('released', lambda: step(one) and one.acquired and len(list(one)) == 4)
    one.finish()


def step(*partitioners):
    for each in partitioners:
        if each.release:
            each.release_set()
        elif each.allocating:
            each.wait_for_acquire(1)
        assert each.state != PartitionState.FAILURE
    return True


def lease():
    minute = timedelta(minutes=1)
    path = f'/lease-{uuid.uuid4().hex}'
    assert NonBlockingLease(a, path, minute, identifier='a', utcnow=lambda: datetime(2020, 1, 1, 1, 0))
    assert not NonBlockingLease(b, path, minute, identifier='b', utcnow=lambda: datetime(2020, 1, 1, 1, 0, 30))
    assert NonBlockingLease(a, path, minute, identifier='a', utcnow=lambda: datetime(2020, 1, 1, 1, 0, 40))
    assert NonBlockingLease(b, path, minute, identifier='b', utcnow=lambda: datetime(2020, 1, 1, 1, 5))
    many = f'/leases-{uuid.uuid4().hex}'
    assert MultiNonBlockingLease(a, 2, many, minute, identifier='a', utcnow=lambda: datetime(2020, 1, 1, 1, 0))
    assert MultiNonBlockingLease(b, 2, many, minute, identifier='b', utcnow=lambda: datetime(2020, 1, 1, 1, 0))
    assert not MultiNonBlockingLease(c, 2, many, minute, identifier='c', utcnow=lambda: datetime(2020, 1, 1, 1, 0))


run(lock, lock_counts, lock_of_lost_holder, read_write_lock, semaphore, election, barrier, double_barrier, counter, queue,
    locking_queue, party, partitioner, lease)
for zk in (a, b, c):
    zk.stop()
