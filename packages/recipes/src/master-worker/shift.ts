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
import { type Try, tryNamed } from './queue.ts';
import { decodeAssignment, decodeTask, encodeRecord, readable, type WorkerRecord } from './records.ts';

/** Tries in one request, with the task of each. */
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
  /** What is begun, or given back; also what was called off, and has not noticed yet. */
  readonly #underWay = new Set<Promise<void>>();
  /** By name, tries of which something was told, and whether it was only that they have ended. */
  readonly #dirty = new Map<string, { readonly isEnd: boolean }>();
  #looking: Promise<void> | null = null;
  #isLeaving = false;
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
    void shift.#look();
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

  /**
   * Leaves in good order: begins nothing more, gives back what was not begun, finishes the rest. Never rejects. The
   * write of capacity 0 is the end of what comes: whoever gives out tasks checks the version of this worker's node. So
   * one look behind it finds all there is.
   */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    try {
      if (!this.#hold.signal.aborted) {
        const path = this.#duty.layout.worker(this.#worker);
        const record = encodeRecord({ capacity: 0, data: {} });
        await this.#client.set(path, record, { idempotent: true, ...forever });
        await this.#list();
        await this.#look();
      }
    } catch {
      // It is gone, or cannot be told; the master takes what it has from it when its node is gone.
    }
    for (const { assigned } of this.#entries.values()) {
      this.#await(assigned.giveBack());
    }
    while (this.#underWay.size > 0) {
      await Promise.all(this.#underWay);
    }
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
          const name = nameOf(path);
          this.#dirty.set(name, { isEnd: type === 'deleted' && this.#dirty.get(name)?.isEnd !== false });
        }
        void this.#look();
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
    for (const name of [...listed, ...this.#entries.keys()]) {
      this.#dirty.set(name, { isEnd: false });
    }
  }

  /** One look at a time, at all there is to look at; fulfils when there is nothing more. Never rejects. */
  async #look(): Promise<void> {
    if (this.#dirty.size > 0) {
      this.#looking ??= this.#lookAll();
    }
    await this.#looking;
  }

  async #lookAll(): Promise<void> {
    try {
      while (this.#dirty.size > 0) {
        await this.#readAll();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#looking = null;
    }
  }

  async #readAll(): Promise<void> {
    await new Promise(setImmediate); // what is told in one go is read in one go, and a commit's answer comes with it
    const names = [...this.#dirty].filter(([name, { isEnd }]) => !(isEnd && this.#isFinished(name)));
    this.#dirty.clear();
    const tries = names.map(([name]) => tryNamed(name)).filter((named) => named !== null);
    const chunks: Promise<void>[] = [];
    for (let i = 0; i < tries.length; i += PAIRS_MAX) {
      chunks.push(this.#readChunk(tries.slice(i, i + PAIRS_MAX)));
    }
    await Promise.all(chunks);
  }

  /** The end of what this worker has finished is no news, nor that of what it never took up. */
  #isFinished(name: string): boolean {
    const entry = this.#entries.get(name);
    if (entry !== undefined && !entry.assigned.isDelivered) {
      return false;
    }
    this.#entries.delete(name);
    return true;
  }

  /** Tries before tasks: what comes of a try that is there, of a life that is over, shows a task that is not queued. */
  async #readChunk(tries: readonly Try[]): Promise<void> {
    const { layout } = this.#duty;
    const paths = tries.flatMap((named) => [layout.assignment(this.#worker, named), layout.task(named.id)]);
    const results = await this.#client.multiRead(
      paths.map((get) => ({ get })),
      forever,
    );
    for (const [i, named] of tries.entries()) {
      const [assignment, task] = results.slice(2 * i, 2 * i + 2).map((result) => ('error' in result ? null : result));
      this.#onAssignment(named, assignment ?? null, task ?? null);
    }
  }

  #onAssignment(named: Try, assignment: NodeValue<Uint8Array> | null, task: NodeValue<Uint8Array> | null): void {
    const { layout } = this.#duty;
    const path = layout.assignment(this.#worker, named);
    const name = nameOf(path);
    const known = this.#entries.get(name);
    if (assignment === null) {
      known?.assigned.callOff();
      this.#entries.delete(name);
      return;
    }
    const { version, czxid, mzxid } = assignment.stat;
    // What this worker wrote itself comes back as news, too: only an order to begin is one. What is not ours is none.
    const record = readable(
      () => decodeAssignment(path, assignment.value),
      null,
      () => undefined,
    );
    if (
      record?.state !== 'assigned' ||
      task?.stat.mzxid !== named.life ||
      (known !== undefined && known.version >= version && known.assigned.czxid === czxid)
    ) {
      return;
    }
    const { header, body } = decodeTask(layout.task(named.id), task.value);
    if (header.state !== 'queued' || this.#hold.signal.aborted) {
      return;
    }
    known?.assigned.callOff();
    const assigned = new Assigned(this.#client, this.#duty, {
      ...named,
      worker: this.#worker,
      attempt: record.attempt,
      token: mzxid,
      czxid,
      version,
      taskVersion: task.stat.version,
      body,
    });
    this.#entries.set(name, { version, assigned });
    this.#await(this.#isLeaving ? assigned.giveBack() : assigned.run());
  }

  #await(ending: Promise<void>): void {
    const ended = ending.catch((error: unknown) => this.#fail(error)).finally(() => this.#underWay.delete(ended));
    this.#underWay.add(ended);
  }
}
