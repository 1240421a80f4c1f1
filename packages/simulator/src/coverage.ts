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
  'write refused for a quota',
  'read answered',
] as const;

/** In an ensemble only. */
const OBSERVED_OF_ENSEMBLES = [
  'leader established',
  'committed by the next leader',
  'server begins to serve',
  'history cut back',
  'session expired in the ensemble',
  'power loss everywhere',
  'kill everyone',
  'wipe',
  'disk replaced',
  'pause',
  'isolation',
  'partition',
  'cut',
  'flapping',
  'slow link',
  'slow server',
  'reset',
  'slow disk',
  'full disk',
  'failing disk',
  'bit rot',
  'file damaged',
  'hand-over',
  'leadership given away',
  'other release',
  'epoch ahead',
  'reconfig',
  'members changed',
  'majority without the weight',
  'minority with the weight',
  'observer fed by a follower',
  'observer changed master',
  'local session opened',
  'local session resumed at home',
  'local session refused elsewhere',
  'local session lost with its server',
  'local session closed',
  'local session expired',
  'local session upgraded',
  'upgraded session resumed elsewhere',
  'upgrade crossed a fail-over',
  'upgrade refused to who has gone',
  'late request of a local session refused',
  'ephemeral refused to a local session',
  'clock jump',
  'silent client',
  'client reset',
  'client cut',
] as const;

export type Situation = (typeof OBSERVED)[number] | (typeof OBSERVED_OF_ENSEMBLES)[number];

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

/** Every situation of a single server, in the order in which they are reported. */
const SITUATIONS: readonly string[] = [...OBSERVED, ...TOLD.map(([name]) => name)];

/** Of an ensemble: its servers end in other ways, and it takes other courses. */
const NOT_OF_ENSEMBLES = ['clean stop', 'power loss in recovery', 'snapshot damaged', 'settings changed'];
const SITUATIONS_OF_ENSEMBLES: readonly string[] = [
  ...SITUATIONS.filter((name) => !NOT_OF_ENSEMBLES.includes(name)),
  ...OBSERVED_OF_ENSEMBLES,
];

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
  describe(isEnsemble = false): string {
    const situations = isEnsemble ? SITUATIONS_OF_ENSEMBLES : SITUATIONS;
    const met = situations.filter((name) => this.counts.has(name)).map((name) => `${name} ${this.counts.get(name)}`);
    const missed = situations.filter((name) => !this.counts.has(name));
    return met.join(', ') + (missed.length > 0 ? `; never: ${missed.join(', ')}` : '');
  }

  #count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }
}
