/**
 * Each watch fires once for each matching change and never without one, in the order of changes, and before any answer
 * that shows the change (client-protocol.md §3.7, §7.3).
 */
import { zxidText } from '../history.ts';
import { check } from './violation.ts';

interface ExpectedEvent {
  readonly type: number;
  readonly path: string;
  readonly zxid: number;
}

export class ExpectedEvents {
  #events: ExpectedEvent[] = [];

  /** The transaction `zxid` has fired a watch. */
  expect(type: number, path: string, zxid: number): void {
    this.#events.push({ type, path, zxid });
  }

  /** The server has sent an event. */
  delivered(type: number, path: string, zxid: number): void {
    const next = this.#events.shift();
    check(
      next !== undefined && next.type === type && next.path === path && next.zxid === zxid,
      'events',
      () => `event ${describe({ type, path, zxid })} came where ${describe(next)} was due`,
    );
  }

  /** An answer from the state of `zxid` is about to be seen, or a turn has ended there. */
  checkDelivered(zxid: number, before: () => string): void {
    const [next] = this.#events;
    check(
      next === undefined || next.zxid > zxid,
      'events',
      () => `event ${describe(next)} had not come before ${before()} of zxid ${zxidText(zxid)}`,
    );
  }
}

function describe(event: ExpectedEvent | undefined): string {
  return event === undefined ? 'none' : `${event.type} for ${event.path}, zxid ${zxidText(event.zxid)}`;
}
