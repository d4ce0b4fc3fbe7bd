/** An address at which somebody of ours may be, as a source of discovery found it. Nobody is trusted for having been found. */
import * as z from 'zod';
import {AgentId} from '../protocol/ids.ts';
import type {ClaudeCodeInstance} from '../protocol/instance.ts';

export const ServiceKind = z.enum(['agent', 'coordinator']);
export type ServiceKind = z.infer<typeof ServiceKind>;

/** `announced`: by whoever serves it, here. */
export type DiscoverySource = 'announced' | 'static' | 'multicast' | 'dns';

export const ServiceName = z.union([
  AgentId,
  z
    .string()
    .min(1)
    .max(128)
    .regex(/^[\w.:-]+$/),
]);

export interface FoundService {
  readonly kind: ServiceKind;
  /** Of the agent or coordinator, or its host and port where the source has no name for it. */
  readonly id: string;
  /** `ws(s)://host:port` */
  readonly url: string;
  readonly source: DiscoverySource;
  /** Of mcpx, where the source says. */
  readonly version?: string | undefined;
  /** Of one that announced itself whole. */
  readonly instance?: ClaudeCodeInstance | undefined;
}

/** Undefined for what is no address of a WebSocket. */
export function serviceUrl(secure: boolean, host: string, port: number): string | undefined {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  const name = host.replace(/\.$/, '');
  const text = `${secure ? 'wss' : 'ws'}://${name.includes(':') ? `[${name}]` : name}:${port}`;
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  return parsed && parsed.pathname === '/' && parsed.username === '' && parsed.search === ''
    ? text
    : undefined;
}

export function isLoopback(url: string): boolean {
  const {hostname} = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** Whether a token may be shown there: to whom the pinned authority vouches for, or to this very machine. */
export function mayBeShownTokens(url: string, hasAuthority: boolean): boolean {
  return url.startsWith('wss:') ? hasAuthority : isLoopback(url);
}
