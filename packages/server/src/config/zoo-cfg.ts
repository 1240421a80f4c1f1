import { parseJavaProperties } from '@treekeeper/protocol';
import type { Notice, Origin } from './config-error.ts';
import type { Assignment } from './defines.ts';

/** What a file of settings says, before anything is known of the keys. */
export interface ZooCfg {
  /** One entry per key, the last one of each, in file order. */
  readonly settings: readonly Assignment[];
  /** Keys that stand more than once. */
  readonly warnings: readonly Notice[];
  /** Lines that are not in the format. */
  readonly faults: readonly Notice[];
}

/**
 * Reads the text of a `zoo.cfg` (or of a dynamic configuration file, which has the same format). Of a key that stands
 * more than once the last line counts, as in ZooKeeper; the others are reported.
 */
export function parseZooCfg(text: string, file: string): ZooCfg {
  const place = (line: number): Origin => ({ kind: 'file', file, line });
  const { entries, faults } = parseJavaProperties(text);
  const lastLines = new Map(entries.map((entry) => [entry.key, entry.line]));
  const warnings: Notice[] = [];
  const settings: Assignment[] = [];
  for (const { key, value, line } of entries) {
    const lastLine = lastLines.get(key) as number;
    if (line === lastLine) {
      settings.push({ key, value, origin: place(line) });
    } else {
      const message = `${key} is set again in line ${lastLine}, which is the one that counts`;
      warnings.push({ origin: place(line), key, message });
    }
  }
  return {
    settings,
    warnings,
    faults: faults.map(({ line, message }) => ({ origin: place(line), key: null, message })),
  };
}
