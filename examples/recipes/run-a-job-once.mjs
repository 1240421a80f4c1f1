// Run a job once: three processes have the same schedule; each time is run by one of them, and by the next one when it dies.
// Run: node examples/recipes/run-a-job-once.mjs [host:port]
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect, utf8 } from '@treekeeper/client';
import { ScheduledJob } from '@treekeeper/recipes';
import { connectOrExplain } from '../connect-or-explain.mjs';

const [server = '127.0.0.1:2181', name] = process.argv.slice(2);
const runs = '/example-job/runs';

async function scheduler() {
  const client = await connect(server, { sessionTimeoutMs: 4000, onExpired: 'new-session' });
  const job = new ScheduledJob(client, '/example-job/report', { intervalMs: 1000 });
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort());

  await job.run(
    async ({ dueMs, leadership }) => {
      const report = `${runs}/${dueMs}`;
      // Whoever ran it may have died before that was on record: look first, what is done is done.
      if ((await client.exists(report)) === null) {
        await leadership.guarded.create(report, name);
      }
    },
    { signal: stop.signal },
  );

  await client.close();
}

async function demonstration() {
  const client = await connectOrExplain(server);
  await client.deleteRecursive('/example-job');
  await client.create(runs, null, { createParents: true });
  const processes = new Map();
  for (const each of ['anna', 'bert', 'cleo']) {
    processes.set(each, spawn(process.execPath, [fileURLToPath(import.meta.url), server, each], { stdio: 'inherit' }));
  }
  try {
    const first = await runAfter(client, 0);
    console.log(`${first.by} runs it`);
    const second = await runAfter(client, first.dueMs);
    console.log(`${second.by} runs it again a second later, and is killed`);
    processes.get(second.by).kill('SIGKILL');
    let next = await runAfter(client, second.dueMs);
    while (next.by === second.by) {
      next = await runAfter(client, next.dueMs);
    }
    console.log(`${next.by} goes on with the schedule`);
    // A node can be made once: if two had run it for the same time, one of them would have failed, and said so here.
    console.log(`${(await client.children(runs)).length} times, each run by one`);
  } finally {
    for (const child of processes.values()) {
      child.kill('SIGKILL');
    }
    await client.close();
  }
}

/** The first run for a later time. */
async function runAfter(client, dueMs) {
  for (;;) {
    const [time] = (await client.children(runs))
      .map(Number)
      .filter((each) => each > dueMs)
      .sort();
    if (time !== undefined) {
      return { dueMs: time, by: (await client.get(`${runs}/${time}`, { codec: utf8 })).value };
    }
    await sleep(50);
  }
}

await (name === undefined ? demonstration() : scheduler());
