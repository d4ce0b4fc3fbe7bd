/**
 * How coordinators of one store know each other: a secret that the first of them put there. It never travels: each shows a token that is made of
 * it and of its own id, at another's door. Whoever reads the store's system keys has it; nothing that clients may ask for shows them.
 */
import {createHmac, timingSafeEqual} from 'node:crypto';
import {DEFAULT_TENANT} from '../protocol/ids.ts';
import {ClusterSecretRecord} from '../protocol/model/facts.ts';
import {SYSTEM_KEYS} from '../protocol/model/keys.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import type {Random} from '../runtime/random.ts';
import type {Principal} from '../security/principal.ts';
import {absent, found, storedRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';

const SECRET_BYTES = 32;
/** `coordinator.ID.PROOF` */
const TOKEN = /^coordinator\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})$/;

export class ClusterSecret {
  private constructor(private readonly secret: Buffer) {}

  /** The cluster's secret, made where there is none. `random` must be a cryptographic one. */
  static async open(store: Store, coordinator: string, random: Random): Promise<ClusterSecret> {
    const key = SYSTEM_KEYS.clusterSecret;
    const made: ClusterSecretRecord = {
      v: RECORD_VERSION,
      principal: `coordinator:${coordinator}`,
      secret: random.hex(SECRET_BYTES),
    };
    // Encoded by hand: what was encoded last is remembered for a while, which a secret need not be.
    const {responses} = await store.txn({
      compare: [absent(key)],
      then: [{kind: 'put', key, value: JSON.stringify(made)}],
      else: [{kind: 'get', key}],
    });
    const present = found(responses[0]) ?? (await store.get(key));
    const {secret} = present ? storedRecord(ClusterSecretRecord, present).value : made;
    return new ClusterSecret(Buffer.from(secret, 'hex'));
  }

  /** What the coordinator of that id shows at another's door. */
  tokenOf(coordinator: string): string {
    return `coordinator.${coordinator}.${this.proof(coordinator).toString('base64url')}`;
  }

  /** Undefined for what is no token of a coordinator of this cluster. */
  verify(token: string): Principal | undefined {
    const [, coordinator, proof] = TOKEN.exec(token) ?? [];
    if (!coordinator || !proof) return undefined;
    if (!timingSafeEqual(Buffer.from(proof, 'base64url'), this.proof(coordinator))) return undefined;
    return {id: `coordinator:${coordinator}`, tenant: DEFAULT_TENANT, role: 'peer'};
  }

  /** Proves to every coordinator of the cluster that one of them said this; `kind` keeps what is said for one purpose from serving another. */
  sign(kind: string, text: string): Buffer {
    return createHmac('sha256', this.secret).update(`${kind} ${text}`).digest();
  }

  private proof(coordinator: string): Buffer {
    return this.sign('coordinator', coordinator);
  }
}
