import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventQueue } from '../src/event-queue.ts';

describe('an event queue', () => {
  test('readers and writers in any order: everything once, in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 50 }), async (steps) => {
        const queue = new EventQueue<number>(1000);
        const reads: Promise<IteratorResult<number, undefined>>[] = [];
        let pushed = 0;
        for (const isPush of steps) {
          if (isPush) {
            queue.push(pushed++);
          } else {
            reads.push(queue.next());
          }
        }
        queue.end();
        while (reads.length < pushed) {
          reads.push(queue.next());
        }
        const values = (await Promise.all(reads)).map(({ done, value }) => (done === true ? 'end' : value));
        expect(values.slice(0, pushed)).toEqual(Array.from({ length: pushed }, (_, i) => i));
        expect(values.slice(pushed).every((value) => value === 'end')).toBe(true);
      }),
    );
  });

  test('too many are replaced by what stands for them', async () => {
    const queue = new EventQueue<string>(2);
    queue.onOverflow = (items) => [`${items.length} given up`];
    for (const item of ['a', 'b', 'c', 'd']) {
      queue.push(item);
    }
    queue.end();
    const seen: string[] = [];
    for await (const item of queue) {
      seen.push(item);
    }
    expect(seen).toEqual(['3 given up', 'd']);
  });

  test('a failure is told once, behind what came before it', async () => {
    const queue = new EventQueue<string>(9);
    queue.push('a');
    queue.end(new Error('broken'));
    queue.push('late');
    expect(await queue.next()).toEqual({ done: false, value: 'a' });
    await expect(queue.next()).rejects.toThrow('broken');
    expect(await queue.next()).toEqual({ done: true, value: undefined });
  });

  test('leaving the loop gives everything up', async () => {
    const queue = new EventQueue<string>(9);
    let left = 0;
    queue.onReturn = () => left++;
    queue.push('a');
    queue.push('b');
    for await (const _ of queue) {
      break;
    }
    expect(left).toBe(1);
    expect(await queue.next()).toEqual({ done: true, value: undefined });
  });
});
