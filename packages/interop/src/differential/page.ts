import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../servers.ts';
import type { Checks } from '../suite.ts';
import { type Difference, differences } from './differences.ts';

const file = join(repositoryRoot, 'docs/reference/differences.md');

const introduction = `# Differences from Apache ZooKeeper

Treekeeper answers as ZooKeeper 3.10 does. \`npm run interop -- differential\` sends the same random requests to
Treekeeper and to Apache ZooKeeper 3.8.0, as the distribution packages it, and compares every reply, every field and
every watch event in order. The differences below are all that it lets pass: most are what changed in ZooKeeper since
3.8, in some Apache is wrong.

This page is made from \`packages/interop/src/differential/differences.ts\` by \`npm run interop -- --write-docs\`; a test
compares the two.
`;

function section({ id, what, apache, treekeeper, reason, avoided }: Difference): string {
  const test = avoided === undefined ? 'lets exactly this difference pass' : avoided;
  return `### ${id}

${what}.

| | |
|---|---|
| Apache ZooKeeper 3.8.0 | ${apache} |
| Treekeeper | ${treekeeper} |
| why | ${reason} |
| the test | ${test} |
`;
}

function page(): string {
  const letThrough = differences.filter(({ allows }) => allows !== undefined);
  const avoided = differences.filter(({ allows }) => allows === undefined);
  return [
    introduction,
    '## Seen by the test\n',
    ...letThrough.map(section),
    '## Kept out of the test\n',
    'Requests that would show these are not sent, because the two servers would go different ways afterwards, or because\n' +
      'Apache ZooKeeper would not survive them.\n',
    ...avoided.map(section),
  ].join('\n');
}

export function writePage(): void {
  writeFileSync(file, page());
}

export function checkPage(checks: Checks): void {
  checks.that(
    'docs/reference/differences.md is up to date',
    readFileSync(file, 'utf8') === page(),
    () => 'make it anew: npm run interop -- --write-docs',
  );
}
