/**
 * One bug each in an ensemble: in a disk, in what goes over the wire, or in a method of the server that is another one
 * while a test runs.
 */

import { PacketType } from '@treekeeper/protocol';
import { Configuration, type DiskStep } from '@treekeeper/server/internal';
import { Leading } from '../../server/src/replica/leading.ts';
import { Service } from '../../server/src/replica/service.ts';
import { Syncs } from '../../server/src/replica/syncs.ts';
import { ExpiryQueue } from '../../server/src/sessions/expiry.ts';
import { Broadcast } from '../../server/src/zab/broadcast.ts';
import { Leader } from '../../server/src/zab/leader.ts';
import type { SimulatedConnection } from '../src/connection.ts';
import { SimulatedDisk } from '../src/disk.ts';
import type { Fault } from '../src/ensemble/faults.ts';
import type { EnsemblePlan } from '../src/ensemble/plan.ts';
import type { EnsembleDoubles } from '../src/ensemble/world.ts';
import {
  EventsTwice,
  HastyDisk,
  LateEvents,
  LazyDisk,
  LostEvents,
  SilentDisk,
  SwappedAnswers,
  WrongBytes,
} from './planted-bugs.ts';

export interface PlantedEnsembleBug {
  readonly what: string;
  /** Which judges may see it first. */
  readonly invariants: readonly string[];
  readonly doubles?: () => EnsembleDoubles;
  /** Changes the server; returns what changes it back. */
  readonly plant?: () => () => void;
  /** The faults with which it shows soon, in place of those that seeds draw. */
  readonly faults?: (plan: EnsemblePlan) => Fault[];
}

/** Some faults of a kind, one after the other. */
function oneAfterTheOther(
  count: number,
  fault: (plan: EnsemblePlan, i: number) => object,
): (plan: EnsemblePlan) => Fault[] {
  return (plan) =>
    Array.from({ length: count }, (_, i) => {
      const eachMs = plan.safetyMs / count;
      const base = { atMs: (i + 0.3) * eachMs, ms: eachMs / 2, rush: true, resets: true };
      return { ...base, ...fault(plan, i) } as Fault;
    });
}

type Make = new () => SimulatedDisk;

function disks(Kind: Make, isMeant: (serverId: number) => boolean = () => true): () => EnsembleDoubles {
  return () => ({ disk: (serverId) => (isMeant(serverId) ? new Kind() : new SimulatedDisk()) });
}

function connections(Kind: new (port: number) => SimulatedConnection): () => EnsembleDoubles {
  return () => ({ connection: (port) => new Kind(port) });
}

/** Another method in place of one of the server's. */
function replaced<T extends object, K extends keyof T>(
  holder: T,
  name: K,
  method: (original: T[K]) => T[K],
): () => () => void {
  return () => {
    const original = holder[name];
    holder[name] = method(original);
    return () => {
      holder[name] = original;
    };
  };
}

/** Promises to leaders are forgotten in a crash. */
class ForgetsEpochsDisk extends SimulatedDisk {
  override submit(steps: readonly DiskStep[]): number {
    const isKept = (step: DiskStep) => step.op !== 'rename' || !step.to.endsWith('Epoch');
    return super.submit(steps.filter(isKept));
  }
}

/** One acknowledgement is enough. */
class HastyConfiguration extends Configuration {
  override committedThrough(ackedThrough: ReadonlyMap<number, number>): number {
    return Math.max(...ackedThrough.values());
  }
}

/** Whoever is there is a quorum. */
class LonelyConfiguration extends HastyConfiguration {
  override hasQuorum(servers: ReadonlySet<number>): boolean {
    return servers.size > 0;
  }
}

function configuration(Kind: typeof Configuration): () => EnsembleDoubles {
  return () => ({
    configuration: ({ members, groups, weights, version }) => new Kind({ members, groups, weights, version }),
  });
}

/** The last byte of proposals to one follower is another: the digest, or the end of the data. */
function changedProposals(): EnsembleDoubles {
  return {
    wiretap: (_from, to, bytes) => {
      const copy = Buffer.from(bytes);
      if (to === 2 && copy.length > 40 && copy.readInt32BE(0) === PacketType.proposal) {
        const dataBytes = copy.readInt32BE(12);
        copy[16 + dataBytes - 1] ^= 1;
      }
      return copy;
    },
  };
}

const ALMOST_ALWAYS = 7;

export const plantedEnsembleBugs: readonly PlantedEnsembleBug[] = [
  { what: 'nobody waits for the disk', invariants: ['quorum', 'durability'], doubles: disks(HastyDisk) },
  {
    what: 'some acknowledge before they have synced',
    invariants: ['quorum', 'durability'],
    doubles: disks(HastyDisk, (id) => id % 2 === 0),
  },
  { what: 'nothing is ever synced', invariants: ['quorum'], doubles: disks(LazyDisk) },
  {
    what: 'epochs are forgotten',
    invariants: ['leaders', 'StorageError'],
    doubles: disks(ForgetsEpochsDisk),
    faults: oneAfterTheOther(6, () => ({ kind: 'power loss everywhere', ms: 100 })),
  },
  {
    what: 'what was proposed is in the log, and not in the tree, when a role ends',
    invariants: ['order', 'durability', 'digest', 'AssertionFailure'],
    plant: replaced(Service.prototype, 'fastForward', () => () => {}),
  },
  { what: 'the disks stop answering', invariants: ['progress'], doubles: disks(SilentDisk) },
  { what: 'one acknowledgement commits', invariants: ['quorum'], doubles: configuration(HastyConfiguration) },
  {
    what: 'a minority elects and commits',
    invariants: ['quorum', 'leaders', 'durability', 'order'],
    doubles: configuration(LonelyConfiguration),
  },
  { what: 'proposals change on their way', invariants: ['order'], doubles: changedProposals },
  {
    what: 'a zxid is used again',
    invariants: ['order', 'AssertionFailure'],
    plant: replaced(
      Leader.prototype,
      'nextZxid',
      (original) =>
        function (this: Leader) {
          return this.lastProposed % 16 === ALMOST_ALWAYS ? this.lastProposed : original.call(this);
        },
    ),
  },
  {
    what: 'a leader stays without its followers',
    invariants: ['progress'],
    plant: replaced(Broadcast.prototype, 'hasQuorum', () => () => true),
  },
  {
    what: 'syncs do not wait for the leader',
    invariants: ['real time'],
    plant: replaced(
      Syncs.prototype,
      'ask',
      (original) =>
        function (this: Syncs) {
          original.call(this);
          return { zxid: 0 };
        },
    ),
  },
  {
    what: 'sessions that are closed go on elsewhere',
    invariants: ['handshake'],
    plant: replaced(Leading.prototype, 'revalidate', () => () => true),
  },
  {
    what: 'sessions expire too early',
    invariants: ['expiry'],
    plant: replaced(
      ExpiryQueue.prototype as ExpiryQueue<never>,
      'touch',
      (original) =>
        function (this: ExpiryQueue<never>, item, nowMs, timeoutMs) {
          return original.call(this, item, nowMs, timeoutMs / 3);
        },
    ),
  },
  { what: 'events come after the answer', invariants: ['events'], doubles: connections(LateEvents) },
  { what: 'events come twice', invariants: ['events'], doubles: connections(EventsTwice) },
  { what: 'events get lost', invariants: ['events'], doubles: connections(LostEvents) },
  { what: 'answers change places', invariants: ['replies', 'order'], doubles: connections(SwappedAnswers) },
  { what: 'answers have wrong bytes', invariants: ['replies'], doubles: connections(WrongBytes) },
];
