/** One election machine on a bench: others are what the test says they say. */
import { PeerState } from '@treekeeper/protocol';
import type { Log } from '../../src/io/log.ts';
import type { Configuration } from '../../src/zab/configuration.ts';
import { Election, type OwnHistory } from '../../src/zab/election.ts';
import { encodeNotification, LONG_MIN, readNotification } from '../../src/zab/vote.ts';
import { configurationOf, SILENT } from './support.ts';

export const { looking, following, leading, observing } = PeerState;

/** What a test says of a notification; the rest is 0. */
export interface Said {
  readonly state?: PeerState;
  readonly leader: number;
  readonly zxid?: number;
  readonly round?: number;
  readonly peerEpoch?: number;
  readonly config?: string;
}

export interface BenchOptions {
  readonly me?: number;
  readonly committed?: Configuration;
  readonly lastSeen?: Configuration | null;
  readonly history?: OwnHistory;
  readonly adoptsConfigurations?: boolean;
  readonly log?: Log;
}

const STATES = ['LOOKING', 'FOLLOWING', 'LEADING', 'OBSERVING'];

export class Bench {
  readonly election: Election;
  readonly committed: Configuration;
  readonly #lastSeen: Configuration | null;
  readonly #history: OwnHistory;
  nowMs = 1000;
  dials = 0;
  /** The configuration in each notification sent. */
  readonly configs: (string | null)[] = [];
  #sent: string[] = [];

  constructor(options: BenchOptions = {}) {
    const { me = 3, adoptsConfigurations = false, log = SILENT } = options;
    this.committed = options.committed ?? configurationOf([1, 2, 3, 4, 5]);
    this.#lastSeen = options.lastSeen ?? null;
    this.#history = options.history ?? { lastZxid: 0x100, currentEpoch: 1 };
    this.election = new Election(
      { serverId: me, notificationIntervalMsMin: 200, notificationIntervalMsMax: 60_000, adoptsConfigurations },
      {
        notify: (to, bytes) => {
          this.#sent.push(`${to}: ${describeNotification(bytes)}`);
          this.configs.push(readNotification(to, bytes).config);
        },
        dialAll: () => {
          this.dials += 1;
        },
      },
      log,
    );
  }

  /** A bench whose machine has begun, what it said first set aside. */
  static started(options: BenchOptions = {}): Bench {
    const bench = new Bench(options);
    bench.start();
    bench.said();
    return bench;
  }

  start(history = this.#history): void {
    this.election.start(this.nowMs, history, this.committed, this.#lastSeen);
  }

  /** Another server says something. */
  hear(from: number, { state = looking, leader, zxid = 0, round = 1, peerEpoch = 0, config = '' }: Said) {
    return this.election.receive(
      from,
      encodeNotification(state, { leader, zxid, peerEpoch }, round, config),
      this.nowMs,
    );
  }

  /** Time passes, and the machine is woken when it wants to be. */
  wait(ms: number): void {
    const end = this.nowMs + ms;
    while (this.election.deadlineMs <= end) {
      this.nowMs = Math.max(this.nowMs, this.election.deadlineMs);
      this.election.tick(this.nowMs);
    }
    this.nowMs = end;
  }

  /** What the machine has sent since this was last asked. */
  said(): string[] {
    const said = this.#sent;
    this.#sent = [];
    return said;
  }
}

/** Has joined an ensemble that 5 leads since round 4. */
export function joinedBench(): Bench {
  const bench = Bench.started();
  bench.hear(5, { state: leading, leader: 5, zxid: 0x500, round: 4, peerEpoch: 4 });
  bench.hear(4, { state: following, leader: 5, zxid: 0x500, round: 4, peerEpoch: 4 });
  bench.hear(1, { state: following, leader: 5, zxid: 0x500, round: 4, peerEpoch: 4 });
  bench.said();
  return bench;
}

/** `LOOKING 3 zxid=100 round=1 epoch=1`. */
export function describeNotification(bytes: Uint8Array): string {
  const { state, leader, zxid, round, peerEpoch } = readNotification(0, bytes);
  const text = (number: number) => (number === LONG_MIN ? 'min' : number.toString(16));
  return `${STATES[state]} ${text(leader)} zxid=${text(zxid)} round=${round} epoch=${text(peerEpoch)}`;
}
