/**
 * Sends to many connections at once, with a second thread (docs/decisions/0019).
 *
 * The two take turns at one list: each takes the next entry that nobody has, writes it to its socket, and comes again.
 * The caller is back when the list is done, so no other part of the server ever meets the second thread. If that is
 * slow to wake, or not there at all, the caller has done the work by itself.
 */
import { writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { BurstSender, Connection, Outgoing } from '../io/connection.ts';
import type { Log } from '../io/log.ts';

/** To fewer the first thread has sent soon enough by itself. From 16 to 128 no limit was better than another. */
const CONNECTIONS_MIN = 64;
/** Longer lists are done in parts. */
const ENTRIES_MAX = 1024;
/** Output of one part. Larger ones are left to the caller: copying them would cost more than is gained. */
const BYTES_MAX = 1 << 20;

/**
 * One entry takes some 10 µs. A thread that took longer over its last has lost its processor to other programs, and the
 * caller waits for it as long as those please: a second thread is of use only where there is a processor for it.
 */
const WAIT_MS_MAX = 0.5;
/** So long the second thread is left alone then; twice as long when it happens again soon. */
const REST_MS_MIN = 1000;
const REST_MS_MAX = 64_000;
/** As many bursts without a wait, and the next rest is a short one again. */
const GOOD_BURSTS = 1000;

/** Words of the shared list: what both threads count with, then the entries. */
const Word = { round: 0, left: 1, done: 2, bySecond: 3, entries: 4 } as const;
/** An entry: the socket's descriptor, where its bytes begin, how many they are, and how many have been sent. */
const Entry = { descriptor: 0, start: 1, length: 2, sent: 3, words: 4 } as const;

interface SharedList {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
}

type Write = (descriptor: number, bytes: Uint8Array, start: number, length: number) => number;

/**
 * Takes entries and writes them until none is left. Answers how many it took. Both threads run it, the second one from
 * its text: it may use what it is given and nothing else.
 */
function sendEntries({ words, bytes }: SharedList, write: Write, word: typeof Word, entry: typeof Entry): number {
  let count = 0;
  // One number says whether there is an entry and which, so that a thread that comes late cannot mix up two lists.
  for (let left = Atomics.sub(words, word.left, 1); left > 0; left = Atomics.sub(words, word.left, 1)) {
    const at = word.entries + (left - 1) * entry.words;
    const descriptor = words[at + entry.descriptor] as number;
    const start = words[at + entry.start] as number;
    const length = words[at + entry.length] as number;
    try {
      words[at + entry.sent] = write(descriptor, bytes, start, length);
    } catch {
      words[at + entry.sent] = 0; // its buffers are full or it is broken: whoever writes the rest finds out which
    }
    count++;
    Atomics.add(words, word.done, 1);
  }
  return count;
}

/** All of the second thread, in the words of a script. */
const SECOND_THREAD = `
  const { list, word, entry } = require('node:worker_threads').workerData;
  const { writeSync } = require('node:fs');
  const sendEntries = ${sendEntries};
  for (let round = 0; ; ) {
    Atomics.wait(list.words, word.round, round);
    round = Atomics.load(list.words, word.round);
    const count = sendEntries(list, writeSync, word, entry);
    Atomics.add(list.words, word.bySecond, count);
    Atomics.notify(list.words, word.done);
  }`;

/** A connection whose socket may be written to directly. */
interface WithDescriptor extends Connection {
  readonly descriptor: number;
}

/** When the second thread is left alone, since it had to be waited for. */
export class Rest {
  #restMs = REST_MS_MIN / 2;
  #untilMs = 0;
  #goodBursts = 0;

  /** Notes for how long a burst has waited for the second thread. */
  waited(waitMs: number, nowMs: number): void {
    if (waitMs <= WAIT_MS_MAX) {
      this.#goodBursts++;
      return;
    }
    this.#restMs = this.#goodBursts >= GOOD_BURSTS ? REST_MS_MIN : Math.min(2 * this.#restMs, REST_MS_MAX);
    this.#untilMs = nowMs + this.#restMs;
    this.#goodBursts = 0;
  }

  isOver(nowMs: number): boolean {
    return nowMs >= this.#untilMs;
  }
}

export class TwoThreadSender implements BurstSender {
  readonly connectionsMin = CONNECTIONS_MIN;
  readonly #list: SharedList = {
    words: new Int32Array(new SharedArrayBuffer(4 * (Word.entries + ENTRIES_MAX * Entry.words))),
    bytes: new Uint8Array(new SharedArrayBuffer(BYTES_MAX)),
  };
  /** Started when it is first of use: most servers never tell so many at once. */
  #thread: Worker | null = null;
  #isClosed = false;
  readonly #rest: Pick<Rest, 'waited' | 'isOver'>;
  readonly #log: Log;

  constructor(log: Log, rest: Pick<Rest, 'waited' | 'isOver'> = new Rest()) {
    this.#log = log;
    this.#rest = rest;
  }

  /** How many entries the second thread has sent, modulo 2^32. */
  get sentBySecondThread(): number {
    return Atomics.load(this.#list.words, Word.bySecond) >>> 0;
  }

  send(outgoing: readonly Outgoing[]): Int32Array {
    const sent = new Int32Array(outgoing.length);
    if (this.#isClosed || !this.#rest.isOver(performance.now())) {
      return sent;
    }
    this.#thread ??= this.#start();
    let first = 0;
    while (first < outgoing.length) {
      first = this.#sendPart(outgoing, first, sent);
    }
    return sent;
  }

  /** From now on nothing is sent: the second thread may end at any time, and with an entry that it has taken. */
  close(): void {
    this.#isClosed = true;
    this.#thread?.terminate();
  }

  #start(): Worker {
    const thread = new Worker(SECOND_THREAD, {
      eval: true,
      workerData: { list: this.#list, word: Word, entry: Entry },
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: 1 }, // it makes nothing but the errors of full sockets
    });
    thread.unref();
    thread.on('error', ({ message }) => {
      this.#log.warn(`there is no second thread to send with (${message}): events to many clients take longer`);
    });
    return thread;
  }

  /** Sends from `first` on as many as fit into the list, and returns the first of those that did not. */
  #sendPart(outgoing: readonly Outgoing[], first: number, sent: Int32Array): number {
    const { words, bytes } = this.#list;
    const members: number[] = [];
    let end = first;
    let used = 0;
    for (; end < outgoing.length && members.length < ENTRIES_MAX; end++) {
      const { connection, bytes: output } = outgoing[end] as Outgoing;
      const { descriptor } = connection as WithDescriptor;
      if (descriptor < 0 || output.length === 0 || output.length > BYTES_MAX) {
        continue;
      }
      if (used + output.length > BYTES_MAX) {
        break;
      }
      bytes.set(output, used);
      words.set([descriptor, used, output.length, 0], Word.entries + members.length * Entry.words);
      used += output.length;
      members.push(end);
    }
    this.#share(members.length);
    for (let i = 0; i < members.length; i++) {
      sent[members[i] as number] = words[Word.entries + i * Entry.words + Entry.sent] as number;
    }
    return end;
  }

  /** Has both threads do the first `count` entries of the list. */
  #share(count: number): void {
    const { words } = this.#list;
    Atomics.store(words, Word.done, 0);
    Atomics.store(words, Word.left, count);
    Atomics.add(words, Word.round, 1);
    Atomics.notify(words, Word.round);
    sendEntries(this.#list, writeSync, Word, Entry);
    const startMs = performance.now();
    for (let done = Atomics.load(words, Word.done); done < count; done = Atomics.load(words, Word.done)) {
      Atomics.wait(words, Word.done, done); // the other one is writing its last
    }
    const nowMs = performance.now();
    this.#rest.waited(nowMs - startMs, nowMs);
  }
}

/** Null: a second thread would only take the processor from the first. */
export function burstSender(log: Log): TwoThreadSender | null {
  return availableParallelism() > 1 ? new TwoThreadSender(log) : null;
}
