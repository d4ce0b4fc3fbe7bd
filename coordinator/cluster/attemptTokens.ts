/**
 * Tokens by which the Claude Code of one attempt opens the hub's tools, at any coordinator of the cluster: they say which attempt and fence, signed with
 * the cluster's secret, and are as good as the fence is. Nothing is stored of them.
 */
import {timingSafeEqual} from 'node:crypto';
import type {Fences} from '../effects/fences.ts';
import {requireFenceOf, staleFence} from '../effects/fences.ts';
import type {AttemptToken} from '../protocol/commands/attempt.ts';
import type {Fence} from '../protocol/ids.ts';
import type {AttemptCredential, AttemptGrant, Principal} from '../security/principal.ts';
import type {ClusterSecret} from './clusterSecret.ts';

/** `attempt.ATTEMPT.REVISION.AGENT.PROOF`: an attempt's own id has two dots. */
const TOKEN =
  /^attempt\.([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[0-9]+)\.([0-9]{1,16})\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})$/;

export interface AttemptTokensOptions {
  readonly fences: Fences;
  readonly tenant: string;
  readonly secret: () => Promise<ClusterSecret>;
}

export class AttemptTokens {
  private secret: Promise<ClusterSecret> | undefined;

  constructor(private readonly options: AttemptTokensOptions) {}

  /** Errors: `forbidden` (another agent's attempt), `staleFence`. */
  async make({attemptId, fence}: AttemptToken, principal: Principal): Promise<{token: string}> {
    requireFenceOf(attemptId, fence);
    const {agentId} = await this.current({fence, agentId: principal.agentId ?? ''}, principal);
    const words = `${attemptId}.${fence.revision}.${agentId}`;
    const proof = (await this.key()).sign('attempt', this.signed(words));
    return {token: `attempt.${words}.${proof.toString('base64url')}`};
  }

  /** Undefined for what is no token of an attempt of this store. Whether the attempt is current is `current`. */
  async verify(token: string): Promise<Principal | undefined> {
    const [, attempt, revision, agentId, proof] = TOKEN.exec(token) ?? [];
    if (!attempt || !revision || !agentId || !proof) return undefined;
    const expected = (await this.key()).sign('attempt', this.signed(`${attempt}.${revision}.${agentId}`));
    if (!timingSafeEqual(Buffer.from(proof, 'base64url'), expected)) return undefined;
    const fence: Fence = {store: this.options.fences.incarnation, attempt, revision: Number(revision)};
    const {tenant} = this.options;
    // Its own name, so that nothing that hangs on who asks is shared with the other attempts of its agent.
    const id = `attempt:${attempt}@${revision}`;
    return {id, tenant, role: 'agent', agentId, attempt: {fence, agentId}};
  }

  /** Looks in the store itself. Errors: `staleFence`, `forbidden`. */
  async current({fence}: AttemptCredential, principal: Principal): Promise<AttemptGrant> {
    const {fences} = this.options;
    const attempt = await fences.attemptOf(fence, principal);
    const live = await fences.store.get(fences.keys.live(fence.attempt));
    if (!fences.isOfThisStore(fence) || live?.createRevision !== fence.revision)
      throw staleFence(fence, 'the attempt was ended or replaced');
    const {id: attemptId, sessionId, taskId, agentId, backup = false} = attempt.value;
    return {fence, attemptId, sessionId, taskId, agentId, backup};
  }

  /** Tokens of a store before its restoration from a backup are none. */
  private signed(words: string): string {
    return `${this.options.fences.incarnation} ${words}`;
  }

  private key(): Promise<ClusterSecret> {
    if (!this.secret) {
      this.secret = this.options.secret();
      this.secret.catch(() => {
        this.secret = undefined;
      });
    }
    return this.secret;
  }
}
