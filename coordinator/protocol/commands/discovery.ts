/** Who is there, for whoever looks: instances that meet criteria, and addresses at which somebody was found. */
import * as z from 'zod';
import {ClaudeCodeInstance} from '../instance.ts';

export const Discovered = z.object({
  agents: z.array(ClaudeCodeInstance),
  /** Whoever is there need not have joined. */
  found: z.array(
    z.object({
      kind: z.enum(['agent', 'coordinator']),
      id: z.string(),
      url: z.string(),
      source: z.enum(['announced', 'static', 'multicast', 'dns']),
      version: z.string().optional(),
      health: z.enum(['unknown', 'healthy', 'unhealthy']),
      /** Why it is not healthy. */
      detail: z.string().optional(),
    }),
  ),
});
export type Discovered = z.infer<typeof Discovered>;

/** An instance that is at its endpoint, said again before `ttlMs` are over. */
export const ServiceAnnounce = z.object({
  instance: ClaudeCodeInstance,
  ttlMs: z.number().int().positive().max(3_600_000).optional(),
});
