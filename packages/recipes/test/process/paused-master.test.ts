/** Real processes: a leading master is stopped (SIGSTOP) until another leads, then goes on as if nothing had been. */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { json, utf8 } from '@treekeeper/client';
import { startServer } from '@treekeeper/testing';
import { expect, test } from 'vitest';
import { Submitter, TaskQueue } from '../../src/master-worker/index.ts';

const programs = join(import.meta.dirname, '../../../../examples/master-worker');

interface Part {
  readonly child: ChildProcess;
  state: string;
}

function start(program: string, connectString: string, name: string): Part {
  const child = fork(join(programs, program), [connectString, name], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [], // the runner's own name sources, which Node 20 cannot run
  });
  const part: Part = { child, state: 'starts' };
  child.on('message', (message) => {
    part.state = (message as { state: string }).state;
  });
  return part;
}

/** Fulfils with the part that says so first. */
async function firstThat(parts: readonly Part[], state: string): Promise<Part> {
  for (;;) {
    const found = parts.find((part) => part.state === state);
    if (found !== undefined) {
      return found;
    }
    await Promise.race(parts.map(({ child }) => new Promise((resolve) => child.once('message', resolve))));
  }
}

async function end({ child }: Part): Promise<number | null> {
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  return await ended;
}

test('a master that was only paused does no harm, and stands by again', async () => {
  await using server = await startServer();
  const client = await server.client();
  await client.create('/demo/ledger', null, { createParents: true });
  const masters = ['master-1', 'master-2'].map((name) => start('master.mjs', server.connectString, name));
  const workers = ['worker-1', 'worker-2'].map((name) => start('worker.mjs', server.connectString, name));
  try {
    const paused = await firstThat(masters, 'leads');
    const queue = new TaskQueue<{ from: number; to: number }, number>({ path: '/demo/sums', payload: json() });
    const submitter = new Submitter(client, queue);
    const early = await Promise.all(Array.from({ length: 150 }, (_, n) => submitter.submit({ from: 1, to: n })));
    await early[0]!.result();
    paused.child.kill('SIGSTOP');
    const late = await Promise.all(Array.from({ length: 150 }, (_, n) => submitter.submit({ from: 1, to: n })));
    await firstThat(
      masters.filter((part) => part !== paused),
      'leads',
    );
    paused.child.kill('SIGCONT');
    paused.state = 'paused';
    const results = await Promise.all([...early, ...late].map((task) => task.result()));
    const sums = Array.from({ length: 150 }, (_, n) => (n * (n + 1)) / 2);
    expect(results).toEqual([...sums, ...sums]);
    await firstThat([paused], 'stands by');
    const entries = await client.children('/demo/ledger');
    const done = await Promise.all(entries.map((name) => client.get(`/demo/ledger/${name}`, { codec: utf8 })));
    expect(done.map(({ value }) => value).sort()).toEqual([...early, ...late].map(({ id }) => id).sort());
    expect(await Promise.all([...workers, ...masters].map(end))).toEqual([0, 0, 0, 0]);
  } finally {
    for (const { child } of [...masters, ...workers]) {
      child.kill('SIGKILL');
    }
  }
});
