/**
 * JAAS login configuration files, where ZooKeeper's operators keep the passwords for DIGEST-MD5 (client-protocol.md
 * §8.6):
 *
 *     Server {
 *       org.apache.zookeeper.server.auth.DigestLoginModule required
 *       user_bob="secret";
 *     };
 */

/** The file cannot be used. The message names file and line and says what to do. */
export class JaasError extends Error {
  override readonly name = 'JaasError';
}

export interface JaasModule {
  /** The Java class. */
  readonly module: string;
  readonly flag: 'required' | 'requisite' | 'sufficient' | 'optional';
  readonly options: ReadonlyMap<string, string>;
  /** Of the class name, from 1. */
  readonly line: number;
}

export interface JaasFile {
  readonly file: string;
  readonly sections: ReadonlyMap<string, readonly JaasModule[]>;
}

interface Token {
  readonly kind: 'word' | 'text' | 'sign' | 'end';
  readonly value: string;
  readonly line: number;
}

/** @throws JaasError */
export function parseJaas(text: string, file: string): JaasFile {
  const tokens = new Tokens(text, file);
  const sections = new Map<string, readonly JaasModule[]>();
  while (tokens.next.kind !== 'end') {
    const name = tokens.takeWord('the name of a section');
    if (sections.has(name.value)) {
      throw tokens.fault(name, `section ${name.value} is there twice`);
    }
    tokens.takeSign('{');
    const modules: JaasModule[] = [];
    while (!tokens.isSign('}')) {
      modules.push(parseModule(tokens));
    }
    tokens.takeSign('}');
    tokens.takeSign(';');
    sections.set(name.value, modules);
  }
  return { file, sections };
}

function parseModule(tokens: Tokens): JaasModule {
  const { value: module, line } = tokens.takeWord('the class of a login module');
  const word = tokens.takeWord('required, requisite, sufficient or optional');
  const flag = word.value.toLowerCase();
  if (flag !== 'required' && flag !== 'requisite' && flag !== 'sufficient' && flag !== 'optional') {
    throw tokens.fault(word, `expected required, requisite, sufficient or optional, found "${word.value}"`);
  }
  const options = new Map<string, string>();
  while (!tokens.isSign(';')) {
    const key = tokens.takeWord('an option or ";"');
    tokens.takeSign('=');
    const value = tokens.takeWord(`the value of ${key.value}`);
    if (value.value.includes('${')) {
      throw tokens.fault(value, `Java properties (\${...}) have no meaning here; write out the value of ${key.value}`);
    }
    options.set(key.value, value.value);
  }
  tokens.takeSign(';');
  return { module, flag, options, line };
}

const DIGEST_MODULE = 'DigestLoginModule';
const USER_PREFIX = 'user_';

/**
 * The users that a section gives to DIGEST-MD5, with their passwords: options `user_NAME="password"`.
 *
 * @param section the section's name: `Server` unless `sasl.serverconfig` says otherwise
 * @throws JaasError when the section is missing, or has a login module other than DigestLoginModule
 */
export function digestUsers({ file, sections }: JaasFile, section: string): Map<string, string> {
  const modules = sections.get(section) ?? [];
  if (modules.length === 0) {
    const names = [...sections.keys()].join(', ');
    throw new JaasError(
      `${file}: there is no section ${section} with a login module in it ` +
        `(sections: ${names === '' ? 'none' : names}); add it, or name another in sasl.serverconfig`,
    );
  }
  const users = new Map<string, string>();
  for (const { module, options, line } of modules) {
    const className = module.slice(module.lastIndexOf('.') + 1);
    if (className.startsWith('Krb5LoginModule')) {
      throw new JaasError(
        `${file}:${line}: Kerberos (GSSAPI) is not supported by this server; give the users passwords with ` +
          'org.apache.zookeeper.server.auth.DigestLoginModule and set fips-mode=false, or use TLS client certificates',
      );
    }
    if (className !== DIGEST_MODULE) {
      throw new JaasError(
        `${file}:${line}: login module ${module} is not supported; ` +
          `org.apache.zookeeper.server.auth.${DIGEST_MODULE} is`,
      );
    }
    for (const [key, value] of options) {
      if (key.startsWith(USER_PREFIX)) {
        users.set(key.slice(USER_PREFIX.length), value);
      }
    }
  }
  return users;
}

/** Blanks and comments, as Java skips them; a single slash begins a comment, too. */
const SKIPPED = /(?:\s+|\/\*[\s\S]*?\*\/|\/(?!\*).*)*/y;
const SIGN = /[{};=]/y;
const QUOTED = /"((?:[^"\\\r\n]|\\[^\r\n])*)"/y;
const WORD = /[^\s{};="/]+/y;
const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

class Tokens {
  readonly #text: string;
  readonly #file: string;
  #at = 0;
  #line = 1;
  next: Token;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
    this.next = this.#read();
  }

  fault(token: Token, message: string): JaasError {
    return new JaasError(`${this.#file}:${token.line}: ${message}`);
  }

  isSign(sign: string): boolean {
    return this.next.kind === 'sign' && this.next.value === sign;
  }

  takeSign(sign: string): void {
    if (!this.isSign(sign)) {
      throw this.#unexpected(`"${sign}"`);
    }
    this.next = this.#read();
  }

  /** A word, or text in quotes. */
  takeWord(what: string): Token {
    const token = this.next;
    if (token.kind !== 'word' && token.kind !== 'text') {
      throw this.#unexpected(what);
    }
    this.next = this.#read();
    return token;
  }

  #unexpected(what: string): JaasError {
    const found = this.next.kind === 'end' ? 'the end of the file' : `"${this.next.value}"`;
    return this.fault(this.next, `expected ${what}, found ${found}`);
  }

  #read(): Token {
    this.#match(SKIPPED);
    const line = this.#line;
    if (this.#at === this.#text.length) {
      return { kind: 'end', value: '', line };
    }
    const sign = this.#match(SIGN);
    if (sign !== null) {
      return { kind: 'sign', value: sign[0], line };
    }
    const quoted = this.#match(QUOTED);
    if (quoted !== null) {
      return { kind: 'text', value: unescaped(quoted[1]), line };
    }
    const word = this.#match(WORD);
    if (word !== null) {
      return { kind: 'word', value: word[0], line };
    }
    const opened =
      this.#text[this.#at] === '"' ? 'a text in quotes does not end on its line' : 'a comment does not end';
    throw new JaasError(`${this.#file}:${line}: ${opened}`);
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found !== null) {
      this.#at = pattern.lastIndex;
      this.#line += found[0].split('\n').length - 1;
    }
    return found;
  }
}

function unescaped(text: string): string {
  return text.replace(/\\([0-3]?[0-7]{1,2}|.)/g, (_, code: string) =>
    /^[0-7]/.test(code) ? String.fromCharCode(Number.parseInt(code, 8)) : (escapes[code] ?? code),
  );
}
