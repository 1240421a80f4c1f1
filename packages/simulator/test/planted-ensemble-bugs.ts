/** One bug each in an ensemble: in a disk, in what goes over the wire, or in what counts as a quorum. */
import { PacketType } from '@treekeeper/protocol';
import { Configuration, type DiskStep, type Random } from '@treekeeper/server/internal';
import type { SimulatedConnection } from '../src/connection.ts';
import { SimulatedDisk } from '../src/disk.ts';
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
import { oneAfterTheOther, type PlantedEnsembleBug } from './planting.ts';

type Make = new () => SimulatedDisk;

function disks(Kind: Make, isMeant: (serverId: number) => boolean = () => true): () => EnsembleDoubles {
  return () => ({ disk: (serverId) => (isMeant(serverId) ? new Kind() : new SimulatedDisk()) });
}

function connections(Kind: new (port: number) => SimulatedConnection): () => EnsembleDoubles {
  return () => ({ connection: (port) => new Kind(port) });
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

const PACKET_HEAD_BYTES = 16;

/** TRUNC is DIFF: learners keep what they have. */
function withoutCuts(_from: number, _to: number, bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  for (let at = 0; at + PACKET_HEAD_BYTES + 4 <= copy.length; ) {
    const type = copy.readInt32BE(at);
    if (type === PacketType.trunc) {
      copy.writeInt32BE(PacketType.diff, at);
    } else if (type === PacketType.snap) {
      break; // what follows is no packet
    }
    at += PACKET_HEAD_BYTES + Math.max(0, copy.readInt32BE(at + 12)) + 4; // leaders send no authinfo
  }
  return copy;
}

/** Loses everything with the power. */
class EmptyingDisk extends SimulatedDisk {
  override crash(random: Random): void {
    super.crash(random);
    for (const area of ['data', 'log'] as const) {
      for (const { name } of this.list(area)) {
        this.remove(area, name);
      }
    }
  }
}

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
    faults: oneAfterTheOther(25, () => ({ kind: 'power loss everywhere', ms: 50 })),
  },
  {
    what: 'disks are empty after a loss of power, and their servers vote',
    invariants: ['leaders', 'durability'],
    doubles: disks(EmptyingDisk),
    faults: oneAfterTheOther(4, () => ({ kind: 'power loss everywhere', ms: 100 })),
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
    what: 'what was never committed is not cut off',
    invariants: ['order', 'durability'],
    doubles: () => ({ wiretap: withoutCuts }),
    faults: oneAfterTheOther(6, () => ({ kind: 'isolation', target: 'leader', way: 'both' })),
  },
  { what: 'events come after the answer', invariants: ['events'], doubles: connections(LateEvents) },
  { what: 'events come twice', invariants: ['events'], doubles: connections(EventsTwice) },
  { what: 'events get lost', invariants: ['events'], doubles: connections(LostEvents) },
  { what: 'answers change places', invariants: ['replies', 'order'], doubles: connections(SwappedAnswers) },
  { what: 'answers have wrong bytes', invariants: ['replies'], doubles: connections(WrongBytes) },
];
