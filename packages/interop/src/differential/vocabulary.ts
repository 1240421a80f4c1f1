/** The words that the random sequences are made of: few enough that requests meet, odd enough that they stumble. */
import type { AclEntry } from '../bodies.ts';
import type { Random } from '../random.ts';

const names = ['a', 'b', 'c', 'd'];

export const badPaths: readonly (string | null)[] = [
  null,
  '',
  'a',
  'a/b',
  '//',
  '/a/',
  '/a//b',
  '//a',
  '/.',
  '/..',
  '/a/.',
  '/a/../b',
  '/./a',
  '/a\u0000b',
  '/\u0001',
  '/a\u001f',
  '/\u007f',
  '/\u009f',
  '/\ud83d\ude00',
  '/\ud83d',
  '/\ude00\ud83d',
  '/\ue000',
  '/\uf8ff',
  '/\ufff0',
  '/\ufffd',
  '/a/b/c/d/e/f',
];
/** Odd, and right all the same. */
const oddPaths = [
  '/...',
  '/.a',
  '/a.',
  '/..a',
  '/a b',
  '/\u00a0',
  '/\u00e9',
  '/\u4e2d\u6587',
  '/\ud7ff',
  '/\uf900',
  '/\uffef',
  `/${'n'.repeat(300)}`,
];
const systemPaths = ['/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config', '/zookeeper/a', ''];
export const quotaPrefixes = ['/q1', '/q2/a'];

/** Below here, and on sequential nodes named after it, ACLs may shut readers out. Elsewhere everyone may read. */
const secretRoot = '/s';

export function isSecret(path: string | null): boolean {
  return path?.startsWith(secretRoot) === true;
}

function below(random: Random, root: string, depth: number): string {
  let path = root;
  for (let i = 0; i < depth; i++) {
    path += `/${random.pick(names)}`;
  }
  return path;
}

export function openPath(random: Random): string {
  return random.chance(0.04) ? random.pick(oddPaths) : below(random, '', random.between(1, 3));
}

export function secretPath(random: Random): string {
  return below(
    random,
    secretRoot,
    random.weighted([
      [1, 0],
      [4, 1],
      [2, 2],
    ]),
  );
}

export function systemPath(random: Random): string {
  return random.pick(systemPaths);
}

export function data(random: Random): Uint8Array | null {
  return random.weighted<() => Uint8Array | null>([
    [1, () => null],
    [1, () => Buffer.alloc(0)],
    [14, () => random.bytes(random.between(1, 20))],
    [1, () => random.bytes(1000)],
    [0.02, () => random.bytes(200_000)],
  ])();
}

export function version(random: Random): number {
  return random.weighted([
    [8, () => -1],
    [5, () => random.between(0, 3)],
    [0.5, () => random.pick([-2, 1000, 2147483647, -2147483648])],
  ])();
}

export const users = ['u1:p1', 'u2:p2', 'u3:p3'];
/** The ids that these become: base64(sha1("user:password")) behind the user; the last is nobody's. */
const userIds = ['u1:fpT/y03U+EjItKZOSLGvjnJlyng=', 'u2:o9NxcCGDPOlcV7JVhmKHOf5ctVE=', 'u4:nobody'];

const anyone = (perms: number): AclEntry => ({ perms, scheme: 'world', id: 'anyone' });

/** A list that lets everyone read. */
export function openAcl(random: Random): AclEntry[] {
  return random.weighted([
    [20, () => [anyone(31)]],
    [1, () => [anyone(31), anyone(31)]],
    [1, () => [anyone(random.pick([1, 3, 5, 7, 9, 17, 15, 33, -1]))]],
    [1, () => [anyone(1), { perms: 31, scheme: 'digest', id: random.pick(userIds) }]],
    [1, () => [anyone(1), { perms: 30, scheme: 'ip', id: random.pick(['127.0.0.1', '127.0.0.0/8', '10.1.2.3']) }]],
    [1, () => [{ perms: 31, scheme: 'auth', id: 'x' }, anyone(1)]],
  ])();
}

/** Any list that is right in form. */
export function secretAcl(random: Random): AclEntry[] {
  const entry = (): AclEntry => ({
    perms: random.pick([0, 1, 2, 4, 8, 16, 31, 31, 31, 64]),
    ...random.weighted([
      [2, { scheme: 'world', id: 'anyone' }],
      [3, { scheme: 'digest', id: random.pick(userIds) }],
      [2, { scheme: 'auth', id: random.pick(['', 'whatever']) }],
      [1, { scheme: 'ip', id: random.pick(['127.0.0.1', '127.0.0.1/32', '0.0.0.0/0', '127.1.1.1/8', '10.0.0.0/8']) }],
    ]),
  });
  return Array.from({ length: random.between(1, 3) }, entry);
}

export function badAcl(random: Random): AclEntry[] | null {
  return random.pick<AclEntry[] | null>([
    null,
    [],
    [{ perms: 31, scheme: 'world', id: 'someone' }],
    [{ perms: 31, scheme: 'world', id: '' }],
    [{ perms: 31, scheme: 'nosuch', id: 'x' }],
    [{ perms: 31, scheme: '', id: 'x' }],
    [{ perms: 31, scheme: null, id: 'x' }],
    [{ perms: 31, scheme: 'world', id: null }],
    [{ perms: 31, scheme: 'super', id: 'x' }],
    [{ perms: 31, scheme: 'sasl', id: 'bob' }],
    [{ perms: 31, scheme: 'x509', id: 'CN=bob' }],
    [{ perms: 31, scheme: 'digest', id: 'nocolon' }],
    [{ perms: 31, scheme: 'digest', id: 'x:' }],
    [{ perms: 31, scheme: 'digest', id: 'a:b:c' }],
    [{ perms: 31, scheme: 'digest', id: '' }],
    [{ perms: 31, scheme: 'ip', id: '' }],
    [{ perms: 31, scheme: 'ip', id: 'localhost' }],
    [{ perms: 31, scheme: 'ip', id: '1.2.3' }],
    [{ perms: 31, scheme: 'ip', id: '1.2.3.256' }],
    [{ perms: 31, scheme: 'ip', id: '1.2.3.4/33' }],
    [{ perms: 31, scheme: 'ip', id: '1.2.3.4/x' }],
    [{ perms: 31, scheme: 'ip', id: '1.2.3.4.5' }],
    [anyone(31), { perms: 1, scheme: 'ip', id: '1.2.3.-4' }],
    [anyone(31), { perms: 31, scheme: 'digest', id: 'x' }],
  ]);
}
