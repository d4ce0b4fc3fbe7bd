/** Ids of nodes: what stands behind one can be read from it, so that a tree finds anything without having drawn it. Pure. */
import {TASK_STATES, type TaskState} from '../../../coordinator/protocol/model/task.ts';

export const dayNodeId = (day: string): string => `day/${day}`;
export const sessionNodeId = (sessionId: string): string => `session/${sessionId}`;
export const taskGroupId = (sessionId: string, state: TaskState): string => `group/${sessionId}/${state}`;
export const taskNodeId = (sessionId: string, taskId: string): string => `task/${sessionId}/${taskId}`;
export const attemptNodeId = (attemptId: string): string => `attempt/${attemptId}`;
export const toolCallNodeId = (attemptId: string, callId: string): string => `tool/${attemptId}/${callId}`;
export const regionNodeId = (region: string): string => `region/${region}`;
export const agentNodeId = (agentId: string): string => `agent/${agentId}`;
export const approvalNodeId = (sessionId: string, approvalId: string): string =>
  `approval/${sessionId}/${approvalId}`;
/** A folder of keys ends with a slash. */
export const stateNodeId = (sessionId: string, path: string): string => `state/${sessionId}/${path}`;
export const conflictNodeId = (sessionId: string, conflictId: string): string =>
  `conflict/${sessionId}/${conflictId}`;
export const serverNodeId = (server: string): string => `server/${server}`;
export const serverPartId = (server: string, part: ServerPart): string => `part/${server}/${part}`;
/** `name` of a tool, prompt or place, or a resource's URI. */
export const offerNodeId = (server: string, part: ServerPart, name: string): string =>
  `offer/${server}/${part}/${name}`;

/** What is below an MCP server, in this order. */
export const SERVER_PARTS = ['tools', 'resources', 'prompts', 'places'] as const;
export type ServerPart = (typeof SERVER_PARTS)[number];

export type NodeRef =
  | {readonly kind: 'day'; readonly day: string}
  | {readonly kind: 'session'; readonly sessionId: string}
  | {readonly kind: 'group'; readonly sessionId: string; readonly state: TaskState}
  | {readonly kind: 'task'; readonly sessionId: string; readonly taskId: string}
  | {readonly kind: 'attempt'; readonly attemptId: string}
  | {readonly kind: 'tool'; readonly attemptId: string; readonly callId: string}
  | {readonly kind: 'region'; readonly region: string}
  | {readonly kind: 'agent'; readonly agentId: string}
  | {readonly kind: 'approval'; readonly sessionId: string; readonly approvalId: string}
  | {readonly kind: 'state'; readonly sessionId: string; readonly path: string}
  | {readonly kind: 'conflict'; readonly sessionId: string; readonly conflictId: string}
  | {readonly kind: 'server'; readonly server: string}
  | {readonly kind: 'part'; readonly server: string; readonly part: ServerPart}
  | {readonly kind: 'offer'; readonly server: string; readonly part: ServerPart; readonly name: string};

/** Undefined for what is no node's id. */
export function nodeRef(id: string): NodeRef | undefined {
  const [kind, first = '', ...rest] = id.split('/');
  const second = rest.join('/');
  switch (kind) {
    case 'day':
      return {kind, day: first};
    case 'session':
      return {kind, sessionId: first};
    case 'group': {
      const state = TASK_STATES.find(each => each === second);
      return state && {kind, sessionId: first, state};
    }
    case 'task':
      return {kind, sessionId: first, taskId: second};
    case 'attempt':
      return {kind, attemptId: first};
    case 'tool':
      return {kind, attemptId: first, callId: second};
    case 'region':
      return {kind, region: [first, ...rest].join('/')};
    case 'agent':
      return {kind, agentId: first};
    case 'approval':
      return {kind, sessionId: first, approvalId: second};
    case 'state':
      return {kind, sessionId: first, path: second};
    case 'conflict':
      return {kind, sessionId: first, conflictId: second};
    case 'server':
      return {kind, server: first};
    case 'part':
    case 'offer': {
      const [name = '', ...more] = rest;
      const part = SERVER_PARTS.find(each => each === name);
      if (!part) return undefined;
      return kind === 'part'
        ? {kind, server: first, part}
        : {kind, server: first, part, name: more.join('/')};
    }
    default:
      return undefined;
  }
}
