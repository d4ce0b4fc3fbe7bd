/**
 * A recorded run as JSON lines, one event a line in the order in which one recorder saw them: what clients asked and heard, and what watchers were
 * given. The simulation and runs of real processes write the same lines, and the same checks read them.
 */
import * as z from 'zod';
import type {Operation} from './linearize.ts';
import type {StoreInput, StoreOperation, StoreOutput} from './storeModel.ts';

const Kv = z.object({
  key: z.string(),
  value: z.string(),
  createRevision: z.number().int(),
  modRevision: z.number().int(),
  version: z.number().int(),
  lease: z.string().optional(),
});

const Compare = z.union([
  z.object({
    key: z.string(),
    target: z.enum(['create', 'mod', 'version']),
    op: z.enum(['=', '!=', '<', '>']),
    operand: z.number(),
  }),
  z.object({key: z.string(), target: z.literal('value'), op: z.enum(['=', '!=']), operand: z.string()}),
]);

const Op = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('put'), key: z.string(), value: z.string(), lease: z.string().optional()}),
  z.object({kind: z.literal('delete'), key: z.string()}),
  z.object({kind: z.literal('deletePrefix'), prefix: z.string()}),
  z.object({kind: z.literal('get'), key: z.string()}),
  z.object({kind: z.literal('range'), prefix: z.string(), limit: z.number().optional()}),
]);

const Txn = z.object({
  compare: z.array(Compare).readonly().optional(),
  then: z.array(Op).readonly(),
  else: z.array(Op).readonly().optional(),
});

const Input = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('txn'), txn: Txn}),
  z.object({kind: z.literal('get'), key: z.string()}),
  z.object({kind: z.literal('grantLease'), ttlSeconds: z.number()}),
  z.object({kind: z.literal('keepAlive'), lease: z.string()}),
  z.object({kind: z.literal('revokeLease'), lease: z.string()}),
]);

const Response = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('put')}),
  z.object({kind: z.literal('delete'), deleted: z.number().int()}),
  z.object({kind: z.literal('range'), kvs: z.array(Kv).readonly()}),
]);

const Output = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('txn'),
    result: z.object({
      succeeded: z.boolean(),
      revision: z.number().int(),
      responses: z.array(Response).readonly(),
    }),
  }),
  z.object({kind: z.literal('noLease')}),
  z.object({kind: z.literal('got'), kv: Kv.optional()}),
  z.object({kind: z.literal('granted'), lease: z.string()}),
  z.object({kind: z.literal('alive'), alive: z.boolean()}),
  z.object({kind: z.literal('revoked')}),
]);

/** Milliseconds on the recorder's monotonic clock. */
const at = z.number();

const HistoryEvent = z.discriminatedUnion('type', [
  z.object({type: z.literal('call'), at, id: z.number().int(), process: z.string(), input: Input}),
  z.object({type: z.literal('answer'), at, id: z.number().int(), output: Output}),
  /** Refused, and surely without effect. A call with neither line has an unknown outcome. */
  z.object({type: z.literal('refused'), at, id: z.number().int()}),
  /** A watcher starts, or resumes, from `from`. */
  z.object({type: z.literal('watch'), at, watcher: z.string(), prefix: z.string(), from: z.number().int()}),
  z.object({
    type: z.literal('events'),
    at,
    watcher: z.string(),
    revision: z.number().int(),
    events: z
      .array(
        z.object({
          kind: z.enum(['put', 'delete']),
          key: z.string(),
          kv: Kv,
          previous: Kv.optional(),
        }),
      )
      .readonly(),
  }),
  z.object({type: z.literal('compacted'), at, watcher: z.string(), revision: z.number().int()}),
  /** A read of what some node had applied, which may be old. */
  z.object({
    type: z.literal('local'),
    at,
    process: z.string(),
    node: z.string(),
    revision: z.number().int(),
    kvs: z.array(Kv).readonly(),
  }),
]);
export type HistoryEvent = z.infer<typeof HistoryEvent>;

export function formatHistory(history: readonly HistoryEvent[]): string {
  return history.map(event => `${JSON.stringify(event)}\n`).join('');
}

/** Throws on a line that is not an event; a last line without its end was being written when the recorder died, and is left out. */
export function parseHistory(text: string): HistoryEvent[] {
  const lines = text.split('\n');
  lines.pop();
  return lines.map(line => HistoryEvent.parse(JSON.parse(line)));
}

/** An operation with the times of its lines. */
export interface TimedOperation extends StoreOperation {
  readonly callAt: number;
  readonly endAt: number;
}

/** The operations that may have had an effect; positions are line numbers. */
export function operationsOf(history: readonly HistoryEvent[]): TimedOperation[] {
  const open = new Map<number, TimedOperation>();
  const done: TimedOperation[] = [];
  for (const [line, event] of history.entries()) {
    if (event.type === 'call') open.set(event.id, openOperation(event, line));
    else if (event.type === 'refused') open.delete(event.id);
    else if (event.type === 'answer') {
      const operation = open.get(event.id);
      if (!operation) throw new Error(`line ${line + 1} answers operation ${event.id}, which is not open`);
      open.delete(event.id);
      done.push({...operation, output: event.output, end: line, endAt: event.at});
    }
  }
  return [...done, ...open.values()].sort((a, b) => a.call - b.call);
}

function openOperation(
  event: {id: number; process: string; input: StoreInput; at: number},
  line: number,
): TimedOperation {
  const {id, process, input} = event;
  const unknown: Operation<StoreInput, StoreOutput> = {
    id,
    process,
    input,
    output: undefined,
    call: line,
    end: Number.POSITIVE_INFINITY,
  };
  return {...unknown, callAt: event.at, endAt: Number.POSITIVE_INFINITY};
}
