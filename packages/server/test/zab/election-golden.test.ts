/**
 * Elections of Apache ZooKeeper servers, captured from the wire, with our machines in their place: every notification
 * of the capture must be one that our machine has sent as well, byte for byte, and leads to the same decisions.
 */
import { describe, expect, test } from 'vitest';
import { Configuration } from '../../src/zab/configuration.ts';
import { Election, type OwnHistory } from '../../src/zab/election.ts';
import { readNotification } from '../../src/zab/vote.ts';
import { describeNotification, following, leading, observing } from './election-bench.ts';
import { goldenText, SILENT } from './support.ts';

interface Line {
  readonly from: number;
  readonly to: number;
  readonly hex: string;
}

/** The notifications of the section whose title begins so. */
function section(title: string): Line[] {
  const text = goldenText('elections.txt');
  const start = text.indexOf('\n', text.indexOf(`== ${title}`));
  const end = text.indexOf('\n== ', start);
  const lines = text
    .slice(start, end < 0 ? undefined : end)
    .trim()
    .split('\n');
  return lines.map((line) => {
    const [, from, to, hex] = /^(\d)->(\d) ([0-9a-f]+)$/.exec(line) ?? [];
    return { from: Number(from), to: Number(to), hex };
  });
}

class Replay {
  nowMs = 0;
  readonly #machines = new Map<number, Election>();
  /** All that a machine has sent to another, and how much of it the capture has shown. */
  readonly #sent = new Map<string, { list: string[]; shown: number }>();
  /** What the machine wants to adopt. */
  readonly newer = new Map<number, Configuration>();

  machine(id: number): Election {
    let machine = this.#machines.get(id);
    if (machine === undefined) {
      const options = { notificationIntervalMsMin: 1e6, notificationIntervalMsMax: 1e6, adoptsConfigurations: true };
      const notify = (to: number, bytes: Uint8Array) =>
        this.#sentBy(id, to).list.push(Buffer.from(bytes).toString('hex'));
      machine = new Election({ serverId: id, ...options }, { notify, dialAll: () => {} }, SILENT);
      this.#machines.set(id, machine);
    }
    return machine;
  }

  start(id: number, history: OwnHistory, committed: Configuration): void {
    this.machine(id).start(this.nowMs, history, committed, null);
  }

  /** A server's process ends. */
  kill(id: number): void {
    this.#machines.delete(id);
  }

  #sentBy(from: number, to: number): { list: string[]; shown: number } {
    const key = `${from}->${to}`;
    const sent = this.#sent.get(key) ?? { list: [], shown: 0 };
    this.#sent.set(key, sent);
    return sent;
  }

  /** The capture goes on: what has no machine of ours is taken as it is. */
  play(lines: readonly Line[]): void {
    for (const { from, to, hex } of lines) {
      const bytes = Buffer.from(hex, 'hex');
      if (this.#machines.has(from)) {
        const sent = this.#sentBy(from, to);
        const at = sent.list.indexOf(hex, sent.shown);
        // A new connection begins with the last notification that was sent on the one before.
        const isReplay = sent.shown > 0 && sent.list[sent.shown - 1] === hex;
        const said = sent.list.map((one) => describeNotification(Buffer.from(one, 'hex')));
        expect(at >= 0 || isReplay, `${from}->${to} ${describeNotification(bytes)}, ours: ${said}`).toBe(true);
        sent.shown = at >= 0 ? at + 1 : sent.shown;
      }
      const newer = this.#machines.get(to)?.receive(from, bytes, this.nowMs);
      if (newer) {
        this.newer.set(to, newer);
      }
    }
  }

  /** Long enough for decisions, too short for repetitions. */
  settle(): void {
    this.nowMs += 200;
    for (const machine of this.#machines.values()) {
      machine.tick(this.nowMs);
    }
  }

  decisions(): Record<number, unknown> {
    const list = [...this.#machines].map(([id, { decided }]) => [id, decided && [decided.leader, decided.state]]);
    return Object.fromEntries(list);
  }
}

/** The configuration that a sender tells in a section. */
function configIn(lines: readonly Line[], from: number): Configuration {
  const line = lines.find((one) => one.from === from) as Line;
  return Configuration.parse(readNotification(from, Buffer.from(line.hex, 'hex')).config as string);
}

