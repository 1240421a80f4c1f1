/**
 * What the nodes of a task queue hold. A task's node is one line of JSON, its header, and behind it the payload, or
 * the result once there is one; the two are bytes of the program's own codec.
 */
import type { Codec } from '@treekeeper/client';
import { isRecipeError, RecipeError } from '../errors.ts';

/** Still to be done: waiting, or somebody's assignment. */
export interface QueuedHeader {
  readonly state: 'queued';
  /** Higher first. */
  readonly priority: number;
  /** Among tasks of one transaction, which share a creation zxid. */
  readonly serial: number;
  /** Not before the node's `mtime` plus this. */
  readonly delayMs: number;
}

/** Done, by this attempt and no other. The body is the result. */
export interface DoneHeader {
  readonly state: 'done';
  readonly worker: string;
  readonly attempt: number;
}

/**
 * Given up until somebody asks for a retry. `failed`: as often as it may. `rejected`: the handler said that trying
 * again is useless. `lost`: its worker has gone, and it must not run twice.
 */
export interface ParkedHeader {
  readonly state: 'parked';
  readonly reason: 'failed' | 'rejected' | 'lost';
  readonly error: string;
  readonly attempts: number;
  readonly priority: number;
  readonly serial: number;
}

/** Taken back. */
export interface CancelledHeader {
  readonly state: 'cancelled';
  readonly priority: number;
  readonly serial: number;
}

export type TaskHeader = QueuedHeader | DoneHeader | ParkedHeader | CancelledHeader;

/** What the program's codec made of a value: bytes, or null; undefined where there was no value to encode. */
export type Body = Uint8Array | null | undefined;

/** A task's node. */
export interface TaskRecord<H extends TaskHeader = TaskHeader> {
  readonly header: H;
  readonly body: Body;
}

/**
 * One task given to one worker: it exists from the assignment to the result, or to the next assignment. `assigned`:
 * the worker may run it. `started`: it does (written only where a task must not run twice). `failed`, `rejected`: it
 * has run, in vain. `returned`: it was not run, and does not count as a try.
 */
export interface AssignmentRecord {
  readonly state: 'assigned' | 'started' | 'failed' | 'rejected' | 'returned';
  /** 1 for the first try. */
  readonly attempt: number;
  readonly error?: string | undefined;
}

/** A worker that is there. */
export interface WorkerRecord {
  /** How many assignments it takes at a time; 0 while it is leaving. */
  readonly capacity: number;
  /** Whatever it tells policies about itself. */
  readonly data: Readonly<Record<string, unknown>>;
}

const NEWLINE = 10;
const states: ReadonlySet<unknown> = new Set(['queued', 'done', 'parked', 'cancelled']);

/** `spareBytes`: room behind the header, for a longer one. */
export function encodeTask({ header, body }: TaskRecord, spareBytes = 0): Uint8Array {
  const fields = body instanceof Uint8Array ? header : { ...header, body: body === null ? 'null' : 'none' };
  const line = Buffer.from(`${JSON.stringify(fields)}${' '.repeat(spareBytes)}\n`);
  return body instanceof Uint8Array && body.length > 0 ? Buffer.concat([line, body]) : line;
}

/** Rejects what is no task with INVALID_DATA. */
export function decodeTask(path: string, data: Uint8Array): TaskRecord {
  const end = data.indexOf(NEWLINE);
  const header = parsed(path, end < 0 ? data : data.subarray(0, end));
  if (end < 0 || !states.has(header['state'])) {
    throw new RecipeError('INVALID_DATA', path, 'this is not a task: its first line has no state of one');
  }
  const { body, ...rest } = header;
  const bytes = data.subarray(end + 1);
  return { header: rest as unknown as TaskHeader, body: body === 'none' ? undefined : body === 'null' ? null : bytes };
}

export function encodeBody<T>(codec: Codec<unknown, T>, value: T): Body {
  return value === undefined ? undefined : codec.encode(value);
}

/** Rejects with what the codec throws. */
export async function decodeBody<T>(codec: Codec<T, never>, body: Body): Promise<T> {
  return body === undefined ? (undefined as T) : await codec.decode(body);
}

export function encodeRecord(record: AssignmentRecord | WorkerRecord): Uint8Array {
  return Buffer.from(JSON.stringify(record));
}

export function decodeAssignment(path: string, data: Uint8Array): AssignmentRecord {
  const record = parsed(path, data);
  if (typeof record['state'] !== 'string' || typeof record['attempt'] !== 'number') {
    throw new RecipeError('INVALID_DATA', path, 'this is not an assignment: state and attempt are missing');
  }
  return record as unknown as AssignmentRecord;
}

export function decodeWorker(path: string, data: Uint8Array): WorkerRecord {
  const record = parsed(path, data);
  if (typeof record['capacity'] !== 'number') {
    throw new RecipeError('INVALID_DATA', path, 'this is not a worker: its capacity is missing');
  }
  return { capacity: record['capacity'], data: (record['data'] ?? {}) as Record<string, unknown> };
}

/** What decoding answers; `otherwise`, and it is told why, where there is something else than what recipes write. */
export function readable<T>(decode: () => T, otherwise: T, onInvalid: (error: RecipeError) => void): T {
  try {
    return decode();
  } catch (error) {
    if (!isRecipeError(error, 'INVALID_DATA')) {
      throw error;
    }
    onInvalid(error);
    return otherwise;
  }
}

/** An object in JSON, or INVALID_DATA. */
export function parsed(path: string, data: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString());
    if (typeof value === 'object' && value !== null) {
      return value as Record<string, unknown>;
    }
  } catch (error) {
    throw new RecipeError('INVALID_DATA', path, `this is not JSON: ${(error as Error).message}`, error);
  }
  throw new RecipeError('INVALID_DATA', path, 'this is not an object in JSON');
}
