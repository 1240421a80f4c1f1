/**
 * Quotas (client-protocol.md §9): `/zookeeper/quota/a/zookeeper_limits` puts `/a` under watch, and
 * `/zookeeper/quota/a/zookeeper_stats` shows its totals, rewritten in place whenever they change.
 *
 * The totals live here, not in the text of the statistics, so that no text a client puts there can harm. Every tracked
 * prefix above a change is kept exact; limits are those of the deepest one. Paths in /zookeeper are not tracked: the
 * statistics would count themselves.
 */
import { ErrorNumber } from '@treekeeper/protocol';
import type { NodeId } from './node-table.ts';

const QUOTA_ROOT = '/zookeeper/quota';
const LIMITS_SUFFIX = '/zookeeper_limits';
const STATS_SUFFIX = '/zookeeper_stats';

/** Limits for the root: ZooKeeper's server dies when it applies their creation, so they are refused (§9). */
export const ROOT_LIMITS_PATH: string = QUOTA_ROOT + LIMITS_SUFFIX;

const INT64_MAX = 2n ** 63n - 1n;

/** −1: no limit. */
export interface QuotaLimits {
  readonly count: number;
  readonly bytes: number;
  readonly countHard: number;
  readonly bytesHard: number;
}

export interface QuotaTotals {
  /** Nodes of the subtree, its top included. */
  count: number;
  /** Lengths of their data. */
  bytes: number;
}

export type QuotaVerdict = 'ok' | 'exceeded' | 'unparsable';

/** A limit that a write would exceed: refused if hard, else only worth a line in the log. */
export interface QuotaViolation {
  readonly prefix: string;
  readonly kind: 'count' | 'bytes';
  readonly hard: boolean;
  readonly limit: number;
  readonly total: number;
}

/** A tracked prefix as metrics show it. */
export interface QuotaUsage extends Readonly<QuotaTotals> {
  readonly prefix: string;
  /** null: the text of the limits does not parse. */
  readonly limits: QuotaLimits | null;
}

/** What the tracker needs of the tree. */
export interface QuotaTree {
  find(path: string): NodeId;
  data(node: NodeId): Uint8Array | null;
  /** Counts a subtree; zeros for no node. */
  totals(top: NodeId): QuotaTotals;
  /** Paths of all nodes below `top`. */
  pathsBelow(top: NodeId): Iterable<string>;
  /** Replaces the data of a node and nothing else: no version, mzxid, change or digest (nodes here have none). */
  rewrite(node: NodeId, data: Uint8Array): void;
}

interface Quota extends QuotaTotals {
  readonly prefix: string;
  /** undefined: to be read again; null: unparsable. */
  limits: QuotaLimits | null | undefined;
}

export class QuotaTracker {
  readonly #tree: QuotaTree;
  readonly #quotas = new Map<string, Quota>();
  /** What the last `check` found above a limit. */
  readonly violations: QuotaViolation[] = [];

  constructor(tree: QuotaTree) {
    this.#tree = tree;
  }

  /** Tracked prefixes with limits and totals. */
  *usages(): Iterable<QuotaUsage> {
    for (const quota of this.#quotas.values()) {
      yield { prefix: quota.prefix, count: quota.count, bytes: quota.bytes, limits: this.#limitsOf(quota) };
    }
  }

  /**
   * Whether a write that adds so many nodes and bytes at `path` keeps within the limits of the deepest tracked prefix,
   * by the totals applied so far. A hard limit takes the place of the soft one; a soft one is never 'exceeded'. What is
   * above a limit stands in `violations` afterwards. 'unparsable': the limits are not in the grammar.
   */
  check(path: string, countDelta: number, bytesDelta: number): QuotaVerdict {
    this.violations.length = 0;
    const quota = this.#quotas.size === 0 ? undefined : this.#deepest(path);
    if (quota === undefined) {
      return 'ok';
    }
    const limits = this.#limitsOf(quota);
    if (limits === null) {
      return 'unparsable';
    }
    // ZooKeeper reads the totals from the statistics node: without it nothing is enforced.
    if (this.#tree.find(QUOTA_ROOT + quota.prefix + STATS_SUFFIX) === 0) {
      return 'ok';
    }
    this.#checkOne(quota, 'count', countDelta, quota.count, limits.countHard, limits.count);
    this.#checkOne(quota, 'bytes', bytesDelta, quota.bytes, limits.bytesHard, limits.bytes);
    return this.violations.some((violation) => violation.hard) ? 'exceeded' : 'ok';
  }

  /** `check` as the answer to a client: 0, QUOTA_EXCEEDED or MARSHALLING_ERROR; always 0 unless `enforced`. */
  refusal(path: string, countDelta: number, bytesDelta: number, enforced: boolean): number {
    if (!enforced) {
      return 0;
    }
    const verdict = this.check(path, countDelta, bytesDelta);
    if (verdict === 'ok') {
      return 0;
    }
    return verdict === 'exceeded' ? ErrorNumber.QUOTA_EXCEEDED : ErrorNumber.MARSHALLING_ERROR;
  }

  #checkOne(quota: Quota, kind: 'count' | 'bytes', delta: number, total: number, hard: number, soft: number): void {
    const limit = hard > -1 ? hard : soft;
    if (delta !== 0 && limit > -1 && total + delta > limit) {
      this.violations.push({ prefix: quota.prefix, kind, hard: hard > -1, limit, total: total + delta });
    }
  }