const EMPTY: OwnHistory = { lastZxid: 0, currentEpoch: 0 };

test('3.8.0: two of three elect, the third joins, an observer; the leader dies, one of two leads, it returns', () => {
  const first = section('3.8.0: A');
  const config = configIn(first, 1);
  const replay = new Replay();
  replay.start(1, EMPTY, config);
  replay.start(2, EMPTY, config);
  replay.play(first);
  replay.settle();
  expect(replay.decisions()).toEqual({ 1: [2, following], 2: [2, leading] });
  for (const id of [1, 2]) {
    replay.machine(id).synced(1);
  }

  replay.start(3, EMPTY, config);
  replay.play(section('3.8.0: B'));
  expect(replay.machine(3).decided).toMatchObject({ leader: 2, state: following });
  replay.machine(3).synced(1);

  replay.start(4, EMPTY, config);
  replay.play(section('3.8.0: C'));
  expect(replay.machine(4).decided).toMatchObject({ leader: 2, state: observing });
  replay.machine(4).synced(1);

  const history = { lastZxid: 0x100000009, currentEpoch: 1 };
  const crash = section('3.8.0: H');
  const again = (id: number) => {
    replay.machine(id).leave(null);
    replay.start(id, history, config);
  };
  replay.kill(2);
  again(1);
  replay.play(crash.slice(0, 2));
  again(3);
  replay.play(crash.slice(2, 4));
  again(4);
  replay.play(crash.slice(4, 12));
  replay.settle();
  // The observer believes the answers that two servers gave before they had decided.
  expect(replay.decisions()).toEqual({ 1: [3, following], 3: [3, leading], 4: [2, observing] });
  replay.machine(1).synced(2);
  replay.machine(3).synced(2);
  again(4);
  replay.play(crash.slice(12, 16));
  expect(replay.machine(4).decided).toMatchObject({ leader: 3, state: observing });
  replay.start(2, history, config);
  replay.play(crash.slice(16));
  expect(replay.machine(2).decided).toMatchObject({ leader: 3, state: following });
  expect(replay.machine(2).round).toBe(2);
});

test('3.10: a server that is not a member adopts the configuration, and joins', () => {
  const lines = section('3.10.0-SNAPSHOT: start 4');
  const replay = new Replay();
  replay.start(4, EMPTY, configIn(lines, 4));
  replay.play(lines.slice(0, 6));
  const newer = replay.newer.get(4) as Configuration;
  expect(newer.text).toBe(configIn(lines, 3).text);
  replay.machine(4).restart();
  replay.start(4, EMPTY, newer);
  replay.play(lines.slice(6));
  expect(replay.decisions()).toEqual({ 4: [3, following] });
});

test('3.10: after a hand-over without election a voter starts again', () => {
  const lines = section('3.10.0-SNAPSHOT: restart voter 2');
  const config = configIn(lines, 2);
  const replay = new Replay();
  for (const id of [1, 3]) {
    replay.machine(id).configure(config, null);
    replay.machine(id).designate(1, 0x100000002);
    replay.machine(id).synced(2);
  }
  replay.start(2, { lastZxid: 0x100000002, currentEpoch: 2 }, config);
  replay.play(lines);
  expect(replay.machine(2).decided).toMatchObject({ leader: 1, state: following });
  expect(replay.machine(2).round).toBe(-1);
});

describe('3.4.14 among newer servers', () => {
  test('as a member', () => {
    const lines = section('mixed: start 3.4.14');
    const config = configIn(lines, 3);
    const replay = new Replay();
    replay.start(3, EMPTY, config);
    replay.play(lines.slice(0, 3));
    replay.settle();
    expect(replay.decisions()).toEqual({ 3: [3, leading] });
    replay.start(2, EMPTY, config);
    replay.play(lines.slice(3));
    replay.settle();
    expect(replay.machine(2).decided).toMatchObject({ leader: 3, state: following });
  });

  test('as the leader', () => {
    const lines = section('mixed: start 3.10');
    const config = configIn(lines, 1);
    const replay = new Replay();
    replay.start(1, EMPTY, config);
    replay.start(2, EMPTY, config);
    replay.play(lines);
    replay.settle();
    expect(replay.decisions()).toEqual({ 1: [3, following], 2: [3, following] });
  });
});
