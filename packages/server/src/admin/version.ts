/** The release whose behaviour this server has; programs compare it with the versions they know. */
export const ZOOKEEPER_VERSION = '3.10.0';
export const TREEKEEPER_VERSION = '0.1.0';

/** A constant of the release, so that the same sources say the same thing on every machine. */
const BUILD_DATE = '2026-11-21 00:00 UTC';

/**
 * What `srvr`, `envi` and `mntr` report. Clients parse it: the digits before the first dash are the ZooKeeper version,
 * what follows up to the comma is free, `built on` must be there (programs.md, "Version strings are parsed").
 */
export const VERSION_TEXT = `${ZOOKEEPER_VERSION}-treekeeper-${TREEKEEPER_VERSION}, built on ${BUILD_DATE}`;
