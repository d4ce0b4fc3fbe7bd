/** Deletes the blobs of one coordinator that no record names any more. Which records are deleted, and when, is their owners' business. */
import {type NamingRecords, namedArtifacts} from './namedArtifacts.ts';
import type {TenantArtifacts} from './tenantArtifacts.ts';

export interface SweepOptions extends NamingRecords {
  /** Wall time in ms: a younger blob may be about to be named. */
  readonly before: number;
}

export interface Sweep {
  readonly deleted: number;
  readonly bytes: number;
}

export async function sweepArtifacts(artifacts: TenantArtifacts, options: SweepOptions): Promise<Sweep> {
  const named = await namedArtifacts(options);
  let [deleted, bytes] = [0, 0];
  for await (const blob of artifacts.list()) {
    if (blob.modifiedAt >= options.before || named.has(blob.sha256)) continue;
    if (await artifacts.delete(blob.sha256)) [deleted, bytes] = [deleted + 1, bytes + blob.bytes];
  }
  return {deleted, bytes};
}
