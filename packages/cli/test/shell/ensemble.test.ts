/** The shell at an ensemble, and at servers that want a login. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEnsemble, startServer, type TestServer } from '@treekeeper/testing';
import { afterAll, expect, test } from 'vitest';
import { superDigest, superUser } from '../../../interop/src/servers.ts';
import { runShell } from '../support/shell.ts';

const directory = mkdtempSync(join(tmpdir(), 'treekeeper-shell-'));
afterAll(() => rmSync(directory, { recursive: true }));

test('members leave and come back by reconfig; config shows them', { timeout: 60_000 }, async () => {
  const settings = { 'DigestAuthenticationProvider.superDigest': superDigest };
  await using ensemble = await startEnsemble(3, { settings });
  const addresses = ensemble.members.map(({ connectString }) => connectString);
  const follower = ensemble.members.find(({ mode }) => mode === 'follower') as TestServer;
  const others = addresses.filter((address) => address !== follower.connectString);
  const run = (...args: string[]) => runShell(['-s', others.join(), ...args]);

  const healthy = await runShell(['-s', addresses.join(), 'status']);
  expect(healthy).toMatchObject({ code: 0, out: expect.stringMatching(/leader, zxid(.|\n)*\nhealthy\n$/) });
  const one = await runShell(['-s', follower.connectString, 'status']); // it has a leader that is not named
  expect(one).toMatchObject({ code: 0, out: expect.stringMatching(/follower, zxid.*\nhealthy\n$/) });

  const config = await run('-o', 'json', 'config');
  const { clients, text } = JSON.parse(config.out) as { clients: string[]; text: string };
  expect([...clients].sort()).toEqual([...addresses].sort());
  const refused = await run('reconfig', '-remove', `${follower.id}`);
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('the super user: addauth') });

  const auth = ['--auth', `digest:${superUser}`];
  const left = await run(...auth, 'reconfig', '-remove', `${follower.id}`);
  expect(left).toMatchObject({ code: 0, err: '', out: expect.stringContaining('Committed new configuration:\n') });
  expect(left.out).not.toContain(`server.${follower.id}=`);
  const [version, shown] = (await run('config', '-c')).out.trim().split(' ');
  expect(shown?.split(',').sort()).toEqual([...others].sort());

  const stale = await run(...auth, 'reconfig', '-v', '1', '-remove', '2');
  expect(stale).toMatchObject({ code: 1, out: '', err: expect.stringContaining('config -c shows its version') });
  const line = text.split('\n').find((each) => each.startsWith(`server.${follower.id}=`)) as string;
  const back = await run(...auth, 'reconfig', '-v', version ?? '', '-add', line);
  expect(back).toMatchObject({ code: 0, err: '', out: expect.stringContaining(line) });

  const file = join(directory, 'members.txt');
  writeFileSync(file, `# all of them\n${text}`);
  expect(await run(...auth, 'reconfig', '-file', file)).toMatchObject({ code: 0, err: '' });
});

test('--sasl logs in; without, or with a wrong password, it says what is wrong', async () => {
  const jaas = join(directory, 'jaas.conf');
  writeFileSync(jaas, 'Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_ann="se:cret"; };');
  await using server = await startServer({
    settings: {
      'java.security.auth.login.config': jaas,
      'authProvider.1': 'org.apache.zookeeper.server.auth.SASLAuthenticationProvider',
      'fips-mode': false,
      sessionRequireClientSASLAuth: true,
    },
  });
  const run = (...args: string[]) => runShell(['-s', server.connectString, ...args]);
  const whoami = await run('--sasl', 'ann:se:cret', 'whoami');
  expect(whoami).toMatchObject({ code: 0, err: '', out: expect.stringContaining('sasl: ann') });
  const wrong = await run('--sasl', 'ann:other', 'ls', '/');
  expect({ code: wrong.code, out: wrong.out }).toEqual({ code: 3, out: '' });
  expect(wrong.err).toContain('Authentication failed\ncorrect user and password');
  const none = await run('ls', '/');
  expect({ code: none.code, out: none.out }).toEqual({ code: 3, out: '' });
  expect(none.err).toContain('demands a login\n--sasl user:password');
});
