// A lock across machines: a process that holds it is paused for too long; another gets the lock; the first wakes up,
// still believes that it holds, and nothing of what it writes is taken.
// Run: node examples/recipes/lock-across-machines.mjs [host:port]
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect, isTreekeeperError } from '@treekeeper/client';
import { isRecipeError, Lock } from '@treekeeper/recipes';
import { connectOrExplain } from '../connect-or-explain.mjs';

const [server = '127.0.0.1:2181', name] = process.argv.slice(2);

async function worker() {
  const client = await connect(server, { sessionTimeoutMs: 4000 });
  const lock = new Lock(client, '/example-lock/lock');

  const hold = await lock.acquire({ data: name });
  try {
    await hold.guarded.set('/example-lock/report', `written by ${name}`);
    console.log(`${name} has the lock, token ${hold.token}`);
    while (!hold.signal.aborted) {
      await hold.guarded.set('/example-lock/report', `written by ${name}`);
    }
  } catch (error) {
    if (!isRecipeError(error, 'FENCED') && !isTreekeeperError(error, 'CONNECTION_LOSS')) {
      throw error;
    }
  }
  console.log(`${name} has lost the lock`);
  await hold.release();
  await client.close();
}

async function demonstration() {
  const client = await connectOrExplain(server);
  await client.deleteRecursive('/example-lock');
  await client.create('/example-lock/report', '', { createParents: true });
  const file = fileURLToPath(import.meta.url);
  const start = (who) => {
    const child = spawn(process.execPath, [file, server, who], { stdio: ['ignore', 'pipe', 'inherit'] });
    return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
  };
  const first = start('anna');
  let second;
  try {
    await says(first, 'has the lock');
    console.log('anna is paused');
    first.child.kill('SIGSTOP');
    second = start('bert');
    await says(second, 'has the lock'); // as soon as the servers have given anna's session up
    console.log('anna goes on');
    first.child.kill('SIGCONT');
    await says(first, 'has lost the lock');
    const { value } = await client.get('/example-lock/report');
    console.log(`the report was ${Buffer.from(value)}`);
    const holders = await new Lock(client, '/example-lock/lock').contenders();
    console.log(`${holders[0].data} holds the lock`);
  } finally {
    first.child.kill('SIGKILL');
    second?.child.kill('SIGKILL');
    await client.close();
  }
}

/** Passes on what a process prints, until a line has these words. */
async function says({ lines }, words) {
  for (;;) {
    const { value: line, done } = await lines.next();
    if (done) {
      throw new Error(`a process has ended, and never said: ${words}`);
    }
    console.log(line);
    if (line.includes(words)) {
      return;
    }
  }
}

await (name === undefined ? demonstration() : worker());
