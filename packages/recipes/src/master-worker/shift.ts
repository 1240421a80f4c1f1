/**
 * A worker's time at work: from joining to the moment when its node is no longer certain to be there. What it does not
 * know to be its own it does not begin; what it has begun is told to stop when it is no longer its own.
 */
import { randomUUID } from 'node:crypto';
import { type Client, isTreekeeperError, type NodeValue, type Watch } from '@treekeeper/client';
import { forever } from '../forever.ts';
import { Hold } from '../hold.ts';
import { nameOf } from '../paths.ts';
import { untilAnswered } from '../repeat.ts';
import { Assigned, type Duty } from './assigned.ts';
import { decodeAssignment, decodeTask, encodeRecord, type WorkerRecord } from './records.ts';

/** Assignments in one request, with the task of each. */
const PAIRS_MAX = 16;

/** A task that is assigned here, and what to call it off with. */
interface Entry<Payload, Result> {
  readonly version: number;
  readonly assigned: Assigned<Payload, Result>;
}

export class Shift<Payload, Result> {
  readonly #client: Client;
  readonly #duty: Duty<Payload, Result>;
  readonly #worker: string;
  readonly #hold: Hold;
  readonly #watch: Watch;
  readonly #entries = new Map<string, Entry<Payload, Result>>();
  /** Assignments of which something was told, and whether it was only that they have ended. */
  readonly #dirty = new Map<string, { readonly isEnd: boolean }>();
  #isLooking = false;
  #failure: unknown = null;
  readonly #over: Promise<void>;

  private constructor(client: Client, duty: Duty<Payload, Result>, worker: string, hold: Hold) {
    this.#client = client;
    this.#duty = duty;
    this.#worker = worker;
    this.#hold = hold;
    this.#watch = client.watch(duty.layout.folder(worker), { recursive: true, ...forever });
    this.#over = new Promise((resolve) => hold.signal.addEventListener('abort', () => resolve(), { once: true }));
    void this.#over.then(() => this.#end());
    void this.#follow();
  }

  /** Joins. From here on the master knows this worker. */
  static async begin<Payload, Result>(
    client: Client,
    duty: Duty<Payload, Result>,
    name: string,
    record: WorkerRecord,
  ): Promise<Shift<Payload, Result>> {
    const worker = `${name}-${randomUUID().slice(0, 13)}`;
    const { layout } = duty;
    const node = layout.worker(worker);
    await untilAnswered(
      () =>
        client
          .transaction()
          .create(layout.folder(worker), null)
          .create(node, encodeRecord(record), { mode: 'ephemeral' })
          .commit(forever),
      (error) => isTreekeeperError(error, 'NODE_EXISTS'),
    );
    const stat = await client.exists(node, forever);
    const hold = new Hold(client, { path: layout.root, node, token: stat?.czxid ?? 0n }, { onDisconnect: 'wait' });
    const shift = new Shift(client, duty, worker, hold);
    try {
      await shift.#watch.ready;
      await shift.#list(); // what came between joining and watching
    } catch (error) {
      await hold.release(); // nobody would be behind it
      throw error;
    }
    shift.#look();
    return shift;
  }

