/**
 * One server of the model: the real Peer, with a model of everything around it. It takes one input after the other, and
 * what comes of each is data. The same inputs after the same disk make the same server: that is all its identity.
 */
import {
  type Configuration,
  encodeNotification,
  type Link,
  NO_TALLIES,
  Peer,
  type Service,
  type ZabOptions,
} from '@treekeeper/server/internal';
import { type DiskState, entryOf, ModelDatabase, type Transaction, textOf } from './disk.ts';

/** Links are numbered by the server that has this end of them. */
export type Input =
  /** The election is an oracle: it may name anybody, and tell each server something else. */
  | { readonly kind: 'elect'; readonly leaderId: number }
  | { readonly kind: 'accept' }
  | { readonly kind: 'opened' | 'gone'; readonly link: number }
  | { readonly kind: 'data'; readonly link: number; readonly piece: number }
  | { readonly kind: 'disk' }
  | { readonly kind: 'write'; readonly text: string }
  /** Nothing is heard for so long that this server gives up its role. */
  | { readonly kind: 'silence' }
  | { readonly kind: 'hand-over' };

export type Happening =
  | { readonly kind: 'leads'; readonly epoch: number; readonly history: readonly Transaction[] }
  | { readonly kind: 'follows'; readonly epoch: number; readonly history: readonly Transaction[] }
  | { readonly kind: 'proposes'; readonly transaction: Transaction; readonly history: readonly Transaction[] }
  | { readonly kind: 'delivers'; readonly history: readonly Transaction[]; readonly isLeader: boolean };

/** What comes of an input, for others to see. What is sent and closed is so at the end of it. */
export interface Effects {
  readonly dialled: readonly { readonly link: number; readonly serverId: number }[];
  readonly sent: ReadonlyMap<number, string>;
  readonly closed: readonly number[];
  readonly happenings: readonly Happening[];
}

/** What can be seen of a server between two inputs. */
export interface View {
  readonly isLooking: boolean;
  readonly isListening: boolean;
  /** It leads, from the election on. */
  readonly hasLeadership: boolean;
  /** It takes writes. */
  readonly isOpen: boolean;
  readonly canFallSilent: boolean;
  readonly isDiskAtWork: boolean;
  /** The number of the next link. */
  readonly nextLink: number;
  readonly disk: DiskState;
  readonly afterCrash: readonly DiskState[];
  readonly text: string;
}

export interface Settings extends ZabOptions {
  readonly configuration: Configuration;
  /** What is on its way is named by a number. */
  readonly pieces: readonly string[];
}

/** Beyond every vote that is made from a history. */
const ORACLE_EPOCH = 2 ** 20;
const ORACLE_ROUNDS = 1_000_000;
const TURNS_MAX = 1000;
const LOOKING = 0;

class ModelLink implements Link {
  readonly remoteAddress = 'server';
  readonly unsentBytes = 0;
  readonly index: number;
  readonly #machine: Machine;
  isOpen = true;

  constructor(machine: Machine, index: number) {
    this.#machine = machine;
    this.index = index;
  }

  write(bytes: Uint8Array): void {
    if (this.isOpen) {
      this.#machine.sent.set(this.index, (this.#machine.sent.get(this.index) ?? '') + textOf(bytes));
    }
  }

  close(): void {
    if (this.isOpen) {
      this.isOpen = false;
      this.#machine.closed.push(this.index);
    }
  }
}

export class Machine implements Service {
  readonly #serverId: number;
  readonly #peer: Peer;
  readonly #database: ModelDatabase;
  readonly #links: ModelLink[] = [];
  readonly #settings: Settings;
  #nowMs = 0;
  #elections = 0;
  #isListening = false;
  #isServing = false;
  /** A role has ended, and the disk is still at work. */
  #ceasing: { readonly reload: boolean } | null = null;
  /** Proposed here by the leader, or told of as a learner, and not applied. */
  #proposals: Transaction[] = [];
  #committed = 0;
  sent = new Map<number, string>();
  closed: number[] = [];
  #dialled: { link: number; serverId: number }[] = [];
  #happenings: Happening[] = [];

