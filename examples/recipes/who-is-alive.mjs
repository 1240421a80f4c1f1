// Who is alive: three processes join a group; one leaves, one is killed; everybody who looks sees it.
// Run: node examples/recipes/who-is-alive.mjs [host:port]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { connect, json } from '@treekeeper/client';
import { Membership } from '@treekeeper/recipes';
import { connectOrExplain } from '../connect-or-explain.mjs';

const [server = '127.0.0.1:2181', name] = process.argv.slice(2);

async function member() {
  const client = await connect(server, { sessionTimeoutMs: 4000, onExpired: 'new-session' });
  const group = new Membership(client, '/example-alive/workers', { codec: json() });

  const self = await group.join(name, { pid: process.pid, state: 'starting' });
  await self.update({ pid: process.pid, state: 'ready' });

  await once(process, 'SIGTERM');
  await self.leave();
  await client.close();
}

async function demonstration() {
  const client = await connectOrExplain(server);
  await client.deleteRecursive('/example-alive');
  const file = fileURLToPath(import.meta.url);
  const start = (who) => spawn(process.execPath, [file, server, who], { stdio: 'inherit' });
  const processes = new Map(['anna', 'bert', 'cleo'].map((who) => [who, start(who)]));
  try {
    const group = new Membership(client, '/example-alive/workers', { codec: json() });
    const members = await group.members();
    const steps = [
      { names: 'anna,bert,cleo', act: () => processes.get('anna').kill('SIGTERM'), text: 'anna is asked to end' },
      { names: 'bert,cleo', act: () => processes.get('bert').kill('SIGKILL'), text: 'bert is killed' },
      { names: 'cleo', act: () => undefined, text: 'its session has timed out' },
    ];
    for await (const present of members) {
      console.log(`alive: ${[...present.values()].map(({ name, data }) => `${name} (${data.state})`).join(', ')}`);
      const isReady = [...present.values()].every(({ data }) => data.state === 'ready');
      if (isReady && [...present.keys()].sort().join() === steps[0].names) {
        const { act, text } = steps.shift();
        console.log(text);
        act();
      }
      if (steps.length === 0) {
        break;
      }
    }
  } finally {
    for (const child of processes.values()) {
      child.kill('SIGKILL');
    }
    await client.close();
  }
}

await (name === undefined ? demonstration() : member());
