#!/usr/bin/env python3
"""One of several programs does the work; when it goes, the next in line takes over."""
import sys
import threading
import time

from kazoo.client import KazooClient

HOSTS = sys.argv[1] if len(sys.argv) > 1 else '127.0.0.1:2181'
PATH = '/examples/election'


class Candidate:
    """A program that leads when it is elected, until it is told to resign."""

    def __init__(self, name):
        self.name = name
        self.leads = threading.Event()
        self.resigns = threading.Event()
        self.client = KazooClient(HOSTS)
        self.client.start()
        self.election = self.client.Election(PATH, name)
        self.thread = threading.Thread(target=self.election.run, args=(self.lead,))
        self.thread.start()

    def lead(self):
        print(f'{self.name} leads', flush=True)
        self.leads.set()
        self.resigns.wait()

    def resign(self):
        self.resigns.set()
        self.thread.join()
        self.client.stop()
        self.client.close()


first = Candidate('first')
if not first.leads.wait(10):
    sys.exit('nobody was elected')
second = Candidate('second')
while len(second.election.contenders()) < 2:
    time.sleep(0.05)  # until the second one stands in line
print('in line:', ', '.join(second.election.contenders()), flush=True)
first.resign()
if not second.leads.wait(10):
    sys.exit('nobody took over')
second.resign()
print('nobody leads', flush=True)
