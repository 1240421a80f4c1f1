import type { Stat } from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChangeFeed } from '../../src/caches/change-feed.ts';
import { View } from '../../src/caches/view.ts';
import { isTreekeeperError, TreekeeperError } from '../../src/errors.ts';

/** Only what a view looks at. */
const statOf = (mzxid: number): Stat => ({ mzxid: BigInt(mzxid) }) as Stat;

const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('put' as const), path: fc.constantFrom('/a', '/b', '/a/c') }),
    fc.record({ do: fc.constant('drop' as const), path: fc.constantFrom('/a', '/b', '/a/c') }),
    fc.record({ do: fc.constant('read' as const) }),
  ),
  { maxLength: 60 },
);

describe('a reader of changes', () => {
  test('however slow, ends with what there is, and each change fits what it knew', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        const view = new View<number>({});
        view.put('/b', 0, statOf(0), 1);
        const feed = view.iterate();
        const known = new Map<string, number>();
        let number = 0;
        const take = async (): Promise<boolean> => {
          const { done, value: change } = await feed.next();
          if (done === true) {
            return false;
          }
          if (change.type === 'unreadable') {
            throw change.error;
          }
          expect(known.get(change.path)).toBe(change.type === 'added' ? undefined : change.previous.value);
          if (change.type === 'removed') {
            known.delete(change.path);
          } else {
            known.set(change.path, change.value);
          }
          return true;
        };
        const reads: Promise<boolean>[] = [];
        for (const step of script) {
          number++;
          if (step.do === 'put') {
            view.put(step.path, number, statOf(number), 1);
          } else if (step.do === 'drop') {
            view.drop(step.path);
          } else {
            reads.push(take());
          }
        }
        const expected = [...view.values].map(([path, { value }]) => [path, value]);
        view.end();
        await Promise.all(reads);
        while (await take()) {
          // until everything is read
        }
        expect([...known].sort()).toEqual(expected.sort());
      }),
    );
  });

  test('what could not be read is told, until it can', async () => {
    const feed = new ChangeFeed<number>(() => undefined);
    const error = new TreekeeperError('INVALID_VALUE', { path: '/a' });
    feed.push({ type: 'unreadable', path: '/a', name: 'a', error });
    feed.push({ type: 'unreadable', path: '/b', name: 'b', error });
    feed.push({ type: 'added', path: '/a', name: 'a', value: 1, stat: statOf(1) });
    feed.end(new Error('broken'));
    expect((await feed.next()).value).toMatchObject({ type: 'added', path: '/a' });
    expect((await feed.next()).value).toMatchObject({ type: 'unreadable', path: '/b' });
    await expect(feed.next()).rejects.toThrow('broken');
    expect(await feed.next()).toEqual({ done: true, value: undefined });
  });
});

describe('a view', () => {
  test('never goes back', () => {
    const view = new View<string>({});
    view.put('/a', 'new', statOf(5), 3);
    view.put('/a', 'old', statOf(4), 3);
    expect(view.values.get('/a')?.value).toBe('new');
    view.refuse('/a', new TreekeeperError('INVALID_VALUE'), 6n);
    view.put('/a', 'older than the refused', statOf(5), 3);
    expect(view.values.get('/a')?.value).toBe('new');
    expect(view.mzxidOf('/a')).toBe(6n);
  });

  test.each([{ nodesMax: 2 }, { bytesMax: 20 }])('has bounds: %o', (bounds) => {
    const view = new View<string>(bounds);
    view.put('/a', '', statOf(1), 10);
    view.put('/b', '', statOf(2), 10);
    view.put('/b', '', statOf(3), 10);
    view.drop('/b');
    view.put('/c', '', statOf(4), 10);
    expect(() => view.put('/d', '', statOf(5), 10)).toThrow(/CACHE_FULL: there is more than the 2/);
  });

  test('that has failed is not shown any more', () => {
    const view = new View<string>({});
    view.put('/a', '', statOf(1), 0);
    view.end(new TreekeeperError('SESSION_EXPIRED'));
    expect(() => view.values).toThrow('SESSION_EXPIRED');
  });

  test('that was closed is', async () => {
    const view = new View<string>({});
    view.put('/a', 'x', statOf(1), 0);
    const feed = view.iterate();
    view.end();
    expect(view.values.get('/a')?.value).toBe('x');
    expect((await feed.next()).value).toMatchObject({ type: 'added' });
    expect((await feed.next()).done).toBe(true);
    expect(isTreekeeperError(await view.iterate().next())).toBe(false);
  });
});
