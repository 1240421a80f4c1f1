/** Watch events in zkCli's words. */
import type { WatchEvent, WatchEventType } from '@treekeeper/client';
import type { JsonRecord } from './format.ts';

const TYPES: Readonly<Record<WatchEventType, string>> = {
  created: 'NodeCreated',
  deleted: 'NodeDeleted',
  'data-changed': 'NodeDataChanged',
  'children-changed': 'NodeChildrenChanged',
  removed: 'WatchRemoved',
  gap: 'ChangesMayBeMissing',
  lost: 'WatchLost',
};

/** `WatchedEvent state:SyncConnected type:NodeCreated path:/a zxid: 7`, the last where the server tells it. */
export function eventText({ type, path, zxid }: WatchEvent): string {
  return `WatchedEvent state:SyncConnected type:${TYPES[type]} path:${path}${zxid === null ? '' : ` zxid: ${zxid}`}`;
}

export function eventJson({ type, path, zxid }: WatchEvent): JsonRecord {
  return { event: TYPES[type], path, zxid: zxid === null ? null : `0x${zxid.toString(16)}` };
}
