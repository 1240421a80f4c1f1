/** Records shared by requests, transactions and files (client-protocol.md §1.4, disk-format.md §0). */
import { type Encodable, type Infer, int, long, record, ustring } from '../jute/schema.ts';

/** An identity: of a connection, or named by an ACL entry. */
export const Id = record('Id', { scheme: ustring, id: ustring });
export type Id = Infer<typeof Id>;

/** One entry of an access control list; `perms` is a set of bits (acl.ts). */
export const ACL = record('ACL', { perms: int, id: Id });
export type ACL = Infer<typeof ACL>;

/** What a client sees of a node, 68 bytes. Times in ms since 1970. */
export const Stat = record('Stat', {
  czxid: long,
  mzxid: long,
  ctime: long,
  mtime: long,
  version: int,
  cversion: int,
  aversion: int,
  ephemeralOwner: long,
  dataLength: int,
  numChildren: int,
  pzxid: long,
});
export type Stat = Infer<typeof Stat>;
export type EncodableStat = Encodable<typeof Stat>;

/** What a snapshot keeps of a node's stat, 60 bytes; cversion counts creations only. */
export const StatPersisted = record('StatPersisted', {
  czxid: long,
  mzxid: long,
  ctime: long,
  mtime: long,
  version: int,
  cversion: int,
  aversion: int,
  ephemeralOwner: long,
  pzxid: long,
});
export type StatPersisted = Infer<typeof StatPersisted>;
