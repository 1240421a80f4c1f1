/** A server's life as a process: how it starts, how it ends, and what is there afterwards. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { create, exists, getData, setData } from '../replica/requests.ts';
import { Client, exchange } from './support/client.ts';
import { newDirectory, runServerToEnd, runToEnd, ServerProcess } from './support/server-process.ts';

const EPHEMERAL = { flags: 1 };

test('SIGTERM ends a server with 0; the next one has its port at once, and its data and sessions', async () => {
  const first = await ServerProcess.start();
  const { port, directory } = first;
  const client = await Client.open(port);
  expect((await client.call(create('/a', { data: 'one' }))).err).toBe(0);
  expect((await client.call(create('/e', EPHEMERAL))).err).toBe(0);
  expect(await first.stop('SIGTERM')).toBe(0);
  expect(first.output).toMatch(/ INFO {2}SIGTERM: stopping\n.* INFO {2}stopped\n$/s);
  await client.closed;

  const second = await ServerProcess.start({ clientPort: port }, { directory });
  expect(second.port).toBe(port);
  const resumed = await Client.open(port, client);
  expect(resumed.sessionId).toBe(client.sessionId);
  expect(Buffer.from((await resumed.call(getData('/a'))).body.data ?? []).toString()).toBe('one');
  expect((await resumed.call(exists('/e'))).body.stat.ephemeralOwner).toBe(client.sessionId);
  await resumed.end();
  const after = await Client.open(port);
  expect((await after.call(exists('/e'))).err).toBe(-101);
  await after.end();
  expect(await second.stop('SIGINT')).toBe(0);
});

test('after SIGKILL everything acknowledged is there, again and again', async () => {
  const directory = newDirectory();
  let port = 0;
  for (let round = 1; round <= 3; round++) {
    const server = await ServerProcess.start({ clientPort: port }, { directory });
    port = server.port;
    const client = await Client.open(port);
    for (let earlier = 1; earlier < round; earlier++) {
      expect((await client.call(exists(`/round-${earlier}`))).err).toBe(0);
    }
    expect((await client.call(create(`/round-${round}`))).err).toBe(0);
    const sent = Array.from({ length: 50 }, () => client.call(setData(`/round-${round}`, 'x')).catch(() => null));
    await sent[9];
    expect(await server.stop('SIGKILL')).toBe('SIGKILL');
    await Promise.all(sent);
  }
  const last = await ServerProcess.start({ clientPort: port }, { directory });
  const client = await Client.open(port);
  expect((await client.call(exists('/round-3'))).body.stat.version).toBeGreaterThanOrEqual(10);
  await client.end();
  expect(await last.stop()).toBe(0);
});

test('a new server of a newcomer says where it listens, where its data are and how to stop it', async () => {
  const directory = newDirectory();
  const args = ['server', '-DclientPort=0', '-Dadmin.serverPort=0'];
  const server = await ServerProcess.startCommand(args, { directory });
  await server.waitFor(/Ctrl-C/);
  expect(server.output).toMatch(/Treekeeper \d+\.\d+\.\d+ \(speaks ZooKeeper 3\.10\.0\), Node v\d+/);
  expect(server.output).toMatch(/ {4}Clients {2}(127\.0\.0\.1:\d+) \(npx treekeeper shell -s \1, or any/);
  expect(server.output).toMatch(/ {4}Admin {4}http:\/\/127\.0\.0\.1:\d+\/commands\n/);
  expect(server.output).toContain(`    Data     ${join(directory, 'data')} (4 nodes)\n`);
  expect(await server.stop('SIGINT')).toBe(0);
});

describe('a port that is taken', () => {
  const blocker = createServer().listen(0);
  const taken = () => (blocker.address() as { port: number }).port;
  afterAll(() => {
    blocker.close();
  });

  test('the client port: exit code 1 and which one', async () => {
    const result = runServerToEnd({ clientPort: taken() });
    expect(result.status).toBe(1);
    expect(result.stdout).toMatch(new RegExp(`ERROR port ${taken()} on .* is in use: another server runs there`));
    expect(result.stdout).not.toContain('    at ');
  });

  test('the admin port: exit code 4', () => {
    const result = runServerToEnd({ 'admin.enableServer': 'true', 'admin.serverPort': taken() });
    expect(result.status).toBe(4);
    expect(result.stdout).toMatch(/ERROR the admin server cannot start: port \d+ on .* is in use.*admin\.serverPort/);
  });

  test('the admin port of a server without zoo.cfg, which nobody has asked for: a warning', async () => {
    const args = ['server', '-DclientPort=0', `-Dadmin.serverPort=${taken()}`];
    const server = await ServerProcess.startCommand(args);
    expect(server.output).toMatch(/ WARN {2}the admin server cannot start/);
    expect(await server.stop()).toBe(0);
  });
});

describe('data directories', () => {
  test('in use by another server: exit code 3, and the other one does not notice', async () => {
    const server = await ServerProcess.start();
    const result = runServerToEnd({}, { directory: server.directory });
    expect(result.status).toBe(3);
    expect(result.stdout).toContain(`is in use by process ${server.pid}`);
    expect(await exchange(server.port, ['ruok'])).toBe('imok');
    await server.stop();
  });

  test('not a directory: exit code 3', () => {
    const directory = newDirectory();
    writeFileSync(join(directory, 'file'), '');
    const result = runServerToEnd({ dataDir: join(directory, 'file', 'data') });
    expect(result.status).toBe(3);
    expect(result.stdout).toMatch(/ERROR .*dataDir/);
  });

  test('missing with datadir.autocreate=false: exit code 3, and nothing is created', () => {
    const directory = newDirectory();
    const result = runServerToEnd({ 'datadir.autocreate': 'false' }, { directory });
    expect(result.status).toBe(3);
    expect(existsSync(join(directory, 'data'))).toBe(false);
  });

  test('empty with db.autocreate=false: only with the file initialize', async () => {
    const directory = newDirectory();
    expect(runServerToEnd({ 'db.autocreate': 'false' }, { directory }).status).not.toBe(0);
    writeFileSync(join(directory, 'data', 'initialize'), '');
    const server = await ServerProcess.start({ 'db.autocreate': 'false' }, { directory });
    expect(existsSync(join(directory, 'data', 'initialize'))).toBe(false);
    expect(await server.stop()).toBe(0);
  });

  test('log and snapshots apart; put together they are refused', async () => {
    const directory = newDirectory();
    const dataLogDir = join(directory, 'log');
    const server = await ServerProcess.start({ dataLogDir }, { directory });
    const client = await Client.open(server.port);
    await client.call(create('/a'));
    await client.end();
    await server.stop();
    expect(readdirSync(join(dataLogDir, 'version-2')).some((name) => name.startsWith('log.'))).toBe(true);
    expect(readdirSync(join(directory, 'data', 'version-2'))).toContain('snapshot.0');

    const mixed = join(directory, 'data', 'version-2', 'log.1');
    writeFileSync(mixed, '');
    const result = runServerToEnd({ dataLogDir }, { directory });
    expect(result.status).not.toBe(0);
    expect(result.stdout).toMatch(/ERROR .*dataLogDir/);
  });
});

test('out of file numbers: clients are turned away, writes wait, and both work again when some are free', async () => {
  const server = await ServerProcess.start({ maxClientCnxns: 0 }, { filesMax: 60 });
  const flood = await Promise.all(Array.from({ length: 80 }, () => Client.connect(server.port).catch(() => null)));
  const turnedAway = flood.filter((client) => client !== null).map((client) => client.closed);
  await Promise.race(turnedAway);
  // The log has no file yet, and gets none now.
  const waiting = flood.map((client) => client?.handshake(null).catch(() => {}));
  await server.waitFor(/ ERROR the disk of the transaction log is full: .*EMFILE/);
  for (const client of flood) {
    client?.socket.destroy();
  }
  await Promise.all(waiting);
  await server.waitFor(/writes are accepted/);
  const client = await Client.open(server.port);
  expect((await client.call(create('/a'))).err).toBe(0);
  await client.end();
  expect(await server.stop()).toBe(0);
});

test('a pause of the whole process is told when somebody wants to know', async () => {
  const server = await ServerProcess.start({
    'jvm.pause.monitor': 'true',
    'jvm.pause.sleep.time.ms': 20,
    'jvm.pause.info-threshold.ms': 50,
    'jvm.pause.warn-threshold.ms': 200,
  });
  server.kill('SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, 500));
  server.kill('SIGCONT');
  await server.waitFor(/ WARN {2}the event loop stood still for \d{3,} ms/);
  expect(await server.stop()).toBe(0);
});

test('wrong arguments end with 2 and point to the help', () => {
  expect(runToEnd(['server', 'a.cfg', 'b.cfg'])).toMatchObject({ status: 2, stdout: '' });
  expect(runToEnd(['server', '--port', '1']).stderr).toContain('treekeeper server --help');
});
