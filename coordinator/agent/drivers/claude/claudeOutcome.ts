/** What the last result of Claude Code means for the attempt. Pure. */
import type {SDKAssistantMessageError, SDKResultMessage} from '@anthropic-ai/claude-agent-sdk';
import * as z from 'zod';
import type {DriverFailure, DriverOutcome} from '../../driver.ts';
import {clip} from './transcript.ts';

export interface ResultContext {
  /** The task wants a result that fits a schema. */
  readonly wantsResult: boolean;
  /** A result that an earlier turn of the attempt handed in. */
  readonly earlierResult: unknown;
  /** The kind of the last API error that the conversation showed. */
  readonly apiError: SDKAssistantMessageError | undefined;
}

const SUMMARY_CHARACTERS = 4000;

export function outcomeOfResult(result: SDKResultMessage, context: ResultContext): DriverOutcome {
  if (result.subtype !== 'success') return outcomeOfError(result);
  if (result.stop_reason === 'refusal') return failed('refused', result.result || 'the model declined');
  if (result.is_error) {
    const reason = failureOfApi(result.api_error_status ?? undefined, context.apiError);
    return failed(reason, result.result || 'the model API failed');
  }
  const summary = clip(result.result, SUMMARY_CHARACTERS);
  if (!context.wantsResult) return {kind: 'succeeded', summary};
  const structured = z.json().safeParse(result.structured_output ?? context.earlierResult);
  if (structured.success) return {kind: 'succeeded', summary, result: structured.data};
  return failed(
    'exit',
    `The task wants a result that fits its schema, but Claude Code ended without handing one in. It said: ${summary}`,
  );
}

function outcomeOfError(result: Exclude<SDKResultMessage, {subtype: 'success'}>): DriverOutcome {
  const message = result.errors.join('\n');
  switch (result.subtype) {
    case 'error_max_turns':
      return failed('maxTurns', message || `stopped after ${result.num_turns} turns`);
    case 'error_max_budget_usd':
      return failed('budget', message || 'the budget is spent');
    case 'error_max_structured_output_retries':
      return failed('exit', message || 'no result fitted the schema of the task');
    case 'error_during_execution':
      if (result.terminal_reason === 'api_error' || result.terminal_reason === 'model_error')
        return failed('api', message || 'the model API failed');
      if (result.startup_failure_reason !== undefined)
        return failed('crashed', message || `Claude Code did not start: ${result.startup_failure_reason}`);
      return failed('exit', message || `Claude Code stopped: ${result.terminal_reason ?? 'no reason given'}`);
  }
}

export function failureOfApi(
  status: number | undefined,
  error: SDKAssistantMessageError | undefined,
): DriverFailure {
  if (status === 401 || status === 403) return 'auth';
  if (status === 429) return 'rateLimit';
  if (status !== undefined) return 'api';
  switch (error) {
    case 'authentication_failed':
    case 'oauth_org_not_allowed':
    case 'account_on_hold':
    case 'verification_required':
    case 'billing_error':
    case 'cloud_credential_error':
      return 'auth';
    case 'rate_limit':
      return 'rateLimit';
    default:
      return 'api';
  }
}

function failed(reason: DriverFailure, message: string): DriverOutcome {
  return {kind: 'failed', reason, message: clip(message, SUMMARY_CHARACTERS)};
}
