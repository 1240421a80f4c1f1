/** Request bodies, with nulls allowed everywhere: tests must be able to say what no client library would. */
import { JuteWriter } from '@treekeeper/protocol';

export interface AclEntry {
  readonly perms: number;
  readonly scheme: string | null;
  readonly id: string | null;
}

export interface MultiOp {
  readonly type: number;
  readonly body: Uint8Array;
}

export const openAcl: readonly AclEntry[] = [{ perms: 31, scheme: 'world', id: 'anyone' }];

function body(fill: (writer: JuteWriter) => void): Buffer {
  const writer = new JuteWriter();
  fill(writer);
  return writer.copy();
}

/** As the Java client writes it where it matters: half of a surrogate pair as three bytes, which are no UTF-8. */
function writeText(writer: JuteWriter, text: string | null): void {
  if (text === null || !/\p{Surrogate}/u.test(text)) {
    writer.ustring(text);
    return;
  }
  const units = [...text].map((character) => {
    const unit = character.charCodeAt(0);
    return character.length === 1 && unit >= 0xd800 && unit <= 0xdfff
      ? Buffer.from([0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f)])
      : Buffer.from(character);
  });
  writer.buffer(Buffer.concat(units));
}

function writeAcl(writer: JuteWriter, acl: readonly AclEntry[] | null): void {
  writer.int(acl?.length ?? -1);
  for (const { perms, scheme, id } of acl ?? []) {
    writer.int(perms);
    writeText(writer, scheme);
    writeText(writer, id);
  }
}

function writePaths(writer: JuteWriter, paths: readonly string[] | null): void {
  writer.int(paths?.length ?? -1);
  for (const path of paths ?? []) {
    writeText(writer, path);
  }
}

type Text = string | null;
type Data = Uint8Array | null;

export const emptyBody = Buffer.alloc(0);

/** create, create2, createContainer; with `ttlMs` also createTTL. */
export function createBody(
  path: Text,
  data: Data,
  acl: readonly AclEntry[] | null = openAcl,
  flags = 0,
  ttlMs?: bigint,
): Buffer {
  return body((writer) => {
    writeText(writer, path);
    writer.buffer(data);
    writeAcl(writer, acl);
    writer.int(flags);
    if (ttlMs !== undefined) {
      writer.long(ttlMs);
    }
  });
}

/** delete and check. */
export function versionBody(path: Text, version: number): Buffer {
  return body((writer) => {
    writeText(writer, path);
    writer.int(version);
  });
}

/** exists, getData, getChildren, getChildren2. */
export function watchedBody(path: Text, watch: boolean): Buffer {
  return body((writer) => {
    writeText(writer, path);
    writer.boolean(watch);
  });
}

/** getACL, sync, getEphemerals, getAllChildrenNumber, deleteContainer. */
export function pathBody(path: Text): Buffer {
  return body((writer) => writeText(writer, path));
}

export function setDataBody(path: Text, data: Data, version = -1): Buffer {
  return body((writer) => {
    writeText(writer, path);
    writer.buffer(data);
    writer.int(version);
  });
}

export function setAclBody(path: Text, acl: readonly AclEntry[] | null, version = -1): Buffer {
  return body((writer) => {
    writeText(writer, path);
    writeAcl(writer, acl);
    writer.int(version);
  });
}

/** addWatch (mode), checkWatches and removeWatches (watcher type). */
export function watchKindBody(path: Text, kind: number): Buffer {
  return versionBody(path, kind);
}

/** setWatches with three lists, setWatches2 with five. */
export function setWatchesBody(relativeZxid: bigint, lists: readonly (readonly string[] | null)[]): Buffer {
  return body((writer) => {
    writer.long(relativeZxid);
    for (const list of lists) {
      writePaths(writer, list);
    }
  });
}

export function authBody(scheme: Text, auth: Data): Buffer {
  return body((writer) => {
    writer.int(0);
    writeText(writer, scheme);
    writer.buffer(auth);
  });
}

/** sasl. */
export function bufferBody(token: Data): Buffer {
  return body((writer) => writer.buffer(token));
}

export function reconfigBody(joining: Text, leaving: Text, members: Text, fromConfig: bigint): Buffer {
  return body((writer) => {
    writeText(writer, joining);
    writeText(writer, leaving);
    writeText(writer, members);
    writer.long(fromConfig);
  });
}

/** multi and multiRead. */
export function multiBody(ops: readonly MultiOp[], terminated = true): Buffer {
  return body((writer) => {
    for (const op of ops) {
      writer.int(op.type);
      writer.boolean(false);
      writer.int(-1);
      writer.raw(op.body);
    }
    if (terminated) {
      writer.int(-1);
      writer.boolean(true);
      writer.int(-1);
    }
  });
}
