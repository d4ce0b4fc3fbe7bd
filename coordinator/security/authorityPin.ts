/** Trust on a pin: fetches a cluster's authority over a connection that proves nothing, and accepts the one that the pin names. */
import {X509Certificate} from 'node:crypto';
import * as https from 'node:https';
import {deferred} from '../runtime/deferred.ts';
import {CoordinatorError, isCoordinatorError} from '../runtime/errors.ts';
import {certificatePin} from './certificates.ts';

const MAX_BYTES = 64 * 1024;
const TIMEOUT_MS = 10_000;

/**
 * The authority's certificate (PEM) of the coordinator at `url` (`wss://host:port`): trust it alone from then on. Throws `unavailable`, or
 * `unauthorized` when another authority answers than the pin names.
 */
export async function fetchAuthority(url: string, pin: string): Promise<string> {
  if (!/^sha256:[A-Za-z0-9_-]{43}$/.test(pin))
    throw new CoordinatorError('config', `"${pin}" is not a pin`, {
      hint: 'it looks like sha256:… and comes with the token',
    });
  const origin = new URL(url.replace(/^wss:/, 'https:')).origin;
  const text = await download(`${origin}/ca`);
  let certificate: X509Certificate;
  try {
    // The first certificate alone: others in the answer would be trusted unpinned.
    certificate = new X509Certificate(text);
  } catch (error) {
    throw new CoordinatorError('unavailable', `${origin} sent no certificate`, {cause: error});
  }
  const pem = certificate.toString();
  if (!certificate.ca || certificatePin(pem) !== pin)
    throw new CoordinatorError('unauthorized', `${origin} has another authority than the pin names`, {
      hint: 'check the address, and copy the pin again; if both are right, somebody is in between',
    });
  return pem;
}

async function download(url: string): Promise<string> {
  const answer = deferred<string>();
  const request = https.get(url, {rejectUnauthorized: false, agent: false, timeout: TIMEOUT_MS}, response => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_BYTES) request.destroy(new Error('the answer is too long'));
      else chunks.push(chunk);
    });
    response.on('error', answer.reject);
    response.on('end', () => {
      if (response.statusCode === 200) answer.resolve(Buffer.concat(chunks).toString('utf8'));
      else answer.reject(new CoordinatorError('unavailable', `${url} answered ${response.statusCode}`));
    });
  });
  request.on('timeout', () => request.destroy(new Error('no answer in time')));
  request.on('error', answer.reject);
  try {
    return await answer.promise;
  } catch (error) {
    if (isCoordinatorError(error)) throw error;
    throw new CoordinatorError('unavailable', `cannot reach ${url}`, {cause: error});
  }
}
