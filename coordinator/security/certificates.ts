/** X.509 by @peculiar/x509 on Node's webcrypto: an authority of our own and the server certificates that it signs. ECDSA P-256 throughout. */
// The library registers itself through decorators, which need this before it is loaded.
import 'reflect-metadata';
import {createHash, X509Certificate as NodeCertificate, webcrypto} from 'node:crypto';
import {isIP} from 'node:net';
import * as x509 from '@peculiar/x509';

const ALGORITHM = {name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256'} as const;

/** Certificates are valid a little before they are made: clocks differ. */
const CLOCK_SKEW_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** A certificate and its private key, both PEM. */
export interface KeyedCertificate {
  readonly cert: string;
  readonly key: string;
}

x509.cryptoProvider.set(webcrypto);

export async function createAuthorityCertificate(
  name: string,
  options: {readonly wallNow: number; readonly validDays: number},
): Promise<KeyedCertificate> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{CN: [name]}],
    keys,
    signingAlgorithm: ALGORITHM,
    ...validity(options),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {cert: certificate.toString('pem'), key: await privateKeyPem(keys.privateKey)};
}

/** `names` are host names and IP addresses by which the server is reached. */
export async function createServerCertificate(
  authority: KeyedCertificate,
  names: readonly string[],
  options: {readonly wallNow: number; readonly validDays: number},
): Promise<KeyedCertificate> {
  const keys = await newKeys();
  const issuer = new x509.X509Certificate(authority.cert);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{CN: [(names[0] ?? 'mcpx').slice(0, 64)]}],
    issuer: issuer.subjectName.toJSON(),
    publicKey: keys.publicKey,
    signingKey: await signingKey(authority.key),
    signingAlgorithm: ALGORITHM,
    ...validity(options),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map(name => ({type: isIP(name) === 0 ? ('dns' as const) : ('ip' as const), value: name})),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {cert: certificate.toString('pem'), key: await privateKeyPem(keys.privateKey)};
}

/** `sha256:` and the base64url of the SHA-256 of the certificate's public key: it stays when the certificate is renewed with its key. */
export function certificatePin(certificate: string): string {
  const spki = new NodeCertificate(certificate).publicKey.export({type: 'spki', format: 'der'});
  return `sha256:${createHash('sha256').update(spki).digest('base64url')}`;
}

/** Whether it is for all of `names`, signed by `authority`, and not about to end. */
export function isCurrent(
  certificate: string,
  authority: string,
  names: readonly string[],
  notBeforeEndMs: number,
): boolean {
  const found = new NodeCertificate(certificate);
  const covers = names.every(
    name => (isIP(name) === 0 ? found.checkHost(name) : found.checkIP(name)) !== undefined,
  );
  const issuer = new NodeCertificate(authority);
  return (
    covers &&
    found.checkIssued(issuer) &&
    found.verify(issuer.publicKey) &&
    Date.parse(found.validTo) > notBeforeEndMs
  );
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey('pkcs8', key);
  return x509.PemConverter.encode(der, 'PRIVATE KEY');
}

function signingKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [der] = x509.PemConverter.decode(pem);
  if (!der) throw new TypeError('no private key in the PEM');
  return webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
}

function validity(options: {wallNow: number; validDays: number}): {notBefore: Date; notAfter: Date} {
  return {
    notBefore: new Date(options.wallNow - CLOCK_SKEW_MS),
    notAfter: new Date(options.wallNow + options.validDays * DAY_MS),
  };
}
