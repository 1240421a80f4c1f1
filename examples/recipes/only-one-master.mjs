// Only one master: three processes stand for election; the leader is killed, and the next one goes on with its work.
// Run: node examples/recipes/only-one-master.mjs [host:port]
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from '@treekeeper/client';
import { Election } from '@treekeeper/recipes';
import { connectOrExplain } from '../connect-or-explain.mjs';

const [server = '127.0.0.1:2181', name] = process.argv.slice(2);

async function candidate() {
  const client = await connect(server, { sessionTimeoutMs: 4000, onExpired: 'new-session' });
  const election = new Election(client, '/example-master/election');

  await election.run(
    async (leadership) => {
      while (!leadership.signal.aborted) {
        await leadership.guarded.create('/example-master/done/step-', name, { mode: 'persistent-sequential' });
        await sleep(200);
      }
    },
    { data: name },
  );
}

async function demonstration() {
  const client = await connectOrExplain(server);
  await client.deleteRecursive('/example-master');
  await client.create('/example-master/done', null, { createParents: true });
  const processes = new Map();
  for (const each of ['anna', 'bert', 'cleo']) {
    processes.set(each, spawn(process.execPath, [fileURLToPath(import.meta.url), server, each], { stdio: 'inherit' }));
  }
  try {
    const election = new Election(client, '/example-master/election');
    const leaders = await election.leaders();
    const led = [];
    for await (const leader of leaders) {
      console.log(leader === null ? 'nobody leads' : `${leader.data} leads, token ${leader.token}`);
      if (leader === null) {
        continue;
      }
      led.push(leader);
      await untilDone(client, leader.data);
      if (led.length === 2) {
        break;
      }
      console.log(`${leader.data} is killed`);
      processes.get(leader.data).kill('SIGKILL');
    }
    console.log(led[1].token > led[0].token ? 'one led after the other' : 'the order is wrong');
  } finally {
    for (const child of processes.values()) {
      child.kill('SIGKILL');
    }
    await client.close();
  }
}

/** Until a step that this one has done is in the tree. */
async function untilDone(client, who) {
  for (;;) {
    const steps = await client.children('/example-master/done');
    const values = await Promise.all(steps.map((step) => client.get(`/example-master/done/${step}`)));
    if (values.some(({ value }) => Buffer.from(value).toString() === who)) {
      return;
    }
    await sleep(50);
  }
}

await (name === undefined ? demonstration() : candidate());
