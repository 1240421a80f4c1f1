import { plain } from './plain.ts';
import { superUser } from './servers.ts';
import { Session } from './session.ts';

/** Every node of a server's tree by its path: all that a client can see of it, as one line of text. */
export type TreeDump = ReadonlyMap<string, string>;

/** Reads the whole tree as super; nothing may be written meanwhile. The session that reads is closed again. */
export async function dumpTree(port: number, host?: string): Promise<TreeDump> {
  const session = await Session.open(port, {}, host);
  await session.auth(superUser);
  const dump = new Map<string, string>();
  let level = ['/'];
  while (level.length > 0) {
    const children = await Promise.all(level.map((path) => dumpNode(session, path, dump)));
    level = children.flat();
  }
  await session.close();
  return dump;
}

async function dumpNode(session: Session, path: string, dump: Map<string, string>): Promise<string[]> {
  const [{ children }, { data, stat }, { acl }] = await Promise.all([
    session.getChildren(path),
    session.getData(path),
    session.getAcl(path),
  ]);
  // Statistics of a quota are counted, not logged; the server itself writes the config node.
  const counted = path.endsWith('/zookeeper_stats') || path === '/zookeeper/config';
  dump.set(path, plain(counted ? { acl, czxid: stat.czxid } : { data, acl, stat }));
  return children.map((name) => (path === '/' ? `/${name}` : `${path}/${name}`));
}

/** The nodes that differ, at most ten of them, in words; empty when the trees are the same. */
export function compareDumps(expected: TreeDump, actual: TreeDump): string {
  const lines: string[] = [];
  for (const path of new Set([...expected.keys(), ...actual.keys()])) {
    if (expected.get(path) !== actual.get(path)) {
      lines.push(`${path}\n  expected ${expected.get(path) ?? 'no node'}\n  got      ${actual.get(path) ?? 'no node'}`);
    }
  }
  const more = lines.length > 10 ? `\nand ${lines.length - 10} more` : '';
  return lines.slice(0, 10).join('\n') + more;
}
