/** A server that is left alone shows what it has, by the shell too, until there is a quorum again. */
import { afterAll, expect, test } from 'vitest';
import { create, sync } from '../replica/requests.ts';
import { exchange } from './support/client.ts';
import { EnsembleProcesses, type MemberProcess, until } from './support/ensemble.ts';
import { runToEnd } from './support/server-process.ts';

let ensemble: EnsembleProcesses | null = null;
afterAll(() => ensemble?.stop());

function shell(member: MemberProcess, ...command: string[]) {
  return runToEnd(['shell', '-s', `127.0.0.1:${member.port}`, '--wait', '3000', ...command], { cwd: member.directory });
}

async function untilSaid(member: MemberProcess, answer: string): Promise<void> {
  await until(`isro says ${answer}`, async () => {
    const said = await exchange(member.port, ['isro']).catch(() => '');
    return said.trim() === answer ? true : null;
  });
}

test('read-write, nothing, read-only, read-write', async () => {
  const running = await EnsembleProcesses.start(3, { 'readonlymode.enabled': 'true' });
  ensemble = running;
  const [left, ...others] = running.members;
  const client = await left.client();
  await client.call(create('/n', { data: 'seen without a quorum' }));
  await client.call(sync('/'));
  await client.end();
  await untilSaid(left, 'rw');
  await Promise.all(others.map((member) => member.stop('SIGKILL')));
  await untilSaid(left, 'ro');
  expect(await left.mode()).toBe('read-only');
  expect(shell(left, '-r', 'get', '/n').stdout).toContain('seen without a quorum');
  expect(shell(left, '-r', 'set', '/n', 'x').stderr).toContain('takes no writes now');
  expect(shell(left, 'get', '/n').status, 'who did not ask for it').not.toBe(0);
  await Promise.all(others.map((member) => member.start()));
  await running.untilServing();
  await untilSaid(left, 'rw');
  expect(shell(left, '-r', 'set', '/n', 'x').status).toBe(0);
});
