/** Watch events in zkCli's words. */
import type { WatchEvent, WatchEventType } from '@treekeeper/client';
import type { JsonRecord } from './format.ts';

/** Which of zkCli's watches an event is from: its removal is told by that. */
export type WatchOrigin = 'data' | 'child' | 'persistent';

const TYPES: Readonly<Record<Exclude<WatchEventType, 'removed'>, string>> = {
  created: 'NodeCreated',
  deleted: 'NodeDeleted',
  'data-changed': 'NodeDataChanged',
  'children-changed': 'NodeChildrenChanged',
  gap: 'ChangesMayBeMissing',
  lost: 'WatchLost',
};

const REMOVALS: Readonly<Record<WatchOrigin, string>> = {
  data: 'DataWatchRemoved',
  child: 'ChildWatchRemoved',
  persistent: 'PersistentWatchRemoved',
};

function nameOf(type: WatchEventType, origin: WatchOrigin): string {
  return type === 'removed' ? REMOVALS[origin] : TYPES[type];
}

/** `WatchedEvent state:SyncConnected type:NodeCreated path:/a zxid: 7`, the last where the server tells it. */
export function eventText({ type, path, zxid }: WatchEvent, origin: WatchOrigin): string {
  const tail = zxid === null ? '' : ` zxid: ${zxid}`;
  return `WatchedEvent state:SyncConnected type:${nameOf(type, origin)} path:${path}${tail}`;
}

export function eventJson({ type, path, zxid }: WatchEvent, origin: WatchOrigin): JsonRecord {
  return { event: nameOf(type, origin), path, zxid: zxid === null ? null : `0x${zxid.toString(16)}` };
}
