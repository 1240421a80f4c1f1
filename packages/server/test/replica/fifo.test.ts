import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fifo } from '../../src/replica/fifo.ts';

describe('the queue in a ring', () => {
  test('does what an array does', () => {
    const steps = fc.array(fc.oneof(fc.constant('push'), fc.constant('shift'), fc.constant('clear')), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(steps, (todo) => {
        const queue = new Fifo<{ n: number }>();
        let array: { n: number }[] = [];
        todo.forEach((step, n) => {
          if (step === 'push') {
            queue.push({ n });
            array.push({ n });
          } else if (step === 'shift') {
            expect(queue.shift()).toEqual(array.shift());
          } else if (n % 7 === 0) {
            queue.clear();
            array = [];
          }
          expect(queue.length).toBe(array.length);
          expect(queue.peek()).toEqual(array[0]);
        });
      }),
    );
  });

  test('goes on after a burst', () => {
    const queue = new Fifo<{ n: number }>();
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 5000; n++) {
        queue.push({ n });
      }
      for (let n = 0; n < 5000; n++) {
        expect(queue.shift()).toEqual({ n });
      }
      expect(queue.shift()).toBeUndefined();
    }
  });
});
