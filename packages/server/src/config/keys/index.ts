import { AUTH_KEYS } from './auth.ts';
import { BASIC_KEYS } from './basic.ts';
import { CLIENT_KEYS } from './client.ts';
import { DATA_MODEL_KEYS } from './data-model.ts';
import { ENSEMBLE_KEYS } from './ensemble.ts';
import { LIMIT_KEYS } from './limits.ts';
import { ADMIN_KEYS, METRICS_KEYS } from './observability.ts';
import type { KeyRow } from './row.ts';
import { RUNTIME_KEYS } from './runtime.ts';
import { STORAGE_KEYS } from './storage.ts';
import { TLS_KEYS } from './tls.ts';

export type { Judgement, KeyKind, KeyRow } from './row.ts';

/** The chapters of the table, as the reference shows them. */
export const KEY_SECTIONS: readonly { readonly title: string; readonly rows: readonly KeyRow[] }[] = [
  { title: 'Basics', rows: BASIC_KEYS },
  { title: 'Log, snapshots, recovery', rows: STORAGE_KEYS },
  { title: 'Limits and throttling', rows: LIMIT_KEYS },
  { title: 'Nodes and watches', rows: DATA_MODEL_KEYS },
  { title: 'Authentication and authorisation', rows: AUTH_KEYS },
  { title: 'TLS', rows: TLS_KEYS },
  { title: 'Operating', rows: ADMIN_KEYS },
  { title: 'Metrics', rows: METRICS_KEYS },
  { title: 'Ensembles', rows: ENSEMBLE_KEYS },
  { title: 'Threads and transport', rows: RUNTIME_KEYS },
  { title: 'Clients', rows: CLIENT_KEYS },
];

/** Every key there is. */
export const KEYS: readonly KeyRow[] = KEY_SECTIONS.flatMap((section) => section.rows);

/** The prefix of the Java properties that zoo.cfg keys turn into. */
export const PROPERTY_PREFIX = 'zookeeper.';

const ROWS_BY_NAME = new Map<string, KeyRow>();
for (const row of KEYS) {
  if (row.kind === 'file') {
    continue;
  }
  for (const name of [row.key, ...(row.aliases ?? [])]) {
    ROWS_BY_NAME.set(name, row);
  }
}

/** Names that carry a number, or any word, after their last dot. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/^server\.-?\d+$/, 'server.N'],
  // ZooKeeper tells these two by their beginning alone.
  [/^group[.\d]/, 'group.N'],
  [/^weight[.\d]/, 'weight.N'],
  [/^superUser\../, 'superUser.N'],
  [/^authProvider\../, 'authProvider.N'],
];

/** What a name in zoo.cfg or after -D refers to. */
export interface KeyMatch {
  readonly row: KeyRow;
  /** The name without `zookeeper.`; for patterns it tells which one is meant. */
  readonly name: string;
}

/** Looks a name up, with or without `zookeeper.` before it; undefined when there is no such key. */
export function findKey(written: string): KeyMatch | undefined {
  const name = written.startsWith(PROPERTY_PREFIX) ? written.slice(PROPERTY_PREFIX.length) : written;
  const exact = ROWS_BY_NAME.get(name);
  if (exact !== undefined) {
    return { row: exact, name: exact.key };
  }
  const pattern = PATTERNS.find(([test]) => test.test(name));
  return pattern === undefined ? undefined : { row: ROWS_BY_NAME.get(pattern[1]) as KeyRow, name };
}

/** Every name that a user may have meant: keys and aliases. */
export function allNames(): Iterable<string> {
  return ROWS_BY_NAME.keys();
}

/** The Java property that carries a key. */
export function propertyName(row: KeyRow, name: string): string {
  return row.kind === 'java' ? name : PROPERTY_PREFIX + name;
}