  /** For the tree: a node outside /zookeeper was created, removed, or got data of another length. */
  changed(path: string, countDelta: number, bytesDelta: number): void {
    if (this.#quotas.size === 0) {
      return;
    }
    for (let end = path.indexOf('/', 1); end >= 0; end = path.indexOf('/', end + 1)) {
      this.#adjust(this.#quotas.get(path.slice(0, end)), countDelta, bytesDelta);
    }
    this.#adjust(this.#quotas.get(path), countDelta, bytesDelta);
  }

  #adjust(quota: Quota | undefined, countDelta: number, bytesDelta: number): void {
    if (quota !== undefined) {
      quota.count += countDelta;
      quota.bytes += bytesDelta;
      this.#writeStatistics(quota.prefix, quota);
    }
  }

  /** For the tree: a node below /zookeeper was created. */
  systemCreated(path: string): void {
    const limited = prefixOf(path, LIMITS_SUFFIX);
    if (limited !== null) {
      this.#writeStatistics(limited, this.#track(limited));
    }
    const counted = prefixOf(path, STATS_SUFFIX);
    if (counted !== null) {
      this.#writeStatistics(counted, this.#quotas.get(counted) ?? this.#tree.totals(this.#tree.find(counted)));
    }
  }

  /** For the tree: a node below /zookeeper got other data. */
  systemChanged(path: string): void {
    const limited = prefixOf(path, LIMITS_SUFFIX);
    const quota = limited === null ? undefined : this.#quotas.get(limited);
    if (quota !== undefined) {
      quota.limits = undefined;
    }
  }

  /** For the tree: a node below /zookeeper was removed. */
  systemRemoved(path: string): void {
    const limited = prefixOf(path, LIMITS_SUFFIX);
    if (limited !== null) {
      this.#quotas.delete(limited);
    }
  }

  /** For the tree, when all of a snapshot is loaded: finds the limits there and counts. */
  reload(): void {
    for (const path of this.#tree.pathsBelow(this.#tree.find(QUOTA_ROOT))) {
      const limited = prefixOf(path, LIMITS_SUFFIX);
      if (limited !== null) {
        this.#writeStatistics(limited, this.#track(limited));
      }
    }
  }

  #track(prefix: string): Quota {
    const { count, bytes } = this.#tree.totals(this.#tree.find(prefix));
    const quota: Quota = { prefix, count, bytes, limits: undefined };
    this.#quotas.set(prefix, quota);
    return quota;
  }

  #deepest(path: string): Quota | undefined {
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
      const quota = this.#quotas.get(path.slice(0, end));
      if (quota !== undefined) {
        return quota;
      }
    }
    return undefined;
  }

  #limitsOf(quota: Quota): QuotaLimits | null {
    if (quota.limits === undefined) {
      const data = this.#tree.data(this.#tree.find(QUOTA_ROOT + quota.prefix + LIMITS_SUFFIX));
      quota.limits = data === null ? null : parseLimits(Buffer.from(data).toString());
    }
    return quota.limits;
  }

  #writeStatistics(prefix: string, { count, bytes }: QuotaTotals): void {
    const node = this.#tree.find(QUOTA_ROOT + prefix + STATS_SUFFIX);
    if (node !== 0) {
      this.#tree.rewrite(node, Buffer.from(`count=${count},bytes=${bytes}`));
    }
  }
}

/** The prefix whose limits or statistics are at `path`; null when it is none that can be tracked. */
function prefixOf(path: string, suffix: string): string | null {
  if (!path.startsWith(`${QUOTA_ROOT}/`) || !path.endsWith(suffix)) {
    return null;
  }
  const prefix = path.slice(QUOTA_ROOT.length, -suffix.length);
  return prefix === '' || prefix === '/zookeeper' || prefix.startsWith('/zookeeper/') ? null : prefix;
}

/**
 * Reads the text of limits: pairs `key=value` between runs of commas or semicolons; other keys are passed over, and what
 * follows a second `=` is ignored (old writers put one). An empty value means −1 where a second `=` stands behind it; the
 * bare `key=` does not parse, as Java's split drops what is empty at the end. Text without a pair sets no limit. null
 * when the text does not parse.
 */
export function parseLimits(text: string): QuotaLimits | null {
  if (/^[,;]*$/.test(text)) {
    return { count: -1, bytes: -1, countHard: -1, bytesHard: -1 };
  }
  const values = new Map<string, number>();
  for (const pair of javaSplit(text, /[,;]+/)) {
    const [key, value] = javaSplit(pair, '=');
    if (value === undefined) {
      return null;
    }
    const number = value === '' ? -1 : parseInt64(value);
    if (number === null) {
      return null;
    }
    values.set(key, number);
  }
  return {
    count: values.get('count') ?? -1,
    bytes: values.get('bytes') ?? -1,
    countHard: values.get('countHardLimit') ?? -1,
    bytesHard: values.get('byteHardLimit') ?? -1,
  };
}

/** As Java's String.split: empty parts at the end are dropped. */
function javaSplit(text: string, separator: string | RegExp): string[] {
  const parts = text.split(separator);
  while (parts.length > 1 && parts.at(-1) === '') {
    parts.pop();
  }
  return parts;
}

function parseInt64(text: string): number | null {
  if (!/^[+-]?[0-9]+$/.test(text)) {
    return null;
  }
  const value = BigInt(text.replace('+', ''));
  return value > INT64_MAX || value < -INT64_MAX - 1n ? null : Number(value);
}
