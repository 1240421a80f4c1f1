/** Java writes cipher suites by their IANA names, OpenSSL has names of its own. */
import { getCiphers } from 'node:tls';

/** Signalling values that Java lists among the suites; OpenSSL always acts on them. */
const signals: ReadonlySet<string> = new Set(['TLS_EMPTY_RENEGOTIATION_INFO_SCSV', 'TLS_FALLBACK_SCSV']);

/**
 * @param name IANA (`TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`, also with Java's old `SSL_`) or OpenSSL's own
 * @returns OpenSSL's name; undefined when the OpenSSL of this Node does not have the suite; '' when there is nothing to set
 */
export function openSslCipher(name: string): string | undefined {
  if (signals.has(name)) {
    return '';
  }
  const iana = /^(?:TLS|SSL)_(.+)_WITH_(.+)$/.exec(name);
  const candidate = iana === null ? name : translate(iana[1], iana[2]);
  return known().has(candidate.toLowerCase()) ? candidate : undefined;
}

function translate(exchange: string, cipher: string): string {
  const prefix = exchange === 'RSA' ? '' : `${exchange.replaceAll('_', '-')}-`;
  const suite = cipher
    .replace(/^(AES|ARIA|CAMELLIA)_(\d+)_/, '$1$2_')
    .replace(/^3DES_EDE_CBC_/, 'DES_CBC3_')
    .replace(/^(AES\d+)_CBC_/, '$1_')
    .replace(/^(CHACHA20_POLY1305)_SHA256$/, '$1')
    .replaceAll('_', '-');
  return prefix + suite;
}

let knownNames: ReadonlySet<string> | undefined;

/** In lower case, as Node gives them. */
function known(): ReadonlySet<string> {
  knownNames ??= new Set(getCiphers());
  return knownNames;
}