  constructor(serverId: number, disk: DiskState, settings: Settings) {
    this.#serverId = serverId;
    this.#settings = settings;
    this.#database = new ModelDatabase(disk, {
      logSynced: (zxid) => this.#peer.logSynced(zxid),
      epochPersisted: (name) => this.#peer.epochPersisted(name),
      snapshotWritten: () => this.#peer.snapshotWritten(),
      truncated: (isDone) => this.#peer.truncated(isDone),
    });
    this.#peer = new Peer(
      { ...settings, serverId },
      {
        database: this.#database,
        service: this,
        peers: {
          setMembers: () => undefined,
          notify: () => undefined,
          dialAll: () => undefined,
          listen: () => this.#listen(true),
          stopListening: () => this.#listen(false),
          connect: (leaderId) => this.#dial(leaderId),
        },
        random: { next: () => 0 },
        tallies: NO_TALLIES,
        log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      },
      settings.configuration,
      null,
    );
    this.#turn(() => this.#peer.start(this.#nowMs));
  }

  // Inputs

  take(input: Input): Effects {
    this.sent = new Map();
    this.closed = [];
    this.#dialled = [];
    this.#happenings = [];
    this.#handle(input);
    // The one who closes a link is told, too; it comes to nothing new.
    for (const index of this.closed) {
      this.#turn(() => this.#peer.linkGone(this.#links[index]));
    }
    return { dialled: this.#dialled, sent: this.sent, closed: this.closed, happenings: this.#happenings };
  }

  #handle(input: Input): void {
    if (input.kind === 'elect') {
      this.#elect(input.leaderId);
    } else if (input.kind === 'accept') {
      const link = this.#newLink();
      this.#turn(() => this.#peer.linkOpen(link, false));
    } else if (input.kind === 'opened') {
      this.#turn(() => this.#peer.linkOpen(this.#links[input.link], true));
    } else if (input.kind === 'data') {
      const bytes = Buffer.from(this.#settings.pieces[input.piece], 'latin1');
      this.#turn(() => this.#peer.linkData(this.#links[input.link], bytes));
    } else if (input.kind === 'gone') {
      this.#links[input.link].isOpen = false;
      this.#turn(() => this.#peer.linkGone(this.#links[input.link]));
    } else if (input.kind === 'disk') {
      this.#turn(this.#database.step());
    } else if (input.kind === 'write') {
      this.#turn(() => this.#propose(input.text));
    } else if (input.kind === 'silence') {
      this.#silence();
    } else {
      this.#turn(() => this.#peer.leadership?.handOver(null));
    }
  }

  /** The votes of others, better than all there are, make a quorum with the own one. */
  #elect(leaderId: number): void {
    this.#elections++;
    this.#passTime();
    const { voters, text } = this.#settings.configuration;
    const vote = { leader: leaderId, zxid: ORACLE_EPOCH * 2 ** 32, peerEpoch: ORACLE_EPOCH };
    const notification = encodeNotification(LOOKING, vote, this.#elections * ORACLE_ROUNDS, text);
    const others = voters.filter((voter) => voter !== this.#serverId);
    for (const other of others.slice(0, Math.floor(voters.length / 2))) {
      this.#turn(() => this.#peer.notification(other, notification));
    }
    if (this.#peer.state === 'looking') {
      this.#passTime();
    }
  }

  /** To the next deadline. */
  #passTime(): void {
    this.#nowMs = Math.max(this.#nowMs, this.#peer.deadlineMs);
    this.#turn(() => undefined);
  }

  #silence(): void {
    const { leadership, learner } = this.#peer;
    for (let i = 0; this.#peer.leadership === leadership && this.#peer.learner === learner; i++) {
      if (i > TURNS_MAX || this.#peer.deadlineMs === Number.POSITIVE_INFINITY) {
        throw new Error(`server ${this.#serverId} never gives up (${this.#peer.phase})`);
      }
      this.#passTime();
    }
  }

  /** An input, and everything that a turn does after it. */
  #turn(input: () => void): void {
    this.#peer.tick(this.#nowMs);
    input();
    let isMore = true;
    for (let i = 0; isMore && i < TURNS_MAX; i++) {
      this.#database.flush();
      this.#apply();
      isMore = this.#peer.flush();
      this.#apply();
    }
    this.#database.flush();
    this.#settle();
  }

  /** Memory becomes what the log is as soon as that is on disk. */
  #settle(): void {
    if (this.#ceasing !== null && !this.#database.isAtWork) {
      const { reload } = this.#ceasing;
      this.#ceasing = null;
      if (reload) {
        this.#database.reload();
      } else {
        this.#database.replay();
      }
      this.#turn(() => this.#peer.settled());
    }
  }

  #apply(): void {
    const through = this.#peer.leader?.committed ?? this.#committed;
    while (this.#isServing && this.#proposals.length > 0 && this.#proposals[0].zxid <= through) {
      const { zxid, payload } = entryOf(this.#proposals.shift() as Transaction);
      this.#database.apply(zxid, payload);
      const isLeader = this.#peer.leader !== null;
      this.#happenings.push({ kind: 'delivers', history: [...this.#database.transactions], isLeader });
    }
  }

  #propose(text: string): void {
    const { leader } = this.#peer;
    if (leader?.open) {
      const transaction = { zxid: leader.nextZxid(), text };
      this.#proposals.push(transaction);
      const history = [...this.#database.transactions];
      this.#happenings.push({ kind: 'proposes', transaction, history });
      leader.propose(transaction.zxid, entryOf(transaction).payload);
    }
  }

  // What others see of it

  get view(): View {
    const { state, phase, leadership, leader, leaderId, deadlineMs } = this.#peer;
    const { disk, isAtWork, afterCrash, lastZxid } = this.#database;
    const isLooking = state === 'looking';
    return {
      isLooking: isLooking && phase === 'looking',
      isListening: this.#isListening,
      hasLeadership: leadership !== null,
      isOpen: leader?.open ?? false,
      canFallSilent: !isLooking && deadlineMs !== Number.POSITIVE_INFINITY,
      isDiskAtWork: isAtWork,
      nextLink: this.#links.length,
      disk,
      afterCrash,
      text: `${state} ${phase} of ${leaderId ?? '-'}, applied through 0x${lastZxid.toString(16)}`,
    };
  }

  // Peers

  #listen(isListening: boolean): void {
    this.#isListening = isListening;
  }

  #newLink(): ModelLink {
    const link = new ModelLink(this, this.#links.length);
    this.#links.push(link);
    return link;
  }

  #dial(serverId: number): Link {
    const link = this.#newLink();
    this.#dialled.push({ link: link.index, serverId });
    return link;
  }

  // Service

  lead(epoch: number): void {
    this.#isServing = true;
    this.#happenings.push({ kind: 'leads', epoch, history: [...this.#database.transactions] });
  }

  follow(): void {
    this.#isServing = true;
    this.#committed = 0;
    const epoch = this.#peer.learner?.epoch ?? 0;
    this.#happenings.push({ kind: 'follows', epoch, history: [...this.#database.transactions] });
  }

  cease(reload: boolean): void {
    this.#isServing = false;
    this.#proposals = [];
    this.#ceasing = { reload };
  }

  proposed(zxid: number, payload: Uint8Array): void {
    this.#proposals.push({ zxid, text: textOf(payload) });
  }

  committed(zxid: number): void {
    this.#committed = zxid;
  }

  configurationIn(): null {
    return null; // the members do not change
  }

  // Of clients, whom the model does not have

  forwarded(): void {}
  revalidate(): boolean {
    return false;
  }
  touched(): void {}
  takeTouched(): Iterable<readonly [bigint, number]> {
    return [];
  }
  revalidated(): void {}
  takenElsewhere(): void {}
  readonly homes = { claim: () => {}, moveTo: () => {}, isElsewhere: () => false };
  syncDone(): void {}
  configured(): void {}
  configProposed(): void {}
}
