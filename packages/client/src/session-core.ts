import type { Driver } from './driver.ts';
import { ListenerWatchers } from './listener-watcher.ts';
import { WatchInterest } from './persistent-watch.ts';

/** What all views of one session share. */
export interface SessionCore {
  readonly driver: Driver;
  readonly interest: WatchInterest;
  readonly listeners: ListenerWatchers;
}

export function sessionCore(driver: Driver): SessionCore {
  return { driver, interest: new WatchInterest(), listeners: new ListenerWatchers() };
}
