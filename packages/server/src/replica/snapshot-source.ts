/**
 * The replica's tables as a snapshot reads them: sessions and ACLs at once, the nodes bit by bit while writes go on.
 */
import type { ACL, JuteWriter } from '@treekeeper/protocol';
import type { World } from '../operations/operation.ts';
import type { SnapshotSource } from '../storage/snapshot.ts';
import type { TreeWalk } from '../tree/walk.ts';

export class ReplicaSnapshotSource implements SnapshotSource {
  /** Names the file: everything after it has to be replayed over what is read here. */
  readonly zxid: number;
  readonly sessions: ReadonlyMap<bigint, number>;
  readonly acls: ReadonlyMap<bigint, readonly ACL[]>;
  readonly #world: World;
  readonly #walk: TreeWalk;
  readonly #digestEnabled: boolean;
  readonly #isAhead: boolean;

  /** @param isAhead the world shows more than its last transaction */
  constructor(world: World, digestEnabled: boolean, isAhead = false) {
    const { tree, sessions } = world;
    this.#world = world;
    this.#digestEnabled = digestEnabled;
    this.#isAhead = isAhead;
    this.zxid = tree.lastZxid;
    this.sessions = sessions.globalTimeouts();
    this.acls = new Map(tree.acls.entries());
    this.#walk = tree.walk(this.zxid);
  }

  /**
   * Writes nodes until about `budgetBytes` more have been written; false at the end. Nodes created since the walk began
   * are left to replay. So is an ACL set since: its id is not in the table above, and a backup, which has no log with
   * it, must not show it as another one.
   */
  writeNodes(writer: JuteWriter, budgetBytes: number): boolean {
    const { tree } = this.#world;
    const end = writer.length + budgetBytes;
    while (writer.length < end) {
      const node = this.#walk.next();
      if (node === 0) {
        return false;
      }
      tree.writeNode(node, writer, this.#walk.aclIdBefore(node) ?? tree.aclId(node));
    }
    return true;
  }

  /** Taken when the walk is over: what has been read is a mixture up to here. */
  trailer(): { digestZxid: number; digest: bigint | null; isAhead: boolean; lastZxid: number } {
    const { digest, lastZxid } = this.#world.tree;
    const isAhead = this.#isAhead;
    return { digestZxid: lastZxid, digest: this.#digestEnabled ? digest : null, isAhead, lastZxid };
  }

  end(): void {
    this.#walk.end();
  }
}
