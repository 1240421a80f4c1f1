/**
 * Exchanges between Java 17's own DIGEST-MD5 client and its server with Apache ZooKeeper 3.8's callbacks: nonce of the
 * server, the client's response around it, and what the server answered.
 */
export interface Transcript {
  readonly user: string;
  readonly password: string;
  readonly authorizationId: string | null;
  readonly nonce: string;
  readonly clientNonce: string;
  readonly response: string;
  readonly rspauth: string;
}

function transcript(names: string, nonce: string, clientNonce: string, response: string, rspauth: string): Transcript {
  const [user, password, authorizationId] = names.split(' ');
  return { user, password, authorizationId: authorizationId ?? null, nonce, clientNonce, response, rspauth };
}

export const transcripts: readonly Transcript[] = [
  transcript(
    'bob bobsecret',
    '875CgMir1J9zi/iRzT+gQlm4VD0Awpmjdn6LQG4e',
    'I416Q87pUAUR4R3pgiuStdSQbtQFHZbJWGn6DXF7',
    'dcb8e7657533d88ee33c58c72de68f4c',
    '22773fd43fe0b9601d7047d4fc2579d4',
  ),
  transcript(
    'bob bobsecret alice',
    '8lRTOeJHqa4zaXAEHp8SkXz2pJ+te+AnfaIMIVFx',
    'NlKriz9xc5LMrWN5cqG0h5YUBUVeghbEskkK3Qmt',
    '4c85574fb405ee159b7e8022f60289ac',
    'eabebb1e9e53f48d449206951b893dff',
  ),
  transcript(
    'super adminsecret',
    'ONySrrAq5wgKAqSBmtQYRHCsCQ6ePiF7sV3WvKZn',
    'lVj33cJ5ehTf6dSMzswlfAdqC4Otk37aRaQT5WsK',
    '3e03592b6fd8a0957dc321e5a6a0ae46',
    '50d19b22565b651988a405ea495abc2b',
  ),
  transcript(
    'jürgen pässwörd',
    'iPELGQFi9sEW78U7nr3gvjwiyg19h5wTTg/LhUU5',
    'qCNcQlDAuSUC8HmweCH7SYkd9y6EfIuhn6RZrKAZ',
    'ed3f664c172ee6c41792132908c9d25b',
    '11e482b2135b7fddb7fea26c7bd5dae3',
  ),
  transcript(
    '日本 秘密',
    'm83dGO/UfecEeVNfByj2Qkruz2hRXTfTPbRzKXA+',
    'BX1cMprqS7fEyo9Tl9BconGkaieu7N5Dqnhfh4uW',
    '5496ef1fe4db9756bb9c34093f93332b',
    'daf2ef5903cbbd6176459aa75b1e22bb',
  ),
  transcript(
    'mixed 秘ä 日',
    't6mzkNmk5TmwmchB6lzvJnjMwJ3Nj/Cvzz0UV9zY',
    'zMigkYVwPgP/BdIpGRpidLDa6QqiCA4kH5W+opV6',
    'bc1f2cce05ba585796dbd535e79f6dc2',
    '5b9f3dad5c73c8079dbceddb217c849d',
  ),
  transcript(
    'bob@R x eve',
    'dGGfloCmsR3PJvck+85Yd35blv8a+snP18uyxSHQ',
    'Oa40poDiJqaiAAuNXZwCoqh2XSE0xSuamyUcJYnS',
    'a81cb64c0392e6572be058cbd755928f',
    '88b2518a4de2450144c4a10f20201855',
  ),
  transcript(
    'q"uo,te x',
    '7befl3Tqb419c78zZib1rCi6gbUZxkW7vBP7tk+Z',
    '6nbBxF/UrWeT4ks0ijkIg3CksLXFWBHpBcQDEL6P',
    '103d225521e2f86fe63eef475d803bd5',
    '694f73f595262fc05a783ecca32c8bd2',
  ),
  transcript(
    'empty ',
    '3Dq2XVo7PsT9QIKQB5LH/WqUwvL4V1lf5ocCbq6O',
    'f6GdgVIArVHEfv+rkSYtgDFRyeXeRXFqRE5A/+Wn',
    '96196a9cda44667633a0851f92030710',
    '1ea8332f4818a0c49b36b57175fe1076',
  ),
];