  /** Fulfils when it is over, or the signal fires; rejects when it could not go on. */
  async over(signal: AbortSignal): Promise<void> {
    if (signal.aborted) {
      return;
    }
    let stop: () => void = () => undefined;
    const stopped = new Promise<void>((resolve) => {
      stop = resolve;
    });
    signal.addEventListener('abort', stop, { once: true });
    await Promise.race([this.#over, stopped]);
    signal.removeEventListener('abort', stop);
    if (this.#failure !== null) {
      throw this.#failure;
    }
  }

  /** Leaves in good order: takes nothing more, gives back what was not begun, finishes the rest. */
  async leave(): Promise<void> {
    if (!this.#hold.signal.aborted) {
      const path = this.#duty.layout.worker(this.#worker);
      const record = encodeRecord({ capacity: 0, data: {} });
      // If this fails it is gone, and needs not be told.
      await this.#client.set(path, record, { idempotent: true, ...forever }).catch(() => undefined);
    }
    await Promise.all([...this.#entries.values()].map(({ assigned }) => assigned.giveBack()));
    await this.#hold.release();
  }

  #end(): void {
    for (const { assigned } of this.#entries.values()) {
      assigned.callOff();
    }
    void this.#watch.close();
  }

  async #follow(): Promise<void> {
    try {
      for await (const { type, path } of this.#watch) {
        if (type === 'gap') {
          await this.#list();
        } else if (path !== this.#watch.path) {
          const id = nameOf(path);
          this.#dirty.set(id, { isEnd: type === 'deleted' && this.#dirty.get(id)?.isEnd !== false });
        }
        this.#look();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    void this.#hold.release();
  }

  async #list(): Promise<void> {
    const listed = await this.#client.children(this.#watch.path, forever);
    for (const id of [...listed, ...this.#entries.keys()]) {
      this.#dirty.set(id, { isEnd: false });
    }
  }

  /** One look at a time, at all there is to look at. */
  #look(): void {
    if (!this.#isLooking && this.#dirty.size > 0) {
      this.#isLooking = true;
      this.#readAll()
        .catch((error: unknown) => this.#fail(error))
        .finally(() => {
          this.#isLooking = false;
          this.#look();
        });
    }
  }

  async #readAll(): Promise<void> {
    await new Promise(setImmediate); // what is told in one go is read in one go, and a commit's answer comes with it
    const ids = [...this.#dirty].filter(([id, { isEnd }]) => !(isEnd && this.#isFinished(id))).map(([id]) => id);
    this.#dirty.clear();
    const chunks: Promise<void>[] = [];
    for (let i = 0; i < ids.length; i += PAIRS_MAX) {
      chunks.push(this.#readChunk(ids.slice(i, i + PAIRS_MAX)));
    }
    await Promise.all(chunks);
  }

  /** The end of what this worker has finished is no news, nor that of what it never took up. */
  #isFinished(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry !== undefined && !entry.assigned.isDelivered) {
      return false;
    }
    this.#entries.delete(id);
    return true;
  }

  async #readChunk(ids: readonly string[]): Promise<void> {
    const { layout } = this.#duty;
    const paths = ids.flatMap((id) => [layout.assignment(this.#worker, id), layout.task(id)]);
    const results = await this.#client.multiRead(
      paths.map((get) => ({ get })),
      forever,
    );
    for (const [i, id] of ids.entries()) {
      const [assignment, task] = results.slice(2 * i, 2 * i + 2).map((result) => ('error' in result ? null : result));
      this.#onAssignment(id, assignment ?? null, task ?? null);
    }
  }

  #onAssignment(id: string, assignment: NodeValue<Uint8Array> | null, task: NodeValue<Uint8Array> | null): void {
    const known = this.#entries.get(id);
    if (assignment === null) {
      known?.assigned.callOff();
      this.#entries.delete(id);
      return;
    }
    const { version, czxid, mzxid } = assignment.stat;
    const { layout } = this.#duty;
    const path = layout.assignment(this.#worker, id);
    const record = decodeAssignment(path, assignment.value);
    // What this worker wrote itself comes back as news, too: only an order to begin is one.
    if (
      record.state !== 'assigned' ||
      task === null ||
      (known !== undefined && known.version >= version && known.assigned.czxid === czxid)
    ) {
      return;
    }
    const { header, body } = decodeTask(layout.task(id), task.value);
    if (header.state !== 'queued' || this.#hold.signal.aborted) {
      return;
    }
    known?.assigned.callOff();
    const assigned = new Assigned(this.#client, this.#duty, {
      id,
      worker: this.#worker,
      attempt: record.attempt,
      token: mzxid,
      czxid,
      version,
      taskVersion: task.stat.version,
      body,
    });
    this.#entries.set(id, { version, assigned });
    void assigned.run();
  }
}
