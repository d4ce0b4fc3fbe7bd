/** Small artifacts in memory: plans and transcript segments, written and read whole. */
import {CoordinatorError, isCoordinatorError} from '../runtime/errors.ts';
import type {ServedArtifacts, ServedTenants} from './servedArtifacts.ts';
import type {StoredArtifact} from './tenantArtifacts.ts';

const MAX_BYTES = 64 * 1024 * 1024;

/** Undefined when there is none. Rejects with `corrupt` when the only copy is. */
async function findWhole(artifacts: ServedArtifacts, sha256: string): Promise<Buffer | undefined> {
  try {
    return await readOnce(artifacts, sha256);
  } catch (error) {
    if (!isCoordinatorError(error, 'corrupt')) throw error;
    // It was set aside: another coordinator's copy takes its place, where there is one.
    const other = await readOnce(artifacts, sha256);
    if (!other) throw error;
    return other;
  }
}

async function readOnce(artifacts: ServedArtifacts, sha256: string): Promise<Buffer | undefined> {
  const opened = await artifacts.open(sha256);
  if (!opened) return undefined;
  if (opened.bytes > MAX_BYTES)
    throw new CoordinatorError(
      'limit',
      `artifact ${sha256} has ${opened.bytes} bytes: too large to be read whole`,
    );
  const chunks: Buffer[] = [];
  for await (const chunk of opened.stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Rejects with `notFound` and as `findWhole`. */
async function readWhole(artifacts: ServedArtifacts, sha256: string): Promise<Buffer> {
  const found = await findWhole(artifacts, sha256);
  if (!found) throw new CoordinatorError('notFound', `there is no artifact ${sha256}`);
  return found;
}

export function blobsOf(artifacts: ServedArtifacts): {
  put(bytes: Uint8Array): Promise<StoredArtifact>;
  get(sha256: string): Promise<Uint8Array>;
  /** Undefined when there is none. */
  find(sha256: string): Promise<Uint8Array | undefined>;
} {
  return {
    put: bytes => artifacts.put(bytes),
    get: sha256 => readWhole(artifacts, sha256),
    find: sha256 => findWhole(artifacts, sha256),
  };
}

export function plansIn(artifacts: ServedTenants): {
  put(tenant: string, json: string): Promise<string>;
  get(tenant: string, sha256: string): Promise<string>;
} {
  return {
    put: async (tenant, json) => (await artifacts.tenant(tenant).put(Buffer.from(json))).sha256,
    get: async (tenant, sha256) => (await readWhole(artifacts.tenant(tenant), sha256)).toString('utf8'),
  };
}
