"""One-shot watches, DataWatch, ChildrenWatch, PatientChildrenWatch and TreeCache."""
from kazoo.protocol.states import EventType
from kazoo.recipe.cache import TreeCache, TreeEvent
from kazoo.recipe.watchers import PatientChildrenWatch

from check import client, equal, eventually, run

zk = client()
other = client()
zk.ensure_path('/w')


def one_shot():
    events = []
    equal('exists', zk.exists('/w/n', watch=events.append), None)
    other.create('/w/n', b'1')
    eventually('created', lambda: len(events) == 1)
    zk.get('/w/n', watch=events.append)
    zk.get_children('/w', watch=events.append)
    other.set('/w/n', b'2')
    eventually('changed', lambda: len(events) == 2)
    other.set('/w/n', b'3')
    zk.get('/w/n', watch=events.append)
    zk.get_children('/w/n', watch=events.append)
    other.delete('/w/n')
    eventually('deleted', lambda: len(events) == 5)
    equal('types', [e.type for e in events][:2], [EventType.CREATED, EventType.CHANGED])
    equal('deletion', sorted(e.type for e in events[2:]), [EventType.CHILD, EventType.DELETED, EventType.DELETED])


def data_watch():
    seen = []

    @zk.DataWatch('/w/d')
    def changed(data, stat, event):
        seen.append((data, None if stat is None else stat.version, None if event is None else event.type))

    eventually('first', lambda: seen == [(None, None, None)])
    other.create('/w/d', b'a')
    eventually('created', lambda: seen[-1] == (b'a', 0, EventType.CREATED))
    for i in range(5):
        other.set('/w/d', str(i).encode())
        eventually('changed', lambda: seen[-1] == (str(i).encode(), i + 1, EventType.CHANGED))
    other.delete('/w/d')
    eventually('deleted', lambda: seen[-1] == (None, None, EventType.DELETED))
    equal('calls', len(seen), 8)


def children_watch():
    seen = []

    @zk.ChildrenWatch('/w')
    def changed(children):
        seen.append(sorted(children))
        return len(seen) < 5

    for i in range(4):
        other.create(f'/w/c{i}')
        eventually('children', lambda: len(seen) == i + 2)
    equal('children', seen[-1], ['c0', 'c1', 'c2', 'c3'])
    other.create('/w/c4')
    zk.sync('/w')
    equal('stopped', len(seen), 5)
    with_event = []

    @zk.ChildrenWatch('/w', send_event=True)
    def told(children, event):
        with_event.append(event)

    other.delete('/w/c4')
    eventually('event', lambda: len(with_event) == 2 and with_event[1].type == EventType.CHILD)


def patient_watch():
    result = PatientChildrenWatch(zk, '/w', time_boundary=0.3).start()
    other.create('/w/late')
    children, changed = result.get(timeout=10)
    assert 'late' in children, children
    other.delete('/w/late')
    changed.wait(10)
    assert changed.ready()


def tree_cache():
    events = []
    cache = TreeCache(zk, '/w/tree')
    cache.listen(events.append)
    cache.start()
    eventually('initialised', lambda: any(e.event_type == TreeEvent.INITIALIZED for e in events))
    other.create('/w/tree/a', b'1', makepath=True)
    other.create('/w/tree/a/b', b'2')
    eventually('node', lambda: cache.get_data('/w/tree/a/b') is not None)
    equal('data', cache.get_data('/w/tree/a/b').data, b'2')
    other.set('/w/tree/a/b', b'3')
    eventually('update', lambda: cache.get_data('/w/tree/a/b').data == b'3')
    eventually('children', lambda: cache.get_children('/w/tree/a') == frozenset(['b']))
    other.delete('/w/tree/a/b')
    eventually('removal', lambda: cache.get_data('/w/tree/a/b') is None)
    kinds = {TreeEvent.NODE_ADDED, TreeEvent.NODE_UPDATED, TreeEvent.NODE_REMOVED}
    eventually('events', lambda: kinds <= {e.event_type for e in events})  # kazoo tells them in a thread of its own
    cache.close()


run(one_shot, data_watch, children_watch, patient_watch, tree_cache)
zk.delete('/w', recursive=True)
zk.stop()
other.stop()
