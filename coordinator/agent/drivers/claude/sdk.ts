/** Claude Code's Agent SDK, loaded when the first prompt task needs it: coordinators and command-only agents run without it. */
import type {query} from '@anthropic-ai/claude-agent-sdk';
import {CoordinatorError, systemErrorCode} from '../../../runtime/errors.ts';

export interface ClaudeSdk {
  readonly query: typeof query;
}

/** `undefined` when the package is not installed. */
export async function loadClaudeSdk(): Promise<ClaudeSdk | undefined> {
  try {
    return await import('@anthropic-ai/claude-agent-sdk');
  } catch (error) {
    if (systemErrorCode(error) === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw new CoordinatorError('claude', 'the Claude Agent SDK cannot be loaded', {cause: error});
  }
}
