#!/usr/bin/env node
import { existsSync } from 'node:fs';

// As "engines" in package.json. An older Node would stumble over something in the bundle, and print half of it.
const [major, minor] = process.versions.node.split('.').map(Number);
const bundle = new URL('../bundle/main.js', import.meta.url);
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`treekeeper needs Node.js 20.19 or newer; this is ${process.version} (${process.execPath})`);
} else if (existsSync(bundle)) {
  await import(bundle.href);
} else {
  fail('treekeeper is not built here yet\nrun npm run build first; npm start does so by itself');
}

function fail(message) {
  process.stderr.write(`error: ${message}\n`);
  process.exitCode = 1;
}
