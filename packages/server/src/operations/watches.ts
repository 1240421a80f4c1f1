/** addWatch, checkWatches, removeWatches, setWatches, setWatches2 (client-protocol.md §7). */
import {
  AddWatchMode,
  AddWatchRequest,
  ErrorNumber,
  ErrorResult,
  OpCode,
  SetWatches,
  SetWatches2,
  WatcherType,
  WatchesRequest,
} from '@treekeeper/protocol';
import { catchUp, type WatchLists } from '../watches/catch-up.ts';
import type { ReadOperation, Requester, World } from './operation.ts';

/** Neither path nor permission is checked: any string may be watched. Null counts as "". */
export const addWatch: ReadOperation<AddWatchRequest> = {
  kind: 'read',
  name: 'addWatch',
  opcode: OpCode.addWatch,
  request: AddWatchRequest,
  answer({ watches }, { watcher }, { path, mode }, reply) {
    if (mode !== AddWatchMode.persistent && mode !== AddWatchMode.persistentRecursive) {
      return ErrorNumber.MARSHALLING_ERROR;
    }
    watches.add(path ?? '', watcher, mode === AddWatchMode.persistent ? 'persistent' : 'recursive');
    ErrorResult.encode(reply, { err: 0 });
    return 0;
  },
};

function isWatcherType(type: number): boolean {
  return type >= WatcherType.children && type <= WatcherType.persistentRecursive;
}

/** Only tests: the Java client asks this when it drops one of several watchers, and the watch stays (trap 16). */
export const checkWatches: ReadOperation<WatchesRequest> = {
  kind: 'read',
  name: 'checkWatches',
  opcode: OpCode.checkWatches,
  request: WatchesRequest,
  answer({ watches }, { watcher }, { path, type }) {
    if (!isWatcherType(type)) {
      return ErrorNumber.MARSHALLING_ERROR;
    }
    return path !== null && watches.has(path, watcher, type) ? 0 : ErrorNumber.NO_WATCHER;
  },
};

/** Removes silently; "removed" events are made by the client. */
export const removeWatches: ReadOperation<WatchesRequest> = {
  kind: 'read',
  name: 'removeWatches',
  opcode: OpCode.removeWatches,
  request: WatchesRequest,
  answer({ watches }, { watcher }, { path, type }) {
    if (!isWatcherType(type)) {
      return ErrorNumber.MARSHALLING_ERROR;
    }
    return path !== null && watches.remove(path, watcher, type) ? 0 : ErrorNumber.NO_WATCHER;
  },
};

/** What has changed since the client's last zxid is told at once, with no zxid; the rest is watched. */
function answerCatchUp({ tree, watches }: World, { watcher }: Requester, lists: WatchLists): number {
  catchUp(
    tree,
    lists,
    (type, path) => watcher.sendEvent(type, path, -1),
    (path, kind) => watches.add(path, watcher, kind),
  );
  return 0;
}

export const setWatches: ReadOperation<SetWatches> = {
  kind: 'read',
  name: 'setWatches',
  opcode: OpCode.setWatches,
  request: SetWatches,
  sendsEvents: true,
  answer: answerCatchUp,
};

export const setWatches2: ReadOperation<SetWatches2> = {
  kind: 'read',
  name: 'setWatches2',
  opcode: OpCode.setWatches2,
  request: SetWatches2,
  sendsEvents: true,
  answer: answerCatchUp,
};
