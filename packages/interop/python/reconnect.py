"""A server that is killed and comes back, and sessions that are lost. Prints RESTART and waits for a line on stdin."""
import sys

from kazoo.client import KazooState

from check import client, equal, eventually, run

zk = client(connection_retry={'max_tries': -1, 'delay': 0.1, 'max_delay': 1})
states = []
zk.add_listener(states.append)


def restart():
    print('RESTART', flush=True)
    sys.stdin.readline()


def survives_a_restart():
    zk.create('/r', b'before')
    zk.create('/r/e', ephemeral=True)
    seen = []

    @zk.DataWatch('/r')
    def changed(data, stat):
        seen.append(data)

    session = zk.client_id[0]
    restart()
    eventually('connected', lambda: zk.connected)
    equal('session', zk.client_id[0], session)
    assert zk.exists('/r/e')
    assert KazooState.SUSPENDED in states and KazooState.LOST not in states, states
    other = client()
    other.set('/r', b'after')
    eventually('the watch has survived', lambda: seen[-1] == b'after')
    other.stop()


def calls_wait_for_the_server():
    for i in range(20):
        zk.retry(zk.set, '/r', str(i).encode())
        if i == 5:
            restart()
    equal('all set', zk.get('/r')[0], b'19')


def a_session_ends():
    mine = client()
    lost = []
    mine.add_listener(lambda state: lost.append(state))
    mine.create('/r/mine', ephemeral=True)
    session, password = mine.client_id
    thief = client(client_id=(session, password))
    equal('taken over', thief.client_id[0], session)
    thief.stop()
    eventually('lost', lambda: KazooState.LOST in lost)
    eventually('a new session', lambda: mine.connected and mine.client_id[0] != session)
    equal('the ephemeral is gone', zk.exists('/r/mine'), None)
    mine.stop()


run(survives_a_restart, calls_wait_for_the_server, a_session_ends)
zk.delete('/r', recursive=True)
zk.stop()
