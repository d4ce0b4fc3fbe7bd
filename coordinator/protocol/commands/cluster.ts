/** What coordinators of one store say to each other, and what they tell everybody of each other. */
import * as z from 'zod';
import {AgentId} from '../ids.ts';

/** What became of a command that was passed on: the answer, or the fault, of whoever it was for. Faults of the way are errors of the request. */
export const PassedOn = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('answered'), result: z.looseObject({})}),
  z.object({
    kind: z.literal('failed'),
    code: z.number().int(),
    message: z.string(),
    data: z.json().optional(),
  }),
]);
export type PassedOn = z.infer<typeof PassedOn>;

/** A command to an agent whose socket the receiver has. It waits there for the agent as long as it may. */
export const ClusterDeliver = z.object({
  agentId: AgentId,
  method: z.string().max(128),
  params: z.looseObject({}),
  timeoutMs: z.number().positive(),
});
export type ClusterDeliver = z.infer<typeof ClusterDeliver>;

/** A command for the lead, of somebody whom the sender has let in and found allowed to send it. */
export const ClusterCommand = z.object({
  method: z.string().max(128),
  params: z.looseObject({}),
  principal: z.object({
    id: z.string().max(256),
    tenant: z.string().max(64),
    role: z.enum(['agent', 'client', 'coordinator']),
    agentId: AgentId.optional(),
  }),
});
export type ClusterCommand = z.infer<typeof ClusterCommand>;

/** Results are objects, as MCP demands. */
export const ClusterAnswer = z.object({outcome: PassedOn});

export const CoordinatorAddress = z.object({id: z.string().max(128), url: z.string().max(512)});
export type CoordinatorAddress = z.infer<typeof CoordinatorAddress>;

/** Where the coordinators are: the one that says it, and the others. */
export const ClusterAddresses = z.object({
  self: CoordinatorAddress,
  others: z.array(CoordinatorAddress).max(64),
});
export type ClusterAddresses = z.infer<typeof ClusterAddresses>;
