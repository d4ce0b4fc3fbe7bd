/** The outcome of a command that one coordinator carries out for another, in the shape that travels and back. */
import {wireError} from '../bridge/wireErrors.ts';
import {PassedOn} from '../protocol/commands/cluster.ts';
import {ProtocolError} from '../protocol/errors.ts';

/** Runs a command for another coordinator: its faults are an outcome, since those of the request are faults of the way. */
export async function carryOut(run: () => Promise<object>): Promise<{outcome: PassedOn}> {
  try {
    return {outcome: {kind: 'answered', result: {...(await run())}}};
  } catch (error) {
    const {code, message, data} = wireError(error);
    const json = PassedOn.options[1].shape.data.safeParse(data);
    return {outcome: {kind: 'failed', code, message, ...(json.success ? {data: json.data} : {})}};
  }
}

/** The answer, or a throw of what the other side's command ended with. */
export function answerOf(outcome: PassedOn): object {
  if (outcome.kind === 'answered') return outcome.result;
  throw ProtocolError.fromWire(outcome);
}
