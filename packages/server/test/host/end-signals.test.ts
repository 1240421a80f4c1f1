import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { onEndSignal } from '../../src/host/end-signals.ts';

test.each([
  ['SIGTERM', 'SIGINT'],
  ['SIGINT', 'SIGTERM'],
])('after %s it stops once, and no other signal ends it meanwhile', (first, other) => {
  const source = new EventEmitter();
  const told: string[] = [];
  const log = {
    info: (message: string) => void told.push(message),
    warn: expect.unreachable,
    error: expect.unreachable,
  };
  onEndSignal(source, log, () => void told.push('stop'));
  for (const signal of [first, other, first, other]) {
    expect(source.emit(signal), 'the system would end it').toBe(true);
  }
  expect(told).toEqual([
    `${first}: stopping`,
    'stop',
    `${other}: stopping already`,
    `${first}: stopping already`,
    `${other}: stopping already`,
  ]);
});
