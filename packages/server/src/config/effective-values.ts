import type { Origin } from './config-error.ts';
import { KEYS, type KeyRow } from './keys/index.ts';
import type { Setting, Settings } from './settings.ts';

/** The settings, with their defaults, by key. */
export class Values {
  readonly #settings: ReadonlyMap<string, Setting>;
  readonly #broken: ReadonlySet<string>;

  constructor(settings: Settings) {
    this.#settings = settings.byName;
    this.#broken = settings.broken;
  }

  /** Whether somebody has set it, be it to something that is not a value (which is a fault of its own already). */
  isSet(key: string): boolean {
    return this.#settings.has(key) || this.#broken.has(key);
  }

  /** What was set; undefined when nothing was. */
  setting(key: string): Setting | undefined {
    return this.#settings.get(key);
  }

  /** Where it was set. */
  origin(key: string): Origin {
    return this.#settings.get(key)?.origin ?? { kind: 'default' };
  }

  /** Settings whose names begin so: patterns. */
  *startingWith(prefix: string): Iterable<Setting> {
    for (const [name, setting] of this.#settings) {
      if (name.startsWith(prefix)) {
        yield setting;
      }
    }
  }

  all(): Iterable<Setting> {
    return this.#settings.values();
  }

  /** The value, or the default; null when there is neither. */
  of(row: KeyRow): unknown {
    const setting = this.#settings.get(row.key);
    if (setting !== undefined) {
      return setting.value;
    }
    return row.default === null ? null : row.type.parse(row.default);
  }

  boolean(key: string): boolean {
    return this.of(rowOf(key)) as boolean;
  }

  number(key: string): number | null {
    return this.of(rowOf(key)) as number | null;
  }

  text(key: string): string | null {
    return this.of(rowOf(key)) as string | null;
  }

  list(key: string): readonly string[] {
    return this.of(rowOf(key)) as readonly string[];
  }
}

function rowOf(key: string): KeyRow {
  const row = KEYS.find((candidate) => candidate.key === key);
  if (row === undefined) {
    throw new Error(`no row for ${key}`);
  }
  return row;
}
