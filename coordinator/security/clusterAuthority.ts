/** The cluster's own certificate authority, kept in one file of the data directory. What it signs is serverTls.ts; how it is pinned authorityPin.ts. */
import {readFile} from 'node:fs/promises';
import path from 'node:path';
import type {Clock} from '../runtime/clock.ts';
import {writeFileDurably} from '../runtime/durableFile.ts';
import {CoordinatorError, systemErrorCode} from '../runtime/errors.ts';
import {certificatePin, createAuthorityCertificate, type KeyedCertificate} from './certificates.ts';

const VALID_DAYS = 3650;
const FILE = 'authority.pem';

export interface ClusterAuthority extends KeyedCertificate {
  /** `sha256:...`, for the join command. */
  readonly pin: string;
}

/** A new authority that is kept nowhere. */
export async function createClusterAuthority(options: {
  readonly clock: Clock;
  readonly name?: string;
}): Promise<ClusterAuthority> {
  const made = await createAuthorityCertificate(options.name ?? 'MCPX cluster authority', {
    wallNow: options.clock.wallNow(),
    validDays: VALID_DAYS,
  });
  return {...made, pin: certificatePin(made.cert)};
}

/** The authority of this data directory, made at the first call. Throws `corrupt` rather than replace one that agents have pinned. */
export async function openClusterAuthority(options: {
  readonly directory: string;
  readonly clock: Clock;
  readonly name?: string;
}): Promise<ClusterAuthority> {
  const file = path.join(options.directory, FILE);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    const made = await createClusterAuthority(options);
    await writeFileDurably(file, `${made.cert.trim()}\n${made.key.trim()}\n`, 0o600);
    return made;
  }
  const cert = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(text)?.[0];
  const key = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/.exec(text)?.[0];
  try {
    if (cert && key) return {cert: `${cert}\n`, key: `${key}\n`, pin: certificatePin(cert)};
  } catch (error) {
    throw corrupt(file, error);
  }
  throw corrupt(file);
}

function corrupt(file: string, cause?: unknown): CoordinatorError {
  return new CoordinatorError('corrupt', `${file} does not hold a certificate and its key`, {
    cause,
    hint: 'restore it from a backup, or remove it: then every agent has to join again with a new pin',
  });
}
