/** From the changes of a transaction to the events in the outputs of those who watch (client-protocol.md §7.3–7.5). */
import { EventType, Perms } from '@treekeeper/protocol';
import type { AccessControl, Watcher, World } from '../operations/operation.ts';
import type { Change } from '../tree/data-tree.ts';
import type { Deliver } from '../watches/watch-table.ts';
import type { ClientConnection } from './client-connection.ts';
import { EventEncoder } from './event-encoder.ts';
import type { Instruments } from './instruments.ts';
import type { Outputs } from './output.ts';

export class WatchEvents {
  readonly #access: AccessControl;
  readonly #outputs: Outputs;
  readonly #instruments: Instruments;
  readonly #encoder = new EventEncoder();
  /** Of the transaction whose changes are being told. */
  #zxid = 0;
  #nodeEvents = 0;
  #childEvents = 0;

  constructor(access: AccessControl, outputs: Outputs, instruments: Instruments) {
    this.#access = access;
    this.#outputs = outputs;
    this.#instruments = instruments;
  }

  /** Tells the changes of the transaction just applied, and forgets them. */
  fire({ tree, watches }: World, zxid: number): void {
    const { changes } = tree;
    if (changes.length === 0) {
      return;
    }
    this.#zxid = zxid;
    for (const change of changes) {
      this.#fireOne(watches, change);
    }
    changes.length = 0;
  }

  #fireOne(watches: World['watches'], change: Change): void {
    this.#nodeEvents = 0;
    this.#childEvents = 0;
    watches.trigger(change, this.#deliver);
    this.#instruments.fired(change.kind, this.#nodeEvents, this.#childEvents);
  }

  /** Who may not read the node does not hear of it; a one-shot watch is used up all the same (§7.4). */
  readonly #deliver: Deliver<Watcher> = (watcher, type, path, acl) => {
    if (!this.#access.permits(acl, Perms.read, watcher.identities)) {
      return;
    }
    if (type === EventType.nodeChildrenChanged) {
      this.#childEvents++;
    } else {
      this.#nodeEvents++;
    }
    watcher.sendEvent(type, path, this.#zxid);
  };

  /** Puts an event into a connection's output. zxid −1: unknown. */
  readonly send = (client: ClientConnection, type: number, path: string, zxid: number): void => {
    // One that is being closed still gets answers in this turn, so it gets the events that come before them: without,
    // its client would come back having seen the zxid and not the change.
    if (client.gone) {
      return;
    }
    const frame = this.#encoder.encode(type, path, zxid);
    this.#outputs.of(client).raw(frame);
    this.#instruments.watchBytes.value += frame.length;
    client.statistics.packetsSent++;
    this.#instruments.statistics.packetsSent++;
  };
}
