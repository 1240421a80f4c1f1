/**
 * The subject of a certificate as Java prints it in RFC 2253 form, because that text is the id of ZooKeeper's x509
 * scheme and stands in the ACLs that users have stored (client-protocol.md §8.2).
 */
import { childrenOf, type DerValue, expectTag, oidOf, readDer, sequenceOf, Tag } from './key-store/der.ts';

/** The only names RFC 2253 has; every other attribute goes out as its number and the hex of its DER value. */
const attributeNames: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'STREET',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
};

const textTags: ReadonlySet<number> = new Set([
  Tag.utf8String,
  Tag.printableString,
  Tag.t61String,
  Tag.ia5String,
  Tag.generalString,
  Tag.bmpString,
  Tag.universalString,
]);

/**
 * @param certificate an X.509 certificate in DER (`X509Certificate.raw`)
 * @returns for example `CN=client one,O=Acme,C=US`; empty for a certificate without a subject
 * @throws DerError when the bytes are not a certificate
 */
export function subjectRfc2253(certificate: Buffer): string {
  const fields = sequenceOf(sequenceOf(readDer(certificate), 'certificate')[0], 'tbsCertificate');
  // The version, [0], is absent in version 1 certificates. Then: serial, algorithm, issuer, validity, subject.
  const subject = fields[fields[0]?.tag === Tag.context0 ? 5 : 4];
  return sequenceOf(subject, 'subject').reverse().map(relativeName).join(',');
}

function relativeName(set: DerValue): string {
  return childrenOf(expectTag(set, Tag.set, 'relative distinguished name'))
    .map(attribute)
    .join('+');
}

function attribute(pair: DerValue): string {
  const [type, value] = sequenceOf(pair, 'attribute');
  const oid = oidOf(type, 'attribute type');
  const name = attributeNames[oid];
  if (name === undefined || !textTags.has(value.tag)) {
    return `${name ?? oid}=#${value.raw.toString('hex')}`;
  }
  // Java reads every kind of string as UTF-8, the two-byte ones too (whose zeros it then escapes).
  return `${name}=${escaped(value.content.toString('utf8'))}`;
}

/** Java escapes '=' and '#' wherever they stand, and spaces only at the ends. */
function escaped(text: string): string {
  const inner = text.replace(/[,=+<>#;"\\]/g, '\\$&').replaceAll('\0', '\\00');
  const lead = /^[ \r]*/.exec(inner)?.[0] ?? '';
  if (lead.length === inner.length) {
    return inner.replace(/./gs, '\\$&');
  }
  const trail = /[ \r]*$/.exec(inner)?.[0] ?? '';
  const middle = inner.slice(lead.length, inner.length - trail.length);
  return lead.replace(/./gs, '\\$&') + middle + trail.replace(/./gs, '\\$&');
}
