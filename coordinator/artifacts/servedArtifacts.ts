/** What the users of artifacts need of whoever keeps them: one coordinator's disk, or all of a cluster. */
import type {Readable} from 'node:stream';
import type {AppendResult, Upload, UploadState} from './partialUploads.ts';
import type {OpenedArtifact, StoredArtifact} from './tenantArtifacts.ts';

/** The artifacts of one tenant. Errors are those of `TenantArtifacts`, which is one. */
export interface ServedArtifacts {
  size(sha256: string): Promise<number | undefined>;
  open(sha256: string, range?: {offset?: number; length?: number}): Promise<OpenedArtifact | undefined>;
  put(content: Readable | Uint8Array, options?: {expectedSha256?: string}): Promise<StoredArtifact>;
  readonly uploads: {
    state(upload: Upload): Promise<UploadState>;
    append(upload: Upload, offset: number, content: Readable): Promise<AppendResult>;
  };
}

export interface ServedTenants {
  tenant(name: string): ServedArtifacts;
}
