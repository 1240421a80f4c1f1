/** Who asks for a snapshot hears of its end, whatever becomes of it. */
import { describe, expect, test } from 'vitest';
import { ReplicaControl } from '../../src/admin/replica-control.ts';
import type { ReplicaView } from '../../src/admin/replica-view.ts';
import type { SnapshotFile } from '../../src/admin/view.ts';
import type { Replica } from '../../src/replica/replica.ts';
import { TestServer } from '../replica/support.ts';

/** A server that takes several turns to write a snapshot, and its operator. */
class Operated {
  readonly server = new TestServer();
  readonly control: ReplicaControl;
  /** In place of the server's own. */
  replica: Replica | null = null;
  /** What became of the requests, in the order in which they ended. */
  readonly ends: string[] = [];

  constructor() {
    this.control = new ReplicaControl({
      view: {} as ReplicaView,
      replica: () => this.replica ?? this.server.replica,
      wake: () => {},
      readSnapshot: () => {
        throw new Error('nobody reads it');
      },
      restore: () => Promise.reject(new Error('nothing is restored')),
    });
  }

  ask(): void {
    this.control.takeSnapshot().then(
      ({ lastZxid }: SnapshotFile) => this.ends.push(`zxid ${lastZxid}`),
      ({ message }: Error) => this.ends.push(message),
    );
  }

  /** One turn, in which the disk does nothing. */
  async turn(): Promise<void> {
    this.server.turn();
    this.control.afterTurn();
    await new Promise(setImmediate);
  }

  async settle(): Promise<void> {
    this.server.settle();
    await this.turn();
  }
}

const GIVEN_UP = 'the snapshot was given up, for its tree was about to be another one: ask again';

describe('who waits for a snapshot', () => {
  test('is told its zxid; who asked while one was being written, that of the next', async () => {
    const operated = new Operated();
    operated.ask();
    await operated.turn();
    operated.ask();
    await operated.turn();
    expect(operated.ends).toEqual([]);
    operated.server.client();
    await operated.turn();
    expect(operated.ends).toEqual(['zxid 0']);
    await operated.settle();
    expect(operated.ends).toEqual(['zxid 0', 'zxid 1']);
  });

  test('is told that it was given up, as a change of role does', async () => {
    const operated = new Operated();
    operated.ask();
    await operated.turn();
    operated.server.replica.snapshots.abandon();
    await operated.settle();
    expect(operated.ends).toEqual([GIVEN_UP]);
    operated.ask();
    await operated.turn();
    await operated.settle();
    expect(operated.ends).toEqual([GIVEN_UP, 'zxid 0']);
  });

  test('is told so when another replica has taken the place of the one that wrote it', async () => {
    const operated = new Operated();
    operated.ask();
    await operated.turn();
    operated.replica = new TestServer().replica;
    await operated.turn();
    expect(operated.ends).toEqual([GIVEN_UP]);
  });

  test('is refused while a leader gives this server its tree', async () => {
    const operated = new Operated();
    const { snapshots, world } = operated.server.replica;
    snapshots.replaceWorld(world, true);
    operated.ask();
    await operated.turn();
    expect(operated.ends).toEqual(['this server is being given its tree by a leader: ask again']);
  });
});
