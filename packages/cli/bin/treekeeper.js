#!/usr/bin/env node
import { existsSync } from 'node:fs';

const bundle = new URL('../bundle/main.js', import.meta.url);
if (existsSync(bundle)) {
  await import(bundle.href);
} else {
  process.stderr.write(
    'error: treekeeper is not built here yet\nrun npm run build first; npm start does so by itself\n',
  );
  process.exitCode = 1;
}
