/** Changes of the nodes that others watch, and what watches may tell of them (client-protocol.md §7.3, §7.6). */
import type { ChangeCall, History, Notice, NoticeType } from './history.ts';

/** Which changes of the node itself an event tells of. */
const ACTS: Readonly<Record<NoticeType, readonly ChangeCall['act'][]>> = {
  created: ['create'],
  deleted: ['delete'],
  'data-changed': ['set'],
  'children-changed': [],
  gap: [],
};

/** After a reconnect a node that has been deleted and made again looks like one that has changed. */
const CATCH_UP_ACTS: Readonly<Record<NoticeType, readonly ChangeCall['act'][]>> = {
  ...ACTS,
  'data-changed': ['set', 'create'],
  'children-changed': ['create'],
};

export class Changes {
  /** Those that were answered, in the order of their zxids. */
  readonly done: readonly ChangeCall[];
  /** Those whose outcome nobody knows. */
  readonly open: readonly ChangeCall[];
  readonly #ofNode = new Map<string, ChangeCall[]>();
  readonly #ofChildren = new Map<string, ChangeCall[]>();
  readonly #byZxid = new Map<bigint, ChangeCall>();

  constructor({ calls }: History) {
    const all = calls.filter((call): call is ChangeCall => call.kind === 'change' && call.outcome !== 'refused');
    this.done = all.filter(({ outcome }) => outcome === 'done').sort((a, b) => (a.zxid < b.zxid ? -1 : 1));
    this.open = all.filter(({ outcome }) => outcome === 'unknown');
    for (const change of this.done) {
      add(this.#ofNode, change.path, change);
      if (change.act !== 'set') {
        add(this.#ofChildren, parentOf(change.path), change);
      }
      this.#byZxid.set(change.zxid, change);
    }
  }

  /** Answered changes of a node, in order. */
  ofNode(path: string): readonly ChangeCall[] {
    return this.#ofNode.get(path) ?? [];
  }

  /** Answered creations and deletions of its children, in order. */
  ofChildren(path: string): readonly ChangeCall[] {
    return this.#ofChildren.get(path) ?? [];
  }

  /** Whether a change that has happened, or may have, behind the zxid `since`, explains what a watch told. */
  explain(notice: Notice, since: bigint): boolean {
    const { zxid, position } = notice;
    const { acts, ofChildren } = explanationsOf(notice);
    const fits = ({ path, act, began }: ChangeCall): boolean => {
      const isOfChild = ofChildren && act !== 'set' && parentOf(path) === notice.path;
      return began < position && (isOfChild || (path === notice.path && acts.includes(act)));
    };
    if (zxid === null) {
      const known = [...this.ofNode(notice.path), ...this.ofChildren(notice.path)];
      return known.some((change) => change.zxid > since && fits(change)) || this.open.some(fits);
    }
    const known = this.#byZxid.get(zxid);
    return known === undefined ? this.open.some(fits) : fits(known);
  }
}

function explanationsOf({ type, zxid }: Notice): { acts: readonly ChangeCall['act'][]; ofChildren: boolean } {
  return { acts: (zxid === null ? CATCH_UP_ACTS : ACTS)[type], ofChildren: type === 'children-changed' };
}

function add<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const values = map.get(key);
  if (values === undefined) {
    map.set(key, [value]);
  } else {
    values.push(value);
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

/** A notice in words. */
export function toldNotice({ type, path, zxid, position }: Notice): string {
  return `${type} ${path} of ${zxid === null ? 'no zxid' : `0x${zxid.toString(16)}`} (at ${position})`;
}
