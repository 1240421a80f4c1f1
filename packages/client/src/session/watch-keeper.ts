/** Watches over the life of a session: set after replies, fired by events, set again on new connections. */
import type { WatcherEvent } from '@treekeeper/protocol';
import { limits } from '../limits.ts';
import { internalRequest, setWatches2Operation, setWatchesOperation } from './internal-requests.ts';
import type { Requests } from './requests.ts';
import type { SessionOutput, SessionRequest, Watcher, WatchTableName } from './types.ts';
import { eventName, Watches } from './watches.ts';

export class WatchKeeper {
  readonly #requests: Requests;
  readonly #outputs: SessionOutput[];
  readonly #watches = new Watches();
  /** setWatches sent on this connection and not answered yet; the answer to the last one ends the catching up. */
  readonly #rearming = new Set<SessionRequest>();
  /** Every change up to here has been told to the persistent watches. */
  #coveredZxid = 0n;
  /** The connection on which that held is gone. */
  #isBehind = false;

  constructor(requests: Requests, outputs: SessionOutput[]) {
    this.#requests = requests;
    this.#outputs = outputs;
  }

  forget(table: WatchTableName, path: string, watcher: Watcher): boolean {
    return this.#watches.remove(table, path, watcher);
  }

  remove(tables: readonly WatchTableName[], path: string): boolean {
    for (const watcher of this.#watches.take(tables, path)) {
      this.#outputs.push({ kind: 'event', watcher, type: 'removed', path, zxid: null });
    }
    return this.#watches.has(path);
  }

  /** Sets what a request was to leave behind; takes note of how far the server is. */
  answered(request: SessionRequest, zxid: bigint): void {
    if (this.#rearming.delete(request)) {
      if (this.#rearming.size === 0) {
        this.#caughtUp(zxid);
      }
      return;
    }
    this.covered(zxid);
    const { watch, failure } = request;
    if (watch === null || request.phase === 'done') {
      return;
    }
    if (failure === null) {
      this.#watches.add(watch.on === 'exists' ? 'data' : watch.on, watch.path, watch.watcher);
    } else if (watch.on === 'exists' && failure.code === 'NO_NODE') {
      this.#watches.add('exist', watch.path, watch.watcher);
    }
  }

  /** The server shows that it has applied everything up to `zxid`, so its events up to there have come. */
  covered(zxid: bigint): void {
    if (!this.#isBehind && zxid > this.#coveredZxid) {
      this.#coveredZxid = zxid;
    }
  }

  fire(event: WatcherEvent, zxid: bigint): void {
    const type = eventName(event.type);
    if (type === undefined) {
      return;
    }
    // What setWatches finds out is for one-shot watches alone: persistent ones are told of the gap instead, once.
    const isCatchingUp = this.#rearming.size > 0 && zxid <= 0n;
    for (const watcher of this.#watches.fire(type, event.path, !isCatchingUp)) {
      this.#outputs.push({ kind: 'event', watcher, type, path: event.path, zxid: zxid > 0n ? zxid : null });
    }
  }

  connectionLost(): void {
    this.#rearming.clear();
    this.#isBehind = true;
  }

  /** First thing on a connection, behind the credentials. */
  replay(lastZxid: bigint): void {
    const batches = this.#watches.batches(lastZxid, limits.setWatchesBytesMax);
    for (const batch of batches) {
      const plain = batch.persistentWatches.length + batch.persistentRecursiveWatches.length === 0;
      const request = internalRequest(plain ? setWatchesOperation : setWatches2Operation, batch);
      this.#rearming.add(request);
      this.#requests.sendNow(request);
    }
    this.#isBehind &&= batches.length > 0;
  }

  end(): void {
    for (const [path, watcher] of this.#watches.clear()) {
      this.#outputs.push({ kind: 'event', watcher, type: 'lost', path, zxid: null });
    }
  }

  #caughtUp(zxid: bigint): void {
    const coveredZxid = this.#coveredZxid;
    const wasBehind = this.#isBehind;
    this.#isBehind = false;
    this.covered(zxid);
    if (wasBehind && zxid !== coveredZxid) {
      for (const [path, watcher] of this.#watches.persistent()) {
        this.#outputs.push({ kind: 'event', watcher, type: 'gap', path, zxid: coveredZxid });
      }
    }
  }
}
