import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { StateFeed } from '../src/state-feed.ts';
import type { SessionState } from '../src/types.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

async function rest(states: AsyncIterable<SessionState>): Promise<SessionState[]> {
  const seen: SessionState[] = [];
  for await (const state of states) {
    seen.push(state);
  }
  return seen;
}

describe('states that last', () => {
  test('a connection that flickers is not told; what lasts is, once', async () => {
    const feed = new StateFeed('connected');
    const [all, calm] = [rest(feed.iterate(0)), rest(feed.iterate(500))];
    for (let i = 0; i < 3; i++) {
      feed.push('disconnected', null);
      vi.advanceTimersByTime(400);
      feed.push('connected', null);
      vi.advanceTimersByTime(400);
    }
    feed.push('disconnected', null);
    vi.advanceTimersByTime(500);
    feed.push('connected', null);
    vi.advanceTimersByTime(500);
    feed.push('closed', null);
    const flicker: SessionState[] = ['disconnected', 'connected'];
    expect(await all).toEqual(['connected', ...flicker, ...flicker, ...flicker, ...flicker, 'closed']);
    expect(await calm).toEqual(['connected', ...flicker, 'closed']);
  });

  test('the end of a session is told at once', async () => {
    const feed = new StateFeed('connected');
    const calm = rest(feed.iterate(500));
    feed.push('disconnected', null);
    feed.push('expired', null);
    feed.push('closed', null);
    expect(await calm).toEqual(['connected', 'expired', 'closed']);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('who stops listening leaves no timer', async () => {
    const feed = new StateFeed('connected');
    const calm = feed.iterate(500);
    feed.push('disconnected', null);
    expect(vi.getTimerCount()).toBe(1);
    await calm.return?.();
    expect(vi.getTimerCount()).toBe(0);
  });
});
