/**
 * From the name that SASL has authenticated to the id in scheme sasl (client-protocol.md §8.6): the rules of
 * `security.auth_to_local`, which stem from Kerberos and hold for DIGEST-MD5 users too.
 */

/** The rules do not parse: a fault of the configuration. */
export class NameRuleError extends Error {
  override readonly name = 'NameRuleError';
}

export interface NameRules {
  readonly rules: readonly NameRule[];
  /** What rule DEFAULT strips; null when the host has no Kerberos realm. */
  readonly defaultRealm: string | null;
  /** `kerberos.removeHostFromPrincipal`: otherwise /host follows the short name again. */
  readonly removeHost: boolean;
  /** `kerberos.removeRealmFromPrincipal`: otherwise @realm follows it again. */
  readonly removeRealm: boolean;
}

export type NameRule =
  | { readonly kind: 'default' }
  | {
      readonly kind: 'rule';
      /** How many parts (name, host) a principal must have. */
      readonly components: number;
      /** `$0` is the realm, `$1` the name, `$2` the host. */
      readonly format: string;
      /** What the formatted text must be, as a whole; null: anything. */
      readonly match: RegExp | null;
      /** Then replaced in it; null: nothing. */
      readonly substitution: { readonly from: RegExp; readonly to: string } | null;
    };

/** One rule; the groups: DEFAULT, components, format, match, from, to, "g". */
const RULE = /\s*(?:(DEFAULT)|RULE:\[(\d+):([^\]]*)\](?:\(([^)]*)\))?(?:s\/([^/]*)\/([^/]*)\/(g)?)?)/y;

/**
 * Parses `security.auth_to_local`: rules `DEFAULT` and `RULE:[n:format](match)s/from/to/g`, with or without blanks
 * between them.
 * @throws NameRuleError
 */
export function parseNameRules(text: string): NameRule[] {
  const rules: NameRule[] = [];
  const end = text.trimEnd().length;
  for (let at = 0; at < end; at = RULE.lastIndex) {
    RULE.lastIndex = at;
    const found = RULE.exec(text);
    if (found === null) {
      throw new NameRuleError(
        `the rules of auth_to_local do not parse from "${text.slice(at, end).trim()}" on: expected DEFAULT or ` +
          'RULE:[components:format](match)s/from/to/',
      );
    }
    const [, isDefault, components, format, match, from, to, global] = found;
    if (isDefault !== undefined) {
      rules.push({ kind: 'default' });
      continue;
    }
    checkReferences(format, Number(components));
    if (from !== undefined) {
      checkReferences(to.replace(/\\./g, ''), groupsOf(from));
    }
    rules.push({
      kind: 'rule',
      components: Number(components),
      format,
      match: match === undefined ? null : pattern(`^(?:${match})$`, ''),
      substitution: from === undefined ? null : { from: pattern(from, global ?? ''), to },
    });
  }
  return rules;
}

function pattern(source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (error) {
    throw new NameRuleError(`auth_to_local: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** How many groups a pattern has. */
function groupsOf(source: string): number {
  return (pattern(`${source}|`, '').exec('')?.length ?? 1) - 1;
}

/** Each $ must name a part, or a group, that there is. */
function checkReferences(text: string, max: number): void {
  for (const [reference, digits] of text.matchAll(/\$(\d*)/g)) {
    if (digits === '' || Number(digits) > max) {
      throw new NameRuleError(`auth_to_local: in "${text}", ${reference} must be one of $0 to $${max}`);
    }
  }
}

/** name, name@realm or name/host@realm. */
const PRINCIPAL = /^([^/@]*)(?:\/([^/@]*))?@([^/@]*)$/;

/**
 * The id for an authenticated name; null when the name is malformed (it holds '@' and is no principal).
 *
 * A principal to which no rule applies keeps its whole name. (Apache ZooKeeper then takes the name that the client
 * asked to act for, so that anyone could pass for anyone; nothing can be stored under such ids that ours would lose,
 * as clients ask for no other name than their own.)
 */
export function saslName(name: string, options: NameRules): string | null {
  const principal = PRINCIPAL.exec(name);
  if (principal === null) {
    return name.includes('@') ? null : name;
  }
  const [, service, host, realm] = principal;
  const short = shortName(host === undefined ? [realm, service] : [realm, service, host], options);
  if (short === null) {
    return name;
  }
  const hostPart = host === undefined || options.removeHost ? '' : `/${host}`;
  return short + hostPart + (options.removeRealm ? '' : `@${realm}`);
}

/** By the first rule that applies; null when none does, or its result still has a host or realm in it. */
function shortName(parts: readonly string[], { rules, defaultRealm }: NameRules): string | null {
  for (const rule of rules) {
    const short = rule.kind === 'default' ? stripped(parts, defaultRealm) : applied(rule, parts);
    if (short !== null) {
      return /[/@]/.test(short) ? null : short;
    }
  }
  return null;
}

function stripped(parts: readonly string[], defaultRealm: string | null): string | null {
  return parts[0] === (defaultRealm ?? '') ? parts[1] : null;
}

function applied(rule: NameRule & { kind: 'rule' }, parts: readonly string[]): string | null {
  if (rule.components !== parts.length - 1) {
    return null;
  }
  const text = rule.format.replace(/\$(\d+)/g, (_, part: string) => parts[Number(part)] ?? '');
  if (rule.match !== null && !rule.match.test(text)) {
    return null;
  }
  if (rule.substitution === null) {
    return text;
  }
  const { from, to } = rule.substitution;
  return text.replace(from, (...found: (string | number | undefined)[]) => expanded(to, found));
}

/** Java's replacement text: $n is a group (0: all of it), a backslash takes the next character as it is. */
function expanded(to: string, groups: readonly (string | number | undefined)[]): string {
  return to.replace(/\\(.)|\$(\d+)/g, (_, literal: string | undefined, group: string) =>
    String(literal ?? groups[Number(group)] ?? ''),
  );
}
