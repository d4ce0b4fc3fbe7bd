/**
 * How two members prove to each other that they belong to one cluster: each answers the other's random number with a keyed hash of all that was
 * said, so that the secret itself is never sent and no proof can be used again. TLS, where there is some, is below.
 */
import {createHmac, timingSafeEqual} from 'node:crypto';
import * as z from 'zod';
import {CoordinatorError} from '../../../runtime/errors.ts';

export const HANDSHAKE_VERSION = 1;

const Nonce = z.string().regex(/^[0-9a-f]{32,128}$/);
const Proof = z.string().max(128);

export const Hello = z.object({
  version: z.number().int(),
  cluster: z.string().max(256),
  from: z.string().min(1).max(256),
  to: z.string().max(256),
  /** Where the sender can be reached; '' when it does not listen yet. */
  address: z.string().max(1024),
  channel: z.enum(['messages', 'snapshots']),
  nonce: Nonce,
});
export type Hello = z.infer<typeof Hello>;

export const Welcome = z.object({
  nonce: Nonce,
  proof: Proof,
  /** Why the connection is refused. `removed`: the sender does not belong to the cluster any more. */
  refused: z.enum(['version', 'cluster', 'node', 'removed']).optional(),
});
export type Welcome = z.infer<typeof Welcome>;

export const Confirmation = z.object({proof: Proof});

export function parseHandshake<S extends z.ZodType>(schema: S, text: string): z.infer<S> {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new CoordinatorError('unauthorized', 'a peer does not know how to greet', {cause});
  }
}

export function welcomeProof(secret: string, hello: Hello, welcome: Omit<Welcome, 'proof'>): string {
  return proofOf(secret, ['welcome', ...wordsOf(hello), welcome.nonce, welcome.refused ?? '']);
}

export function confirmationProof(secret: string, hello: Hello, welcome: Welcome): string {
  return proofOf(secret, ['confirm', ...wordsOf(hello), welcome.nonce]);
}

export function isSameProof(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function wordsOf(hello: Hello): string[] {
  const {version, cluster, from, to, address, channel, nonce} = hello;
  return [String(version), cluster, from, to, address, channel, nonce];
}

function proofOf(secret: string, words: readonly string[]): string {
  return createHmac('sha256', secret).update(JSON.stringify(words)).digest('hex');
}
