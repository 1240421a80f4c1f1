import { zxidHex } from '@treekeeper/protocol';
import { type Command, query } from './command.ts';

/** The tree, its sessions and its watches. Ids that stand as keys are decimal texts, as JSON wants. */
export const treeCommands: readonly Command[] = [
  query('ruok', [], () => ({})),
  query('is_read_only', ['isro'], ({ mode }) => ({ read_only: mode === 'read-only' })),
  query('dump', [], (view) => ({
    expiry_time_to_session_ids: new Map(
      [...view.sessionsByExpiry()].map(({ deadlineMs, sessionIds }) => [`${Math.trunc(deadlineMs)}`, sessionIds]),
    ),
    session_id_to_ephemeral_paths: byDecimal(view.ephemeralsBySession()),
  })),
  query('hash', [], (view) => ({
    digests: [...view.digests()].map(({ zxid, digest, digestVersion }) => ({
      zxid,
      digest,
      digest_version: digestVersion,
    })),
  })),
  query('last_snapshot', ['lsnp'], ({ lastSnapshot }) => ({
    zxid: zxidHex(lastSnapshot?.zxid ?? -1n),
    timestamp: lastSnapshot?.timestampSeconds ?? -1,
  })),
  query('watches', ['wchc'], (view) => ({ session_id_to_watched_paths: byDecimal(view.watchesBySession()) })),
  query('watches_by_path', ['wchp'], (view) => ({ path_to_session_ids: new Map(view.watchesByPath()) })),
  query('watch_summary', ['wchs'], (view) => {
    const { connections, paths, watches } = view.watchSummary();
    return { num_connections: connections, num_paths: paths, num_total_watches: watches };
  }),
];

function byDecimal(
  pathsBySession: Iterable<readonly [sessionId: bigint, paths: readonly string[]]>,
): ReadonlyMap<string, readonly string[]> {
  return new Map([...pathsBySession].map(([sessionId, paths]) => [`${sessionId}`, paths]));
}
