import type { Origin } from './config-error.ts';

/** A name, a value, and where they stand. */
export interface Assignment {
  readonly key: string;
  readonly value: string;
  readonly origin: Origin;
}

/** `key=value`, as it follows -D; without `=` the value is empty, as in Java. */
export function parseDefine(text: string, origin: Origin): Assignment {
  const equals = text.indexOf('=');
  return equals === -1
    ? { key: text, value: '', origin }
    : { key: text.slice(0, equals), value: text.slice(equals + 1), origin };
}

/**
 * The -D options that the environment holds, weakest first: ZOO_DATADIR_AUTOCREATE_DISABLE, SERVER_JVMFLAGS, JVMFLAGS.
 * ZooKeeper's start script hands them to the JVM in this order, and the last one counts. As in the script, blanks
 * always separate and quotes mean nothing. Other JVM options are passed over.
 */
export function environmentDefines(env: Readonly<Record<string, string | undefined>>): Assignment[] {
  const defines: Assignment[] = [];
  if (env.ZOO_DATADIR_AUTOCREATE_DISABLE) {
    const origin: Origin = { kind: 'environment', variable: 'ZOO_DATADIR_AUTOCREATE_DISABLE' };
    defines.push({ key: 'zookeeper.datadir.autocreate', value: 'false', origin });
  }
  for (const variable of ['SERVER_JVMFLAGS', 'JVMFLAGS']) {
    for (const word of (env[variable] ?? '').split(/\s+/)) {
      if (word.startsWith('-D')) {
        defines.push(parseDefine(word.slice(2), { kind: 'environment', variable }));
      }
    }
  }
  return defines;
}
