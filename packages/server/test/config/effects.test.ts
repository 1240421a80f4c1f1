/** A setting that is accepted and then forgotten is worse than one that is refused: every field must have a reader. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { KEYS } from '../../src/config/keys/index.ts';
import type { ServerConfig } from '../../src/config/server-config.ts';
import { ConfigDirectory, THREE_SERVERS } from './support.ts';

/** Fields that config/ itself reads, to work them into others. */
const READ_WITHIN: Readonly<Record<string, string>> = {
  'limits.extraBytes': 'part of storage.fieldBytesMax',
  'membership.readOnlyModeEnabled': 'part of listeners.fourLetterWords',
};

const FOLDERS = ['../../src', '../../../protocol/src', '../../../cli/src'].map(
  (path) => new URL(`${path}/`, import.meta.url),
);

function linesOf(folder: URL): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .filter((path) => !path.includes('/server/src/config/'))
    .flatMap((path) => readFileSync(path, 'utf8').split('\n'));
}

const lines = FOLDERS.flatMap(linesOf).filter((line) => !/^\s*(\/?\*|\/\/)/.test(line));

/** Whether a line does more with the field than to declare it or to give it a value. */
function hasReader(field: string): boolean {
  // host/tls.ts names the fields of both stores at once: `${store}Type`.
  const inTemplate = /^(?:key|trust)Store(Type|Password)$/.exec(field)?.[1];
  const word = new RegExp(inTemplate === undefined ? `\\b${field}\\b` : `\\$\\{\\w+\\}(Store)?${inTemplate}\\b`);
  const declaration = new RegExp(`^\\s*readonly ${field}\\??:`);
  const constant = new RegExp(`^\\s*${field}: (null|true|false|-?[\\d_]+|'.*'|\\[\\]),$`);
  return lines.some((line) => word.test(line) && !declaration.test(line) && !constant.test(line));
}

function memberConfig(): ServerConfig {
  const directory = new ConfigDirectory();
  try {
    return directory.loadMember(THREE_SERVERS).config;
  } finally {
    directory.remove();
  }
}

test('every field of the configuration is read by somebody', () => {
  const { source: _, ...groups } = memberConfig();
  const unread = Object.entries(groups).flatMap(([group, fields]) =>
    Object.keys(fields ?? {})
      .filter((field) => !(`${group}.${field}` in READ_WITHIN) && !hasReader(field))
      .map((field) => `${group}.${field}`),
  );
  expect(unread).toEqual([]);
});

test('keys that change nothing are those that cannot', () => {
  const idle = KEYS.filter(
    ({ effect, judgement }) => effect === 'none' && (judgement === 'must' || judgement === 'should'),
  );
  // A file, that storage looks for itself; and a help for ZooKeeper's own tests.
  expect(idle.map(({ key }) => key).sort()).toEqual(['initialize', 'testingonly.initialZxid']);
});
