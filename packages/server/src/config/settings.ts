import { describeOrigin, type Notice, type Origin } from './config-error.ts';
import type { Assignment } from './defines.ts';
import { allNames, findKey, type KeyMatch, type KeyRow, PROPERTY_PREFIX, propertyName } from './keys/index.ts';
import { nearest } from './nearest.ts';

/** A key that somebody has set. */
export interface Setting {
  readonly row: KeyRow;
  /** The key; for patterns the name that was written: `server.1`. */
  readonly name: string;
  readonly text: string;
  /** What the row's type made of the text. */
  readonly value: unknown;
  readonly origin: Origin;
}

/** All that has been set, each key once, and what there is to say about it. */
export interface Settings {
  readonly byName: ReadonlyMap<string, Setting>;
  /** Names that were set to something that is not a value. */
  readonly broken: ReadonlySet<string>;
  /** The system properties that ZooKeeper would have. */
  readonly properties: ReadonlyMap<string, string>;
  readonly faults: readonly Notice[];
  readonly warnings: readonly Notice[];
  readonly notes: readonly Notice[];
}

interface Candidate {
  readonly match: KeyMatch;
  readonly assignment: Assignment;
  readonly strength: number;
}

/**
 * Decides which of the assignments counts for each key, as ZooKeeper does where it is defined there:
 *
 * - a key in zoo.cfg goes before a -D option, for ZooKeeper turns such keys into system properties when it reads the
 *   file and so overwrites what the command line said;
 * - except those that ZooKeeper reads from -D only (`jute.maxbuffer` and the like): there -D goes before zoo.cfg;
 * - the spelling that ZooKeeper reads goes before others that we understand as well;
 * - else the later one counts. So the order of `assignments` is: defaults, environment, command line, file.
 */
export function resolveSettings(assignments: readonly Assignment[]): Settings {
  const resolver = new Resolver();
  for (const assignment of assignments) {
    resolver.add(assignment);
  }
  return resolver.finish();
}

class Resolver {
  readonly #candidates = new Map<string, Candidate>();
  readonly #properties = new Map<string, string>();
  readonly #faults: Notice[] = [];
  readonly #warnings: Notice[] = [];
  readonly #notes: Notice[] = [];

  add(assignment: Assignment): void {
    const match = findKey(assignment.key);
    if (match === undefined) {
      this.#addUnknown(assignment);
      return;
    }
    const candidate = { match, assignment, strength: strengthOf(match, assignment) };
    const other = this.#candidates.get(match.name);
    if (other === undefined) {
      this.#candidates.set(match.name, candidate);
      return;
    }
    const [winner, loser] = candidate.strength >= other.strength ? [candidate, other] : [other, candidate];
    this.#candidates.set(match.name, winner);
    this.#reportLoser(winner, loser);
  }

  finish(): Settings {
    const byName = new Map<string, Setting>();
    const broken = new Set<string>();
    for (const [name, { match, assignment }] of this.#candidates) {
      const { value: text, origin } = assignment;
      if (match.row.kind !== 'key' && origin.kind !== 'embedded') {
        this.#properties.set(propertyName(match.row, name), text);
      }
      this.#noteSpelling(match, assignment);
      const value = match.row.type.parse(text);
      if (value === undefined) {
        broken.add(name);
        const harmless = match.row.effect === 'none' || match.row.effect === 'client';
        (harmless ? this.#warnings : this.#faults).push({
          origin,
          key: assignment.key,
          message: wrongValue(match, assignment),
        });
      } else {
        byName.set(name, { row: match.row, name, text, value, origin });
      }
    }
    const said = { faults: this.#faults, warnings: this.#warnings, notes: this.#notes };
    return { byName, broken, properties: this.#properties, ...said };
  }

  #addUnknown(assignment: Assignment): void {
    const { key, value, origin } = assignment;
    const inFile = origin.kind === 'file';
    const prefixed = key.startsWith(PROPERTY_PREFIX);
    this.#properties.set(inFile ? PROPERTY_PREFIX + key : key, value);
    // JVM flags are full of other programs' properties; a command line is not.
    if (origin.kind === 'environment' && !prefixed) {
      return;
    }
    const guess = nearest(prefixed ? key.slice(PROPERTY_PREFIX.length) : key, allNames());
    const hint = guess === null ? '' : `; did you mean ${guess}?`;
    this.#warnings.push({ origin, key, message: `${key} is not a known key and has no effect${hint}` });
  }

  #reportLoser(winner: Candidate, loser: Candidate): void {
    const lost = loser.assignment;
    const won = winner.assignment;
    if (lost.origin.kind === 'embedded' || lost.value === won.value) {
      return;
    }
    const bothDefines = lost.origin.kind !== 'file' && won.origin.kind !== 'file';
    if (bothDefines) {
      return;
    }
    const message = `${lost.key} has no effect, for ${won.key} in ${describeOrigin(won.origin)} goes before it`;
    this.#warnings.push({ origin: lost.origin, key: lost.key, message });
  }

  #noteSpelling(match: KeyMatch, { key, origin }: Assignment): void {
    if (origin.kind !== 'file') {
      return;
    }
    const bare = key.startsWith(PROPERTY_PREFIX) ? key.slice(PROPERTY_PREFIX.length) : key;
    let message: string | null = null;
    if (bare !== match.name) {
      message = `${key} is taken for ${match.name}, the name that ZooKeeper's code reads`;
    } else if (key !== bare) {
      message = `${key} is taken for ${bare}; ZooKeeper puts "${PROPERTY_PREFIX}" before it once more and ignores it`;
    } else if (match.row.kind === 'java') {
      message = `${key} counts here; ZooKeeper ignores it in a file and wants -D${key}`;
    }
    if (message !== null) {
      this.#notes.push({ origin, key, message });
    }
  }
}

function strengthOf({ row, name }: KeyMatch, { key, origin }: Assignment): number {
  if (origin.kind === 'embedded') {
    return -1;
  }
  if (origin.kind === 'file') {
    return row.kind === 'java' ? 0 : key === name ? 5 : 4;
  }
  return key === propertyName(row, name) ? 3 : 2;
}

function wrongValue({ row, name }: KeyMatch, { key, value }: Assignment): string {
  const expected = `expected ${row.type.allowed}`;
  if (row.secret) {
    return `${key}: ${expected}`;
  }
  const example = `${name}=${row.default === null || row.default === '' ? row.type.example : row.default}`;
  return value === ''
    ? `${key} has no value: ${expected}, for example ${example}`
    : `${key}=${value}: ${expected}, for example ${example}`;
}
