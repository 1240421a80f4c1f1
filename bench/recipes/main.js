/**
 * `npm run bench:recipes`: what recipes cost on one server that writes to its disk, beside kazoo's lock and election on
 * the same server. Parts: lock, election, members, configuration, tasks; all, unless some are named.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../../packages/client/dist/index.js';
import { configuration, members } from './crowds.js';
import { election, lock } from './holders.js';
import { tasks } from './tasks.js';

const parts = { lock, election, members, configuration, tasks };
const named = process.argv.slice(2);
const unknown = named.find((name) => !Object.hasOwn(parts, name));
if (unknown !== undefined) {
  console.error(`There is no part ${unknown}; there are ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}

const port = await freePort();
const directory = mkdtempSync(join(tmpdir(), 'treekeeper-bench-'));
const server = startServer();
process.on('exit', () => {
  server.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});
process.on('SIGTERM', () => process.exit(1));
process.on('SIGINT', () => process.exit(1));
const address = `127.0.0.1:${port}`;
await (await connect(address, { connectTimeoutMs: 30_000 })).close();
const load = loadavg()[0].toFixed(1);
console.log(`# Node ${process.version}, ${availableParallelism()} cores, load ${load} before; times in ms`);
for (const [name, part] of Object.entries(parts)) {
  if (named.length === 0 || named.includes(name)) {
    await part(address, server.pid);
  }
}
process.exit();

/** Sessions may be as short as a second. */
function startServer() {
  const file = join(directory, 'zoo.cfg');
  const settings = {
    dataDir: join(directory, 'data'),
    clientPort: port,
    clientPortAddress: '127.0.0.1',
    tickTime: 500,
    maxClientCnxns: 0,
    'admin.enableServer': false,
  };
  writeFileSync(
    file,
    Object.entries(settings).reduce((text, [key, value]) => `${text}${key}=${value}\n`, ''),
  );
  const command = join(import.meta.dirname, '../../packages/cli/bin/treekeeper.js');
  return spawn(process.execPath, [command, 'server', file], { stdio: ['ignore', 'ignore', 'inherit'] });
}

async function freePort() {
  const probe = createServer();
  await new Promise((done) => probe.listen(0, '127.0.0.1', done));
  const { port: free } = probe.address();
  await new Promise((done) => probe.close(done));
  return free;
}
