/** What a server makes of its configuration: refusals before anything is touched, and both ways to give a setting. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { create, exists } from '../replica/requests.ts';
import { Client, exchange } from './support/client.ts';
import { newDirectory, runServerToEnd, ServerProcess, type Settings } from './support/server-process.ts';

describe('bad configurations end with 2, say where the fault is, and leave the disk alone', () => {
  const bad: readonly (readonly [string, Settings, RegExp])[] = [
    [
      'the shortest session timeout above the longest',
      { minSessionTimeout: 9000, maxSessionTimeout: 8000 },
      /zoo\.cfg:\d+: minSessionTimeout, 9000 ms, is larger than maxSessionTimeout, 8000 ms/,
    ],
    [
      'an authentication provider that does not exist',
      { 'authProvider.1': 'com.example.Magic' },
      /authProvider\.1.*com\.example\.Magic/,
    ],
    ['enforced authentication without a scheme', { 'enforce.auth.enabled': 'true' }, /enforce\.auth\.schemes/],
    [
      'enforced authentication with a scheme that is not configured',
      { 'enforce.auth.enabled': 'true', 'enforce.auth.schemes': 'sasl' },
      /'sasl'.*authProvider/,
    ],
    ['a number that is none', { tickTime: 'fast' }, /zoo\.cfg:\d+: tickTime=fast/],
    ['no port at all', { clientPort: '' }, /clientPort/],
    ['a TLS port without a key store', { secureClientPort: 0 }, /ssl\.keyStore\.location/],
    [
      'a JAAS file that does not exist',
      {
        'java.security.auth.login.config': '/nowhere/jaas.conf',
        'authProvider.1': 'org.apache.zookeeper.server.auth.SASLAuthenticationProvider',
      },
      /\/nowhere\/jaas\.conf/,
    ],
    [
      'a Kerberos configuration that is required and missing',
      { requireKerberosConfig: 'true', 'java.security.krb5.conf': '/nowhere/krb5.conf' },
      /requireKerberosConfig=true.*\/nowhere\/krb5\.conf/,
    ],
  ];
  test.each(bad)('%s', (_, settings, message) => {
    const directory = newDirectory();
    const { status, stdout, stderr } = runServerToEnd(settings, { directory });
    expect({ status, output: stdout + stderr }).toEqual({
      status: 2,
      output: expect.stringMatching(message) as string,
    });
    expect(stdout + stderr).not.toMatch(/^ +at /m);
    expect(existsSync(join(directory, 'data'))).toBe(false);
  });
});

test.each([
  [{ 'log.file': 'a.log' }, 'log.dir, log.file'],
  [{ 'audit.enable': 'true' }, 'log.dir, auditlog.file'],
])('a log that cannot be opened ends the start: %j', (settings, keys) => {
  const { status, stdout, stderr } = runServerToEnd({ ...settings, 'log.dir': '/dev/null/logs' });
  expect(status).toBe(2);
  const advice = `ENOTDIR: .*'/dev/null/logs'\\. Correct ${keys}, or give this user the right\\n$`;
  expect(stdout + stderr).toMatch(
    new RegExp(`(?:error:|ERROR) the log file /dev/null/logs/\\S+ cannot be written: ${advice}`),
  );
});

test('zoo.cfg, -D and SERVER_JVMFLAGS count together, the file first; unknown keys are told and do not stop it', async () => {
  const server = await ServerProcess.start(
    { maxClientCnxns: 7, maxClientCnxn: 9, 'zookeeper.admin.enableServer': 'false' },
    {
      args: [
        '-Dzookeeper.admin.enableServer=true',
        '-DminSessionTimeout=5000',
        '-Dzookeeper.extendedTypesEnabled=true',
      ],
      env: {
        JVMFLAGS: '-Xmx512m -Dzookeeper.4lw.commands.whitelist=srvr',
        SERVER_JVMFLAGS: '-Dzookeeper.snapCount=1234 -XX:+UseG1GC',
      },
    },
  );
  expect(server.output).toMatch(/^warning: \S*zoo\.cfg:\d+: maxClientCnxn is not a known key .* maxClientCnxns\?$/m);
  expect(server.output).not.toContain('admin http');
  const conf = await exchange(server.port, ['conf']);
  expect(conf).toContain('maxClientCnxns=7\n');
  const environment = await exchange(server.port, ['envi']);
  expect(environment).toMatch(/^zookeeper\.version=3\.10\.0-/m);
  const client = await Client.connect(server.port);
  await client.handshake(null, 1);
  expect(client.timeoutMs).toBe(5000);
  await client.end();
  expect(await server.stop()).toBe(0);
});

test('closeSessionTxn.enabled=false: sessions end without a list of nodes, and their nodes are gone after a restart', async () => {
  const directory = newDirectory();
  const settings = { 'closeSessionTxn.enabled': 'false' };
  const server = await ServerProcess.start(settings, { directory });
  const client = await Client.open(server.port);
  await client.call(create('/e', { flags: 1 }));
  await client.call(create('/p'));
  await client.end();
  await server.stop('SIGKILL');
  const log = readFileSync(join(directory, 'data', 'version-2', 'log.1'), 'latin1');
  expect(log.split('/e').length - 1).toBe(1); // the create alone names it
  const again = await ServerProcess.start(settings, { directory });
  const second = await Client.open(again.port);
  expect((await second.call(exists('/e'))).err).toBe(-101);
  expect((await second.call(exists('/p'))).err).toBe(0);
  await second.end();
  expect(again.output).not.toMatch(/ERROR|digest/);
  await again.stop();
});

test('flushDelay collects writes, and does not wait for anything else to happen', async () => {
  const server = await ServerProcess.start({ flushDelay: 5, maxBatchSize: 10, forceSync: 'no' });
  const client = await Client.open(server.port);
  for (let i = 0; i < 5; i++) {
    expect((await client.call(create(`/n${i}`))).err).toBe(0);
  }
  await client.end();
  await server.stop();
});

test('local sessions cost no transaction, and become global with their first ephemeral node', async () => {
  const server = await ServerProcess.start({ localSessionsEnabled: 'true', localSessionsUpgradingEnabled: 'true' });
  const local = await Client.open(server.port);
  expect(await exchange(server.port, ['mntr'])).toMatch(/^zk_local_sessions\t1$/m);
  const upgraded = await Client.open(server.port);
  expect((await upgraded.call(create('/e', { flags: 1 }))).err).toBe(0);
  expect(await exchange(server.port, ['mntr'])).toMatch(/^zk_global_sessions\t1$/m);
  await upgraded.end();
  await local.end();
  await server.stop();
});
