import { makeZxid } from '@treekeeper/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CommittedLog, follows } from '../../src/zab/committed-log.ts';

const entry = (zxid: number) => ({ zxid, payload: new Uint8Array(10) });

test('is always the end of the history, without a hole', () => {
  const step = fc.record({
    what: fc.constantFrom('append', 'append', 'append', 'epoch', 'truncate', 'reset'),
    back: fc.nat(8),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 6 }), (steps, entriesMax) => {
      const window = new CommittedLog(0, { entriesMax, sizeBytesMax: 1e6 });
      let history = [0];
      let epoch = 1;
      let counter = 0;
      for (const { what, back } of steps) {
        if (what === 'truncate') {
          const keep = history[Math.max(0, history.length - 1 - back)];
          history = history.filter((zxid) => zxid <= keep);
          window.truncate(keep);
          epoch++; // nobody proposes the same again
          counter = 0;
        } else if (what === 'reset') {
          history = [makeZxid(++epoch, 0)];
          counter = 0;
          window.reset(history[0]);
        } else {
          [epoch, counter] = what === 'epoch' ? [epoch + 1, 1] : [epoch, counter + 1];
          history.push(makeZxid(epoch, counter));
          window.append(entry(makeZxid(epoch, counter)), makeZxid(epoch, counter) - back);
        }
        expect(window.last).toBe(history.at(-1));
        expect(history).toContain(window.base);
        expect(window.after(window.base).map(({ zxid }) => zxid)).toEqual(history.filter((zxid) => zxid > window.base));
        expect(window.length).toBe(window.after(window.base).length);
      }
    }),
  );
});

test('keeps what is not applied, beyond its limits', () => {
  const window = new CommittedLog(0, { entriesMax: 2, sizeBytesMax: 1e6 });
  for (let counter = 1; counter <= 5; counter++) {
    window.append(entry(makeZxid(1, counter)), makeZxid(1, 0));
  }
  expect(window.length).toBe(5);
  window.append(entry(makeZxid(1, 6)), makeZxid(1, 5));
  expect(window.length).toBe(2);
});

test('is limited in bytes', () => {
  const window = new CommittedLog(0, { entriesMax: 100, sizeBytesMax: 35 });
  for (let counter = 1; counter <= 5; counter++) {
    window.append(entry(makeZxid(1, counter)), makeZxid(1, counter));
  }
  expect(window.length).toBe(3);
});

test('what is forgotten takes no memory', () => {
  const window = new CommittedLog(0, { entriesMax: 100, sizeBytesMax: 35 });
  for (let counter = 1; counter <= 50; counter++) {
    window.append(entry(makeZxid(1, counter)), makeZxid(1, counter));
    expect(window.sizeBytes).toBeLessThanOrEqual(35);
  }
  window.truncate(makeZxid(1, 48));
  expect(window.last).toBe(makeZxid(1, 48));
  expect(window.sizeBytes).toBe(10);
});

test('refuses a hole', () => {
  const window = new CommittedLog(makeZxid(1, 4), { entriesMax: 2, sizeBytesMax: 35 });
  expect(() => window.append(entry(makeZxid(1, 6)), 0)).toThrow('the window has no hole');
  expect(follows(makeZxid(1, 4), makeZxid(2, 0))).toBe(false);
});
