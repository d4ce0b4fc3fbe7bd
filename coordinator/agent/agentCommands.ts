/** Serves what the hub asks of the agent: which command goes to which part. */
import type {CallHandler, IncomingCall} from '../bridge/peer.ts';
import type {Params, ResultInput} from '../protocol/commands/table.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {AgentLoad} from '../protocol/instance.ts';
import type {Clock} from '../runtime/clock.ts';
import type {MemoryReplica} from './memory/memoryReplica.ts';
import type {Approvals} from './runner/approvals.ts';
import {type Attempts, knownAttempt} from './runner/attempts.ts';
import type {GateRunner} from './runner/gates/gateRunner.ts';

export interface AgentParts {
  readonly agentId: string;
  readonly clock: Clock;
  readonly attempts: Attempts;
  readonly gates: GateRunner;
  readonly approvals: Approvals;
  readonly memory: MemoryReplica;
  load(): Promise<AgentLoad>;
}

/** `parts` is read at each call: they are made after the link that needs the handler. */
export function agentCommands(parts: () => AgentParts): CallHandler {
  return call => serve(parts(), call);
}

async function serve(parts: AgentParts, call: IncomingCall): Promise<object> {
  const {attempts, gates, approvals, memory, agentId, clock} = parts;
  switch (call.method) {
    case 'mcpx.orchestrate.task.assign':
    case 'mcpx.distribute.result.merge':
      return attempts.assign(call.params);
    case 'mcpx.coordinate.quality.gate':
      return await gates.answer(call.params, call.signal);
    case 'mcpx.attempt.cancel':
      return cancel(attempts, call.params);
    case 'mcpx.attempt.release':
      return {kept: await attempts.release(call.params.attemptId, call.params.keep)};
    case 'mcpx.attempt.control':
      return control(attempts, call.params);
    case 'mcpx.approval.deliver':
      approvals.deliver(call.params.approvalId, call.params.answer);
      return {};
    case 'mcpx.coordinate.state.sync':
      return {vector: await memory.sync(call.params.sessionId)};
    case 'mcpx.agent.drain':
      attempts.draining = call.params.drain;
      return {};
    case 'mcpx.agent.stopAll': {
      const {reason, graceMs} = call.params;
      return {killed: await attempts.stopAll({kind: 'cancelled', reason}, graceMs)};
    }
    case 'mcpx.health.check': {
      const status = attempts.draining ? 'draining' : 'ok';
      return {id: agentId, status, load: await parts.load(), at: clock.wallNow()};
    }
    default:
      throw new ProtocolError('methodNotFound', `an agent does not serve ${call.method}`);
  }
}

function cancel(
  attempts: Attempts,
  {attemptId, reason, force}: Params<'mcpx.attempt.cancel'>,
): ResultInput<'mcpx.attempt.cancel'> {
  const attempt = attempts.get(attemptId);
  attempt?.stop({kind: 'cancelled', reason}, force);
  return {known: attempt !== undefined};
}

async function control(
  attempts: Attempts,
  {attemptId, action}: Params<'mcpx.attempt.control'>,
): Promise<ResultInput<'mcpx.attempt.control'>> {
  const attempt = knownAttempt(attempts, attemptId);
  const done = await attempt.control(run => {
    switch (action.kind) {
      case 'message':
        return run.send(action.text);
      case 'interrupt':
        return run.interrupt();
      case 'model':
        return run.setModel(action.model);
      case 'permissionMode':
        return run.setPermissionMode(action.mode);
    }
  });
  const why = `the attempt is ${attempt.state.kind} and does not take it now`;
  return done ? {done} : {done, message: why};
}
