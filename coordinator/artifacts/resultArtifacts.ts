/** What the lead asks of the artifacts of results: whether they are there, and a commit of the same files on top of others. */
import type {CommitBundle} from '../protocol/model/session.ts';
import {type GraftedCommit, graftCommit} from './git/graftCommit.ts';
import type {ServedTenants} from './servedArtifacts.ts';

export function resultArtifacts(artifacts: ServedTenants): {
  /** Rejects with `unavailable` when that is not known. */
  has(tenant: string, sha256: string): Promise<boolean>;
  graft(tenant: string, graft: GraftedCommit): Promise<CommitBundle>;
} {
  return {
    has: async (tenant, sha256) => (await artifacts.tenant(tenant).size(sha256)) !== undefined,
    graft: async (tenant, graft) => {
      const {commit, bundle, prerequisites} = graftCommit(graft);
      const {sha256, bytes} = await artifacts.tenant(tenant).put(bundle);
      return {commit, sha256, bytes, prerequisites};
    },
  };
}
