// Live configuration: two processes follow their settings; these are changed together, spoilt by hand, and rolled back,
// while both go on.
// Run: node examples/recipes/live-configuration.mjs [host:port]
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect } from '@treekeeper/client';
import { Configuration } from '@treekeeper/recipes';
import { connectOrExplain } from '../connect-or-explain.mjs';

const [server = '127.0.0.1:2181', name] = process.argv.slice(2);

// Any validator that speaks Standard Schema will do (zod, valibot, arktype); this is one by hand.
const positive = {
  '~standard': {
    version: 1,
    vendor: 'example',
    validate: (value) =>
      Number.isInteger(value) && value > 0 ? { value } : { issues: [{ message: 'not a whole number above 0' }] },
  },
};
const schemas = { workers: positive, requestsPerWorker: positive };

async function follower() {
  const client = await connect(server, { onExpired: 'new-session' });
  const configuration = new Configuration(client, '/example-config/shop', schemas);

  const live = await configuration.follow({
    onInvalid: (error) => console.log(`${name} keeps its value: ${error.message}`),
  });
  for await (const { workers, requestsPerWorker } of live) {
    console.log(`${name} uses ${workers} workers with ${requestsPerWorker} requests each`);
  }
}

async function demonstration() {
  const client = await connectOrExplain(server);
  await client.deleteRecursive('/example-config');
  const configuration = new Configuration(client, '/example-config/shop', schemas);

  const first = await configuration.publish({ workers: 4, requestsPerWorker: 100 }, { author: 'anna' });

  const file = fileURLToPath(import.meta.url);
  const followers = ['shop-1', 'shop-2'].map((who) =>
    spawn(process.execPath, [file, server, who], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  const outputs = followers.map((child) => createInterface({ input: child.stdout })[Symbol.asyncIterator]());
  const allSay = (words) => Promise.all(outputs.map((lines) => says(lines, words)));
  try {
    await allSay('4 workers with 100');

    await configuration.publish({ workers: 8, requestsPerWorker: 50 }, { author: 'bert', comment: 'smaller portions' });
    await allSay('8 workers with 50');

    await client.set('/example-config/shop/workers', '"many"'); // by hand, past the schema
    await allSay('keeps its value');

    await configuration.rollback(first.version, { author: 'anna' });
    await allSay('4 workers with 100');

    for (const { version, author, comment, texts } of await configuration.history()) {
      console.log(`version ${version} by ${author}: ${JSON.stringify(texts)} ${comment}`);
    }
  } finally {
    for (const child of followers) {
      child.kill('SIGKILL');
    }
    await client.close();
  }
}

/** Passes on what a process prints, until a line has these words. */
async function says(lines, words) {
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

await (name === undefined ? demonstration() : follower());
