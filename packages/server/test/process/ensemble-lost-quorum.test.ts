/** Most servers are gone for good: the steps of docs/operating/ensemble.md for the one that is left. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { create, exists, sync } from '../replica/requests.ts';
import { EnsembleProcesses, type MemberProcess, until } from './support/ensemble.ts';
import { runToEnd } from './support/server-process.ts';

const SUPER_DIGEST = 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=';

let ensemble: EnsembleProcesses | null = null;
afterAll(() => ensemble?.stop());

/** As an operator edits it: the members that are gone go, and what was proposed with them. */
function keepOnly(member: MemberProcess, line: string): void {
  const file = join(member.directory, 'zoo.cfg');
  const kept = readFileSync(file, 'utf8')
    .split('\n')
    .filter((text) => text !== '' && !/^(server\.|dynamicConfigFile|standaloneEnabled)/.test(text));
  writeFileSync(file, `${[...kept, 'standaloneEnabled=false', `server.${member.id}=${line}`].join('\n')}\n`);
  rmSync(`${file}.dynamic.next`, { force: true });
}

test.each(['false', 'true'])('the one that is left goes on alone, and grows again (reconfigEnabled=%s)', async (on) => {
  const settings = { reconfigEnabled: on, 'DigestAuthenticationProvider.superDigest': SUPER_DIGEST };
  const running = await EnsembleProcesses.start(3, settings);
  ensemble = running;
  const leader = await running.leader();
  const client = await leader.client();
  await client.call(create('/before'));
  const [left, ...gone] = running.members.filter((member) => member !== leader);
  const reader = await left.client();
  await reader.call(sync('/')); // it has it
  await Promise.all([leader, ...gone].map((member) => member.stop('SIGKILL')));
  await until('it serves no more', async () => ((await left.mode()) === null ? true : null));
  await left.stop('SIGTERM');

  keepOnly(left, running.lines[left.id - 1]);
  await left.start();
  await running.untilServing();
  expect(await left.mode()).toBe('leader');
  const again = await left.client();
  expect((await again.call(exists('/before'))).err).toBe(0);
  expect((await again.call(create('/alone'))).err).toBe(0);
  await again.end();

  if (on === 'true') {
    const [fresh] = gone;
    rmSync(join(fresh.directory, 'data', 'version-2'), { recursive: true });
    keepOnly(fresh, running.lines[fresh.id - 1]);
    const file = join(fresh.directory, 'zoo.cfg');
    writeFileSync(file, `${readFileSync(file, 'utf8')}server.${left.id}=${running.lines[left.id - 1]}\n`);
    await fresh.start();
    await running.untilServing();
    const line = `server.${fresh.id}=${running.lines[fresh.id - 1]}`;
    const args = ['shell', '-s', `127.0.0.1:${left.port}`, '--auth', 'digest:super:test', 'reconfig', '-add', line];
    expect(runToEnd(args, { cwd: left.directory })).toMatchObject({ status: 0 });
    const other = await fresh.client();
    await other.call(sync('/'));
    expect((await other.call(exists('/alone'))).err).toBe(0);
    await other.end();
  }
  await running.stop();
});
