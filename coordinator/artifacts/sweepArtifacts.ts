/** Deletes the blobs that no record names any more. Which records are deleted, and when, is their owners' business. */
import type {TenantArtifacts} from './tenantArtifacts.ts';

export interface SweepOptions {
  /** Every record of the tenant. */
  readonly records: AsyncIterable<{readonly value: string}>;
  /** Wall time in ms: a younger blob may be about to be named. */
  readonly before: number;
  /** Reads an artifact that may name others. */
  readonly read: (sha256: string) => Promise<Uint8Array>;
}

export interface Sweep {
  readonly deleted: number;
  readonly bytes: number;
}

const DIGEST = /\b[0-9a-f]{64}\b/g;
/** Records that name a list of artifacts rather than the artifacts themselves. */
const LIST = /"bundleList":"([0-9a-f]{64})"/g;

/** Whatever looks like a digest in a record counts as a name: too much is kept rather than too little. */
export async function sweepArtifacts(artifacts: TenantArtifacts, options: SweepOptions): Promise<Sweep> {
  const named = new Set<string>();
  const lists = new Set<string>();
  for await (const {value} of options.records) {
    for (const [digest] of value.matchAll(DIGEST)) named.add(digest);
    for (const [, list] of value.matchAll(LIST)) if (list !== undefined) lists.add(list);
  }
  for (const list of lists) {
    if (!(await artifacts.has(list))) continue;
    const text = Buffer.from(await options.read(list)).toString('utf8');
    for (const [digest] of text.matchAll(DIGEST)) named.add(digest);
  }
  let [deleted, bytes] = [0, 0];
  for await (const blob of artifacts.list()) {
    if (blob.modifiedAt >= options.before || named.has(blob.sha256)) continue;
    if (await artifacts.delete(blob.sha256)) [deleted, bytes] = [deleted + 1, bytes + blob.bytes];
  }
  return {deleted, bytes};
}
