// Find a service: two processes serve HTTP and register; a caller takes turns with them; one says that it will stop, the
// other is killed.
// Run: node examples/recipes/find-a-service.mjs [host:port]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { connect } from '@treekeeper/client';
import { roundRobin, Services } from '@treekeeper/recipes';
import { connectOrExplain } from '../connect-or-explain.mjs';

const [server = '127.0.0.1:2181', name] = process.argv.slice(2);

async function instance() {
  const http = createServer((_, response) => response.end(`hello from ${name}`)).listen(0, '127.0.0.1');
  await once(http, 'listening');

  const client = await connect(server, { sessionTimeoutMs: 4000, onExpired: 'new-session' });
  const services = new Services(client, '/example-services');
  const registration = await services.register('greeter', {
    id: name,
    address: '127.0.0.1',
    port: http.address().port,
    metadata: { zone: 'eu-1' },
  });

  await once(process, 'SIGTERM');
  await registration.update({ enabled: false }); // no new callers; those under way are served to their end
  http.close();
  await registration.unregister();
  await client.close();
}

async function demonstration() {
  const client = await connectOrExplain(server);
  await client.deleteRecursive('/example-services');
  const file = fileURLToPath(import.meta.url);
  const processes = ['anna', 'bert'].map((who) => spawn(process.execPath, [file, server, who], { stdio: 'inherit' }));
  try {
    const services = new Services(client, '/example-services');
    const greeters = await services.directory('greeter', { strategy: roundRobin(), down: { failures: 1 } });
    await until(greeters, 2);

    console.log(await call(greeters));
    console.log(await call(greeters));

    processes[0].kill('SIGTERM');
    await until(greeters, 1);
    console.log(`anna has left; ${await call(greeters)}`);

    processes[1].kill('SIGKILL');
    await once(processes[1], 'exit');
    console.log(await call(greeters)); // listed still, for its session lives on
    await until(greeters, 0);
    console.log(await call(greeters));
  } finally {
    for (const child of processes) {
      child.kill('SIGKILL');
    }
    await client.close();
  }
}

async function call(greeters) {
  const chosen = greeters.pick();
  if (chosen === null) {
    return 'there is no greeter';
  }
  try {
    const response = await fetch(chosen.url);
    greeters.succeeded(chosen.id);
    return await response.text();
  } catch {
    greeters.failed(chosen.id);
    return `${chosen.id} does not answer`;
  }
}

/** Waits until so many are listed. */
async function until(greeters, count) {
  for await (const instances of greeters) {
    if (instances.length === count) {
      return;
    }
  }
}

await (name === undefined ? demonstration() : instance());
