/** Watches over the life of a session: set after replies, fired by events, set again on new connections. */
import type { WatcherEvent } from '@treekeeper/protocol';
import { limits } from '../limits.ts';
import { internalRequest, setWatches2Operation, setWatchesOperation } from './internal-requests.ts';
import { ProtocolViolation, type Requests } from './requests.ts';
import type { SessionOutput, SessionRequest, Watcher, WatchTableName } from './types.ts';
import { eventName, SET_WATCHES_BYTES, Watches } from './watches.ts';

export class WatchKeeper {
  readonly #requestBytesMax: number;
  readonly #requests: Requests;
  readonly #outputs: SessionOutput[];
  readonly #watches = new Watches();
  /** setWatches sent on this connection and not answered yet; the answer to the last one ends the catching up. */
  readonly #rearming = new Set<SessionRequest>();
  /** Every change up to here has been told to the persistent watches. */
  #coveredZxid = 0n;
  /** The connection on which that held is gone, and not all watches are set on another one yet. */
  #isBehind = false;
  /** What the session had seen then: since then one-shot watches may have missed something. */
  #behindZxid = 0n;
  #batchBytes: number = limits.setWatchesBytesMax;

  constructor(requestBytesMax: number, requests: Requests, outputs: SessionOutput[]) {
    this.#requestBytesMax = requestBytesMax;
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
    return this.#watches.has(path) || this.#requests.isToWatch(path);
  }

  /**
   * Sets what a request was to leave behind; takes note of how far the server is. Throws ProtocolViolation when the
   * watches were not set again: a connection without them is of no use.
   */
  answered(request: SessionRequest, zxid: bigint): void {
    if (this.#rearming.delete(request)) {
      if (request.failure !== null) {
        throw new ProtocolViolation(`the watches could not be set again: ${request.failure.code}`);
      }
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

  /** Servers close a connection at a request that is longer than they take: then less of it is asked at a time. */
  connectionLost(lastZxid: bigint): void {
    if (this.#rearming.size > 0) {
      this.#batchBytes = Math.max(limits.setWatchesBytesMin, this.#batchBytes / 2);
    }
    this.#rearming.clear();
    if (!this.#isBehind) {
      // Later answers on a connection where only some were set say nothing of the others.
      this.#behindZxid = lastZxid;
    }
    this.#isBehind = true;
  }

  /** First thing on a connection, behind the credentials. Each fits: no watch is taken whose path alone would not. */
  replay(): void {
    const bytesMax = Math.min(this.#batchBytes, this.#requestBytesMax - SET_WATCHES_BYTES);
    const batches = this.#watches.batches(this.#behindZxid, bytesMax);
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
