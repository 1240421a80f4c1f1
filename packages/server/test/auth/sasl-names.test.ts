import { describe, expect, test } from 'vitest';
import { NameRuleError, parseNameRules, saslName } from '../../src/auth/kerberos-names.ts';

/** The short name; the rules are asked alone when host and realm are removed. */
function shortName(rules: string, name: string, defaultRealm: string | null = 'EXAMPLE.COM'): string | null {
  return saslName(name, { rules: parseNameRules(rules), defaultRealm, removeHost: true, removeRealm: true });
}

describe('short names, as Apache ZooKeeper 3.8 maps them', () => {
  test.each([
    ['DEFAULT', 'bob', 'bob'],
    ['DEFAULT', 'bob@EXAMPLE.COM', 'bob'],
    ['DEFAULT', 'bob/h@EXAMPLE.COM', 'bob'],
    ['DEFAULT', 'bob/@EXAMPLE.COM', 'bob'],
    ['DEFAULT', 'bob/h', 'bob/h'],
    ['DEFAULT', '', ''],
    ['DEFAULT', '@EXAMPLE.COM', ''],
    ['  DEFAULT  ', 'bob@EXAMPLE.COM', 'bob'],
    ['RULE:[1:$1]', 'bob@R', 'bob'],
    ['RULE:[2:$1]', 'bob/h@R', 'bob'],
    ['RULE:[1:$1@$0](.*@R)s/@.*//', 'bob@R', 'bob'],
    ['RULE:[1:$1@$0](.*@Q)s/@.*//\nDEFAULT', 'bob@EXAMPLE.COM', 'bob'],
    ['RULE:[2:$1;$2](^.*;admin$)s/;admin$//', 'bob/admin@R', 'bob'],
    ['RULE:[1:$1]s/b/x/', 'bob@R', 'xob'],
    ['RULE:[1:$1]s/b/x/g', 'bob@R', 'xox'],
    ['RULE:[1:$1](bob)s/(b)(o)/$2$1/', 'bob@R', 'obb'],
    ['RULE:[1:a$1b$0c]', 'bob@R', 'abobbRc'],
    ['RULE:[1:$1](bob)s/.*/fixed/', 'bob@R', 'fixed'],
    ['RULE:[1:$1] RULE:[2:$1$2]', 'bob/h@R', 'bobh'],
    ['RULE:[1:$1](.*)s/o/[$0]/', 'bob@R', 'b[o]b'],
    [String.raw`RULE:[1:$1]s/o/\$/`, 'bob@R', 'b$b'],
    ['RULE:[1:$1]s/b/x/gDEFAULT', 'bob@R', 'xox'],
  ])('%s maps %s to %s', (rules, name, expected) => {
    expect(shortName(rules, name)).toBe(expected);
  });

  test('an empty realm is the default one of a host without Kerberos', () => {
    expect(shortName('DEFAULT', 'bob@', null)).toBe('bob');
    expect(shortName('DEFAULT', 'bob@EXAMPLE.COM', null)).toBe('bob@EXAMPLE.COM');
  });
});

describe('names to which no rule applies stay whole', () => {
  test.each([
    ['DEFAULT', 'bob@R'],
    ['DEFAULT', 'bob@'],
    ['RULE:[1:$1]', 'bob/h@R'],
    ['RULE:[1:$1@$0]', 'bob@R'],
    ['RULE:[2:$1;$2](^.*;admin$)s/;admin$//', 'bob/other@R'],
    ['RULE:[1:$1](bo)', 'bob@R'],
    ['RULE:[0:$0]', 'bob@R'],
    ['', 'bob@R'],
  ])('%s, %s', (rules, name) => {
    expect(shortName(rules, name)).toBe(name);
  });
});

test.each(['a@b@c', 'a/b/c@R', '@@'])('%s is malformed', (name) => {
  expect(shortName('DEFAULT', name)).toBeNull();
});

describe('rules that cannot work are refused when they are read', () => {
  test.each([
    ['nonsense', /do not parse from "nonsense"/],
    ['DEFAULT nonsense', /do not parse from "nonsense"/],
    ['RULE:[1:$1]/L', /do not parse from "\/L"/],
    [String.raw`RULE:[1:$1](.*)s/o/a\/b/`, /do not parse from "b\/"/],
    ['RULE:[1:x$1', /do not parse/],
    ['RULE:[:$1]', /do not parse/],
    ['RULE:[1:$3]', /in "\$3", \$3 must be one of \$0 to \$1/],
    ['RULE:[1:$x]', /\$ must be one of/],
    ['RULE:[1:$1]s/o/$7/', /\$7 must be one of \$0 to \$0/],
    ['RULE:[1:$1]([)', /auth_to_local: Invalid regular expression/],
  ])('%s', (rules, message) => {
    expect(() => parseNameRules(rules)).toThrow(message);
    expect(() => parseNameRules(rules)).toThrow(NameRuleError);
  });
});

describe('host and realm', () => {
  test.each([
    [false, false, 'bob/h@EXAMPLE.COM'],
    [true, false, 'bob@EXAMPLE.COM'],
    [false, true, 'bob/h'],
    [true, true, 'bob'],
  ])('removeHost %s, removeRealm %s: %s', (removeHost, removeRealm, expected) => {
    const rules = { rules: parseNameRules('DEFAULT'), defaultRealm: 'EXAMPLE.COM', removeHost, removeRealm };
    expect(saslName('bob/h@EXAMPLE.COM', rules)).toBe(expected);
  });
});
