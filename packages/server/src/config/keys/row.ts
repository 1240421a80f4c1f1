import type { ConfigField, FieldValue } from '../server-config.ts';
import type { ValueType } from '../values.ts';

/**
 * How ZooKeeper comes by the setting:
 * - `key`: by its name in zoo.cfg only;
 * - `property`: a zoo.cfg key x, which ZooKeeper turns into the system property `zookeeper.x`, or that property itself;
 * - `java`: a Java system property of that very name; in zoo.cfg ZooKeeper ignores it without a word, we do not;
 * - `file`: the presence or the content of a file of that name.
 */
export type KeyKind = 'key' | 'property' | 'java' | 'file';

/** must: a drop-in replacement breaks without it; should: real users set it; jvm-only: has a meaning in a JVM only. */
export type Judgement = 'must' | 'should' | 'niche' | 'jvm-only';

interface RowBase {
  /** The name as ZooKeeper's code reads it; `N` at the end of a pattern stands for any number or word. */
  readonly key: string;
  /** Other names: documented ones that ZooKeeper's code does not read, and older ones. */
  readonly aliases?: readonly string[];
  readonly kind: KeyKind;
  /** What zoo.cfg would have to say to get the default; null: nothing, unset. */
  readonly default: string | null;
  /** ZooKeeper's default where ours differs, and why ours is better. */
  readonly defaultNote?: string;
  readonly judgement: Judgement;
  /** One sentence without a full stop. */
  readonly meaning: string;
  /** A password or a digest: never shown. */
  readonly secret?: true;
}

interface FieldRow<F extends ConfigField> extends RowBase {
  /** The field of ServerConfig that it sets. */
  readonly effect: F;
  readonly type: ValueType<FieldValue<F>>;
}

interface OtherRow extends RowBase {
  /**
   * - `composed`: config/ works it into several fields, or into one together with other keys;
   * - `client`: for client programs, accepted because files are shared;
   * - `none`: accepted; there is nothing here for it to change.
   */
  readonly effect: 'composed' | 'client' | 'none';
  readonly type: ValueType<unknown>;
}

/** One key of zoo.cfg or system property: all that is known of it. */
export type KeyRow = { [F in ConfigField]: FieldRow<F> }[ConfigField] | OtherRow;
