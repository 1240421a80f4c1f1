/** Numbers in real time. */
import { expect, test } from 'vitest';
import { type AppendCall, History } from '../../src/torture/history.ts';
import { judgeSequences } from '../../src/torture/sequence-judge.ts';

class Case {
  readonly history = new History();
  readonly session = this.history.openSession(1n);

  begin(): AppendCall {
    return this.history.begin(this.session, { kind: 'append', value: 'v' });
  }

  end(call: AppendCall, number: number): void {
    call.path = `/q/n-${String(number).padStart(10, '0')}`;
    this.history.end(call, 'done');
  }

  append(number: number): void {
    this.end(this.begin(), number);
  }

  get verdict(): string[] {
    return judgeSequences(this.history).map(({ text }) => text.replace(/:.*/, ''));
  }
}

test('numbers rise, with gaps, and calls at the same time come in any order', () => {
  const c = new Case();
  c.append(0);
  const [one, other] = [c.begin(), c.begin()];
  c.end(other, 2);
  c.end(one, 5);
  c.history.end(c.begin(), 'unknown', 'CONNECTION_LOSS');
  c.append(6);
  expect(c.verdict).toEqual([]);
});

test('a call that began behind the end of another one has a lower number', () => {
  const c = new Case();
  c.append(3);
  const late = c.begin();
  c.append(4);
  c.end(late, 2);
  expect(c.verdict).toEqual(['a later call has a lower number']);
});

test('a number is given to two calls at the same time', () => {
  const c = new Case();
  const [one, other] = [c.begin(), c.begin()];
  c.end(one, 1);
  c.end(other, 1);
  expect(c.verdict).toEqual(['one number for two']);
});
