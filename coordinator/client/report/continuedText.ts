/** What people read of an attempt that went on with an earlier one's conversation. Pure. */
import {parseAttemptId} from '../../protocol/ids.ts';
import type {Continued} from '../../protocol/model/checkpoint.ts';

export function continuedText({attemptId, agentId, calls}: Continued): string {
  return `continued from attempt ${continuedNumber({attemptId})} at tool call ${calls} on agent ${agentId}`;
}

export function continuedNumber({attemptId}: Pick<Continued, 'attemptId'>): number {
  return parseAttemptId(attemptId)?.number ?? 0;
}
