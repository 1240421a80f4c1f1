/** What has happened in a run: a simulation that never meets a situation says nothing about it. */

/** Seen from the outside. */
const OBSERVED = [
  'power loss',
  'kill',
  'failed disk',
  'clean stop',
  'power loss in recovery',
  'snapshot damaged',
  'settings changed',
  'session opened',
  'session resumed',
  'session refused',
  'event',
  'event of setWatches',
  'write acknowledged',
  'write refused',
  'write refused for a full disk',
  'read answered',
] as const;

export type Situation = (typeof OBSERVED)[number];

/** Told by the server to its operator. */
const TOLD: readonly (readonly [name: string, message: RegExp])[] = [
  ['snapshot written', /^wrote snapshot/],
  ['snapshot failed', /^snapshot .* could not be written/],
  ['unfinished snapshot removed', /a snapshot that was not finished/],
  ['older snapshot loaded', /^cannot use snapshot/],
  ['torn log', /A crash cut off its last write/],
  ['empty log removed', /a log file that had just been created/],
  ['log full', /^the disk of the transaction log is full/],
  ['log has space again', /^the disk of the transaction log has space again/],
  ['files purged', /^purged /],
  ['session expired', /has expired$/],
  ['slow client cut off', /does not read: /],
];

/** Every situation, in the order in which they are reported. */
export const SITUATIONS: readonly string[] = [...OBSERVED, ...TOLD.map(([name]) => name)];

export class Coverage {
  readonly counts = new Map<string, number>();

  happened(situation: Situation): void {
    this.#count(situation);
  }

  /** The server has said something. */
  told(message: string): void {
    for (const [name, pattern] of TOLD) {
      if (pattern.test(message)) {
        this.#count(name);
        return;
      }
    }
  }

  /** Adds what another run has met. */
  add(other: ReadonlyMap<string, number>): void {
    for (const [name, count] of other) {
      this.counts.set(name, (this.counts.get(name) ?? 0) + count);
    }
  }

  /** In words, with what never happened at the end. */
  describe(): string {
    const met = SITUATIONS.filter((name) => this.counts.has(name)).map((name) => `${name} ${this.counts.get(name)}`);
    const missed = SITUATIONS.filter((name) => !this.counts.has(name));
    return met.join(', ') + (missed.length > 0 ? `; never: ${missed.join(', ')}` : '');
  }

  #count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }
}
