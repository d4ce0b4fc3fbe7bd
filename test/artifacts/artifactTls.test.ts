import assert from 'node:assert/strict';
import {webcrypto} from 'node:crypto';
import {once} from 'node:events';
import {readFile, rm} from 'node:fs/promises';
import * as https from 'node:https';
import path from 'node:path';
import {ArtifactClient} from '../../coordinator/artifacts/artifactClient.ts';
import {artifactRequests} from '../../coordinator/artifacts/artifactRequests.ts';
import {ArtifactStore} from '../../coordinator/artifacts/artifactStore.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {temporaryFolder} from './artifactHub.ts';

/** A self-signed certificate for 127.0.0.1, as PEM. */
async function certificate(): Promise<{cert: string; key: string}> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const algorithm = {name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256'};
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=test',
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3_600_000),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.SubjectAlternativeNameExtension([{type: 'ip', value: '127.0.0.1'}]),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    cert: made.toString('pem'),
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
  };
}

describe('artifact transfer over TLS', () => {
  it('trusts the pinned authority, and no other', async () => {
    const folder = await temporaryFolder();
    const services = {clock: systemClock, logger: silentLogger, random: systemRandom};
    const limits = {reserveBytes: 0};
    const store = await ArtifactStore.open({folder: path.join(folder, 'artifacts'), ...services, limits});
    const [{cert, key}, other] = [await certificate(), await certificate()];
    const handle = artifactRequests(store, () => ({kind: 'allowed'}), silentLogger);
    const server = https.createServer({cert, key}, (request, response) => void handle(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const {port} = server.address() as {port: number};
    let ca: string | undefined = cert;
    const client = new ArtifactClient(
      () => ({baseUrl: `https://127.0.0.1:${port}`, tenant: 'acme', ca}),
      services,
      {
        maxTries: 1,
      },
    );
    try {
      const {sha256} = await client.upload(Buffer.from('over TLS'));
      await client.download(sha256, path.join(folder, 'out'));
      assert.equal(await readFile(path.join(folder, 'out'), 'utf8'), 'over TLS');
      for (const wrong of [other.cert, undefined]) {
        ca = wrong;
        await assert.rejects(client.upload(Buffer.from('x')), (error: unknown) =>
          isCoordinatorError(error, 'unavailable'),
        );
      }
    } finally {
      client.dispose();
      server.closeAllConnections();
      server.close();
      await rm(folder, {recursive: true, force: true});
    }
  });
});
