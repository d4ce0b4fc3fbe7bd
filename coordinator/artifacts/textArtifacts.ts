/** Small artifacts in memory: plans and transcript segments, written and read whole. */

import {CoordinatorError} from '../runtime/errors.ts';
import type {ArtifactStore} from './artifactStore.ts';
import type {StoredArtifact, TenantArtifacts} from './tenantArtifacts.ts';

const MAX_BYTES = 64 * 1024 * 1024;

/** Rejects with `notFound` or, from the disk, `corrupt`. */
async function readWhole(artifacts: TenantArtifacts, sha256: string): Promise<Buffer> {
  const opened = await artifacts.open(sha256);
  if (!opened) throw new CoordinatorError('notFound', `there is no artifact ${sha256}`);
  if (opened.bytes > MAX_BYTES)
    throw new CoordinatorError(
      'limit',
      `artifact ${sha256} has ${opened.bytes} bytes: too large to be read whole`,
    );
  const chunks: Buffer[] = [];
  for await (const chunk of opened.stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export function blobsOf(artifacts: TenantArtifacts): {
  put(bytes: Uint8Array): Promise<StoredArtifact>;
  get(sha256: string): Promise<Uint8Array>;
} {
  return {put: bytes => artifacts.put(bytes), get: sha256 => readWhole(artifacts, sha256)};
}

export function plansIn(artifacts: ArtifactStore): {
  put(tenant: string, json: string): Promise<string>;
  get(tenant: string, sha256: string): Promise<string>;
} {
  return {
    put: async (tenant, json) => (await artifacts.tenant(tenant).put(Buffer.from(json))).sha256,
    get: async (tenant, sha256) => (await readWhole(artifacts.tenant(tenant), sha256)).toString('utf8'),
  };
}
