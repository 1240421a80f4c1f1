import { expect, test } from 'vitest';
import { EXIT_CODES } from '../../src/config/exit-codes.ts';
import { KEY_SECTIONS, type KeyRow } from '../../src/config/keys/index.ts';

const COMMAND = 'npx vitest run packages/server/test/config/reference.test.ts -u';

const INTRODUCTION = `# Configuration

<!-- Made from the table in packages/server/src/config/keys: ${COMMAND} -->

Treekeeper reads the \`zoo.cfg\` of Apache ZooKeeper 3.10 as it is, and the \`-D\` options that ZooKeeper's Java process is
given. \`treekeeper config zoo.cfg\` checks a file and shows what is in effect and where it comes from.

## Where settings come from

1. \`zoo.cfg\`, in the format of Java's properties files.
2. \`-Dkey=value\` on the command line of \`treekeeper server\`.
3. \`-Dkey=value\` in the environment variables \`JVMFLAGS\` and \`SERVER_JVMFLAGS\`.
4. The defaults below. A server that is started without a file has some of its own: it listens on 127.0.0.1:2181, keeps
   its data in \`./data\`, counts in ticks of 2000 ms, answers all four-letter words, and has its admin server on
   127.0.0.1:8080.

What stands higher up goes before what stands below. That a file goes before the command line is as in ZooKeeper. The
exceptions are the keys marked *-D*: ZooKeeper reads them from \`-D\` only, so there \`-D\` goes before the file.

Every name may be written with or without \`zookeeper.\` before it. A key that nobody knows is reported with the one
that was probably meant, and does not stop the server; a value that cannot be right is an error with its file and
line, and all errors are shown at once. Values are checked more strictly than in ZooKeeper where ZooKeeper silently
takes something else: \`ssl.hostnameVerification=yes\` means *false* there and is refused here.

## The marks

- **Default**: in the units in which the key is written. *(none)*: not set.
- *-D*: a Java property; ZooKeeper ignores it in \`zoo.cfg\`, Treekeeper does not.
- *also*: other names, found in documentation, that ZooKeeper ignores and Treekeeper understands.
- *no effect*: accepted, but there is nothing for it to change. *ensembles*: accepted; a lone server does not use it.
  *clients*: for client programs.
`;

const EFFECTS: Readonly<Record<string, string>> = { none: '*no effect*', ensemble: '*ensembles*', client: '*clients*' };

function markOf({ kind, effect }: KeyRow): string {
  return kind === 'file' ? '' : (EFFECTS[effect.split('.')[0]] ?? '');
}

function tableRow(row: KeyRow): string {
  const marks = [row.kind === 'java' ? '*-D*' : '', markOf(row)];
  if (row.aliases !== undefined) {
    marks.push(`*also* ${row.aliases.map((alias) => `\`${alias}\``).join(', ')}`);
  }
  const value = row.kind === 'file' ? 'a file' : row.type.name + (row.type.unit === '' ? '' : `, ${row.type.unit}`);
  const notes = [row.meaning, row.defaultNote, marks.filter((mark) => mark !== '').join(' ')];
  const text = notes.filter((note) => note !== undefined && note !== '').join('. ');
  const shown = row.default === null ? '*(none)*' : row.default === '' ? '*(empty)*' : `\`${row.default}\``;
  return `| \`${row.key}\` | ${shown} | ${value} | ${text.replaceAll('|', '\\|')} |`;
}

function reference(): string {
  const sections = KEY_SECTIONS.map(
    ({ title, rows }) => `
## ${title}

| Key | Default | Value | Meaning |
|---|---|---|---|
${rows.map(tableRow).join('\n')}
`,
  );
  const withoutEffect = KEY_SECTIONS.flatMap(({ rows }) => rows)
    .filter((row) => markOf(row) === EFFECTS.none)
    .map(({ key, meaning }) => `| \`${key}\` | ${meaning.replaceAll('|', '\\|')} |`);
  const exitCodes = Object.values(EXIT_CODES).map(({ code, meaning }) => `| ${code} | ${meaning} |`);
  return `${INTRODUCTION}${sections.join('')}
## Keys without effect

All of those marked so above, for a look at what a \`zoo.cfg\` from elsewhere has that changes nothing here. They are about
threads, queues, caches, and classes of a JVM.

| Key | What it is about, and why there is nothing to change |
|---|---|
${withoutEffect.join('\n')}

## How a server ends

| Exit code | Meaning |
|---|---|
${exitCodes.join('\n')}
`;
}

test(`docs/reference/configuration.md is made from the table; make it anew with: ${COMMAND}`, async () => {
  await expect(reference()).toMatchFileSnapshot('../../../../docs/reference/configuration.md');
});
