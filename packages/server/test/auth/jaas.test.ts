import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digestUsers, JaasError, parseJaas } from '../../src/auth/jaas.ts';

/** The modules of section S as text, as Java's own parser was asked for them. */
function modules(text: string): string {
  const found = parseJaas(text, 'jaas.conf').sections.get('S') ?? [];
  return found
    .map(({ module, flag, options }) => `${module} ${flag} {${[...options].map(([k, v]) => `${k}=${v}`).join(', ')}}`)
    .join('; ');
}

describe('files that Java 17 takes are taken the same way', () => {
  test.each([
    ['S { a.B required k=v; };', 'a.B required {k=v}'],
    ['S{a.B required k=v;};', 'a.B required {k=v}'],
    ['S { a.B REQUIRED; };', 'a.B required {}'],
    [String.raw`S { a.B required k="a\"b\\c\n\101\x"; };`, 'a.B required {k=a"b\\c\nAx}'],
    [String.raw`S { a.B required k="\477"; };`, "a.B required {k='7}"],
    ['// c\n/* x\ny */ S { a.B required // foo }\n; };', 'a.B required {}'],
    ['S { a.B required\n  k=v / rest\n ; };', 'a.B required {k=v}'],
    ['S { a.B required k="a//b/*c*/"; };', 'a.B required {k=a//b/*c*/}'],
    ['S { a.B required k=a-b.c$d_e*f; };', 'a.B required {k=a-b.c$d_e*f}'],
    ['S { a.B required k=""; };', 'a.B required {k=}'],
    ['S { a.B required k=v k=w; };', 'a.B required {k=w}'],
    ['S { a.B required k="v" l="w"; c.D optional; };', 'a.B required {k=v, l=w}; c.D optional {}'],
    ['S { a.B required "k l"=v; };', 'a.B required {k l=v}'],
    ['S { a.B required user_ä=v; };', 'a.B required {user_ä=v}'],
    ['"S" { a.B required; }; T { c.D sufficient; };', 'a.B required {}'],
    ['S { };', ''],
    ['', ''],
  ])('%j', (text, expected) => {
    expect(modules(text)).toBe(expected);
  });
});

describe('other files are refused, with file and line', () => {
  test.each([
    ['S { a.B required k=v };', 'jaas.conf:1: expected an option or ";", found "}"'],
    ['S {\n a.B required k=v;\n}', 'jaas.conf:3: expected ";", found the end of the file'],
    ['S { a.B\n needed; };', 'jaas.conf:2: expected required, requisite, sufficient or optional, found "needed"'],
    ['S { a.B required; };\nS { a.B required; };', 'jaas.conf:2: section S is there twice'],
    ['S {\n a.B required k="v\n"; };', 'jaas.conf:2: a text in quotes does not end on its line'],
    ['S { a.B required k==v; };', 'jaas.conf:1: expected the value of k, found "="'],
    ['/* S', 'jaas.conf:1: a comment does not end'],
    ['/* \n */ S', 'jaas.conf:2: expected "{", found the end of the file'],
    ['S { a.B required\n k="$' + '{x}"; };', 'jaas.conf:2: Java properties ($' + '{...}) have no meaning here'],
    ['= {', 'jaas.conf:1: expected the name of a section, found "="'],
  ])('%j', (text, message) => {
    expect(() => modules(text)).toThrow(message);
    expect(() => modules(text)).toThrow(JaasError);
  });

  test('whatever the text, parsing ends, with a result or a JaasError', () => {
    const piece = fc.constantFrom('S', '{', '}', ';', '=', '"', '\\', '/', '*', '\n', ' ', 'a.B', 'required', 'k');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          parseJaas(pieces.join(''), 'f');
        } catch (error) {
          expect(error).toBeInstanceOf(JaasError);
        }
      }),
    );
  });
});

test('any password survives being quoted', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (password) => {
      fc.pre(!/[\r\n]/.test(password) && !password.includes('$' + '{'));
      const quoted = password.replace(/["\\]/g, '\\$&');
      const file = parseJaas(`Server { x.DigestLoginModule required user_bob="${quoted}"; };`, 'f');
      expect(digestUsers(file, 'Server')).toEqual(new Map([['bob', password]]));
    }),
  );
});

describe('users of DIGEST-MD5', () => {
  const text = `
    QuorumServer { org.apache.zookeeper.server.auth.DigestLoginModule required user_peer="p"; };
    Server {
      org.apache.zookeeper.server.auth.DigestLoginModule required
      debug=true
      user_super="adminsecret"
      user_bob="bobsecret"
      "user_bob@EXAMPLE.COM"="other";
    };
    Client { com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true; };
    Strange { org.example.MyLoginModule required; };
    Empty { };`;
  const file = parseJaas(text, 'conf/jaas.conf');

  test('of the section asked for', () => {
    expect([...digestUsers(file, 'Server')]).toEqual([
      ['super', 'adminsecret'],
      ['bob', 'bobsecret'],
      ['bob@EXAMPLE.COM', 'other'],
    ]);
    expect([...digestUsers(file, 'QuorumServer')]).toEqual([['peer', 'p']]);
  });

  test.each([
    [
      'Servers',
      /^conf\/jaas\.conf: there is no section Servers .*sections: QuorumServer, Server, .*sasl\.serverconfig/,
    ],
    ['Empty', /no section Empty with a login module/],
    ['Client', /^conf\/jaas\.conf:10: Kerberos \(GSSAPI\) is not supported.*DigestLoginModule.*fips-mode=false/],
    ['Strange', /^conf\/jaas\.conf:11: login module org\.example\.MyLoginModule is not supported/],
  ])('section %s', (section, message) => {
    expect(() => digestUsers(file, section)).toThrow(message);
    expect(() => digestUsers(file, section)).toThrow(JaasError);
  });
});
