/** Members that change while processes run: by the shell, with files, ports that move, and servers started again. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { create, exists, sync } from '../replica/requests.ts';
import { EnsembleProcesses, type MemberProcess, newLine, until } from './support/ensemble.ts';
import { runToEnd } from './support/server-process.ts';

const SUPER_DIGEST = 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=';

let ensemble: EnsembleProcesses;

beforeAll(async () => {
  ensemble = await EnsembleProcesses.start(3, {
    reconfigEnabled: 'true',
    'DigestAuthenticationProvider.superDigest': SUPER_DIGEST,
  });
}, 60_000);
afterAll(() => ensemble.stop());

/** A command of `treekeeper shell`, at one member. */
function shell(member: MemberProcess, ...command: string[]): string {
  const { status, stdout, stderr } = runToEnd(
    ['shell', '-s', `127.0.0.1:${member.port}`, '--auth', 'digest:super:test', ...command],
    { cwd: member.directory },
  );
  return `${stdout}${stderr}${status === 0 ? '' : `exit ${status}`}`;
}

function membersIn(text: string): number[] {
  return [...text.matchAll(/^server\.(\d+)=/gm)].map(([, id]) => Number(id));
}

function versionIn(text: string): string | undefined {
  return /^version=([0-9a-f]+)$/m.exec(text)?.[1];
}

function serverLine(id: number): string {
  return `server.${id}=${ensemble.lines[id - 1]}`;
}

/** What all members that run say of the configuration. */
async function expectEverywhere(ids: readonly number[], version: string | undefined): Promise<void> {
  await until(`members ${ids}`, async () => {
    await ensemble.untilServing();
    const running = ensemble.members.filter(({ isRunning }) => isRunning);
    const shown = running.map((member) => shell(member, 'config'));
    return shown.every((text) => versionIn(text) === version) ? true : null;
  });
  for (const member of ensemble.members.filter(({ isRunning }) => isRunning)) {
    expect(membersIn(shell(member, 'config'))).toEqual(ids);
    const client = await member.client();
    expect((await client.call(create(`/${member.id} of ${ids}`))).err).toBe(0);
    await client.end();
  }
}

test('two servers join, by the shell at a follower; files are beside zoo.cfg', async () => {
  await ensemble.add();
  await ensemble.add();
  const leader = await ensemble.leader();
  const follower = ensemble.members.find((member) => member !== leader) as MemberProcess;
  expect(await ensemble.members[4].mode()).toBe('follower');
  const text = shell(follower, 'reconfig', '-add', serverLine(4), '-add', serverLine(5));
  expect(membersIn(text)).toEqual([1, 2, 3, 4, 5]);
  const version = versionIn(text);
  await expectEverywhere([1, 2, 3, 4, 5], version);
  expect(await leader.monitor('quorum_size')).toBe('5');
  for (const { directory } of ensemble.members) {
    expect(readdirSync(directory)).toContain(`zoo.cfg.dynamic.${version}`);
    expect(readdirSync(directory)).not.toContain('zoo.cfg.dynamic.next');
    const zooCfg = readFileSync(join(directory, 'zoo.cfg'), 'utf8');
    expect(zooCfg).toContain(`dynamicConfigFile=${join(directory, `zoo.cfg.dynamic.${version}`)}`);
    expect(zooCfg).not.toContain('server.');
    expect(zooCfg).not.toContain('clientPort=');
  }
});

test('two of five may fail, and find the ensemble again', async () => {
  const leader = await ensemble.leader();
  const gone = [leader, ensemble.members.find((member) => member !== leader) as MemberProcess];
  await Promise.all(gone.map((member) => member.stop('SIGKILL')));
  await ensemble.untilServing();
  const [left] = ensemble.members.filter(({ isRunning }) => isRunning);
  const client = await left.client();
  expect((await client.call(create('/two have failed'))).err).toBe(0);
  await client.end();
  await Promise.all(gone.map((member) => member.start()));
  await ensemble.untilServing();
  const again = await gone[0].client();
  await again.call(sync('/'));
  expect((await again.call(exists('/two have failed'))).err).toBe(0);
  await again.end();
});

test('the leader leaves, and another; three are left', async () => {
  const leader = await ensemble.leader();
  const other = ensemble.members.find((member) => member !== leader) as MemberProcess;
  const rest = ensemble.members.filter((member) => member !== leader && member !== other);
  const ids = rest.map(({ id }) => id);
  const answer = shell(rest[0], 'reconfig', '-remove', `${leader.id},${other.id}`);
  expect(membersIn(answer), 'told before the followers leave their leader').toEqual(ids);
  await expectEverywhere(ids, versionIn(answer));
  await Promise.all([leader.stop('SIGTERM'), other.stop('SIGTERM')]);
  await ensemble.untilServing();
  expect(ids).toContain((await ensemble.leader()).id);
});

test('a member that is started again is one of those it was', async () => {
  const running = ensemble.members.filter(({ isRunning }) => isRunning);
  await Promise.all(running.map((member) => member.stop('SIGKILL')));
  await Promise.all(running.map((member) => member.start()));
  await ensemble.untilServing();
  expect(membersIn(shell(running[0], 'config'))).toEqual(running.map(({ id }) => id));
});

test('clients find a member at another port as soon as the configuration says so', async () => {
  const [member, other] = ensemble.members.filter(({ isRunning }) => isRunning);
  const stays = await member.client();
  const { port: newPort } = await newLine();
  const moved = ensemble.lines[member.id - 1].replace(/;.*$/, `;127.0.0.1:${newPort}`);
  shell(other, 'reconfig', '-add', `server.${member.id}=${moved}`);
  await until('it listens there', () => member.isAt(newPort));
  expect(await member.isAt(member.port)).toBeNull();
  expect((await stays.call(exists('/'))).err, 'connections stay').toBe(0);
  await stays.end();
});
