/** What single messages of Claude Code mean: spend, the end of work, outcomes, limits and transcript events. */
import assert from 'node:assert/strict';
import type {
  SDKAPIRetryMessage,
  SDKAssistantMessage,
  SDKMessage,
  SDKResultMessage,
  SDKResultSuccess,
} from '@anthropic-ai/claude-agent-sdk';
import {outcomeOfResult} from '../../../coordinator/agent/drivers/claude/claudeOutcome.ts';
import {limitOfEvent, limitOfRetry} from '../../../coordinator/agent/drivers/claude/rateLimits.ts';
import {clip, clipJson, eventsOf} from '../../../coordinator/agent/drivers/claude/transcript.ts';
import {Turns} from '../../../coordinator/agent/drivers/claude/turns.ts';
import {UsageMeter} from '../../../coordinator/agent/drivers/claude/usageMeter.ts';

const init = {type: 'system', subtype: 'init'} as SDKMessage;
const result = (taken: string[] = [], more: object = {}) =>
  ({type: 'result', subtype: 'success', user_message_uuids: taken, ...more}) as SDKMessage;
const background = (...types: string[]) =>
  ({
    type: 'system',
    subtype: 'background_tasks_changed',
    tasks: types.map(task_type => ({task_id: task_type, task_type, description: ''})),
  }) as SDKMessage;

describe('turns', () => {
  type Act = {sent: string} | SDKMessage;
  const cases: {name: string; acts: Act[]; state: Turns['state']}[] = [
    {name: 'busy with what was sent', acts: [{sent: 'a'}], state: 'busy'},
    {
      name: 'idle after the result of all that was sent',
      acts: [{sent: 'a'}, init, result(['a'])],
      state: 'idle',
    },
    {
      name: 'busy while a message waits',
      acts: [{sent: 'a'}, init, {sent: 'b'}, result(['a'])],
      state: 'busy',
    },
    {
      name: 'idle when one turn took both messages',
      acts: [{sent: 'a'}, init, {sent: 'b'}, result(['a', 'b'])],
      state: 'idle',
    },
    {
      name: 'idle when a result does not say what it took and nothing is queued',
      acts: [{sent: 'a'}, init, result([])],
      state: 'idle',
    },
    {
      name: 'busy when a result does not say what it took and something is queued',
      acts: [{sent: 'a'}, {sent: 'b'}, init, result([], {queued_turn_count: 1})],
      state: 'busy',
    },
    {
      name: 'busy while a subagent works in the background',
      acts: [{sent: 'a'}, init, background('local_agent'), result(['a'])],
      state: 'busy',
    },
    {
      name: 'settling when the subagent has ended',
      acts: [{sent: 'a'}, init, background('local_agent'), result(['a']), background()],
      state: 'settling',
    },
    {
      name: 'busy with the turn that the subagent started by its end',
      acts: [{sent: 'a'}, init, background('local_agent'), result(['a']), background(), init],
      state: 'busy',
    },
    {
      name: 'idle beside a shell in the background',
      acts: [{sent: 'a'}, init, background('local_bash'), result(['a'])],
      state: 'idle',
    },
  ];
  for (const {name, acts, state} of cases) {
    it(`are ${name}`, () => {
      const turns = new Turns();
      for (const act of acts) {
        if ('sent' in act) turns.onSent(act.sent);
        else turns.onMessage(act);
      }
      assert.equal(turns.state, state);
    });
  }
});

describe('usage meter', () => {
  const model = (inputTokens: number, outputTokens: number) =>
    ({inputTokens, outputTokens, cacheReadInputTokens: 1, cacheCreationInputTokens: 2}) as never;
  const tokens = (input_tokens: number, output_tokens: number) =>
    ({input_tokens, output_tokens}) as SDKAssistantMessage['message']['usage'];

  it('takes running totals for totals, and turns for differences', () => {
    const meter = new UsageMeter();
    meter.onResult({total_cost_usd: 1, modelUsage: {a: model(10, 5), b: model(1, 1)}, num_turns: 2});
    meter.onResult({total_cost_usd: 3, modelUsage: {a: model(30, 9), b: model(1, 1)}, num_turns: 4});
    assert.deepEqual(meter.spent, {
      costUsd: 3,
      inputTokens: 31,
      outputTokens: 10,
      cacheReadTokens: 2,
      cacheWriteTokens: 4,
      turns: 6,
    });
  });

  it('goes on from where it was when the totals start again', () => {
    const meter = new UsageMeter();
    meter.onResult({total_cost_usd: 3, modelUsage: {a: model(30, 9)}, num_turns: 1});
    meter.onResult({total_cost_usd: 1, modelUsage: {a: model(10, 5)}, num_turns: 1});
    assert.equal(meter.spent.costUsd, 4);
    assert.equal(meter.spent.inputTokens, 40);
    assert.equal(meter.spent.turns, 2);
  });

  it('counts answers once until a total comes', () => {
    const meter = new UsageMeter();
    meter.onAnswer('m1', tokens(10, 1));
    meter.onAnswer('m1', tokens(10, 7));
    meter.onAnswer('m2', tokens(20, 2));
    assert.equal(meter.spent.inputTokens, 30);
    assert.equal(meter.spent.outputTokens, 9);
    assert.equal(meter.spent.turns, 2);
    meter.onResult({total_cost_usd: 1, modelUsage: {a: model(31, 10)}, num_turns: 2});
    assert.equal(meter.spent.inputTokens, 31);
    assert.equal(meter.spent.turns, 2);
  });
});

describe('outcome of a result', () => {
  const CONTEXT = {wantsResult: false, earlierResult: undefined, apiError: undefined};
  const success = (more: Partial<SDKResultSuccess>) =>
    ({type: 'result', subtype: 'success', is_error: false, result: 'said', ...more}) as SDKResultMessage;
  const error = (subtype: string, more: object = {}) =>
    ({type: 'result', subtype, is_error: true, errors: ['why'], ...more}) as SDKResultMessage;
  const cases: {name: string; result: SDKResultMessage; context?: object; outcome: string}[] = [
    {name: 'success', result: success({}), outcome: 'succeeded'},
    {name: '401', result: success({is_error: true, api_error_status: 401}), outcome: 'auth'},
    {name: '403', result: success({is_error: true, api_error_status: 403}), outcome: 'auth'},
    {name: '429', result: success({is_error: true, api_error_status: 429}), outcome: 'rateLimit'},
    {name: '500', result: success({is_error: true, api_error_status: 500}), outcome: 'api'},
    {name: 'no status', result: success({is_error: true}), outcome: 'api'},
    {
      name: 'no status after a refused login',
      result: success({is_error: true}),
      context: {apiError: 'authentication_failed'},
      outcome: 'auth',
    },
    {
      name: 'no status after a usage limit',
      result: success({is_error: true}),
      context: {apiError: 'rate_limit'},
      outcome: 'rateLimit',
    },
    {name: 'a refusal', result: success({is_error: true, stop_reason: 'refusal'}), outcome: 'refused'},
    {
      name: 'a wanted result that is missing',
      result: success({}),
      context: {wantsResult: true},
      outcome: 'exit',
    },
    {
      name: 'a wanted result of an earlier turn',
      result: success({}),
      context: {wantsResult: true, earlierResult: {a: 1}},
      outcome: 'succeeded',
    },
    {name: 'too many turns', result: error('error_max_turns'), outcome: 'maxTurns'},
    {name: 'a spent budget', result: error('error_max_budget_usd'), outcome: 'budget'},
    {name: 'no fitting result', result: error('error_max_structured_output_retries'), outcome: 'exit'},
    {
      name: 'an API failure in mid-turn',
      result: error('error_during_execution', {terminal_reason: 'api_error'}),
      outcome: 'api',
    },
    {
      name: 'a failure at the start',
      result: error('error_during_execution', {startup_failure_reason: 'config_file_invalid'}),
      outcome: 'crashed',
    },
  ];
  for (const {name, result: given, context, outcome} of cases) {
    it(`is ${outcome} for ${name}`, () => {
      const got = outcomeOfResult(given, {...CONTEXT, ...context});
      assert.equal(got.kind === 'failed' ? got.reason : got.kind, outcome);
    });
  }
});

describe('rate limits', () => {
  it('are told when the account is rejected, with the time of the reset', () => {
    assert.deepEqual(
      limitOfEvent({status: 'rejected', resetsAt: 1_800_000_000, rateLimitType: 'five_hour'}),
      {
        message: 'the five hour limit of the account is reached',
        resetAt: 1_800_000_000_000,
      },
    );
    assert.equal(limitOfEvent({status: 'allowed_warning', resetsAt: 1}), undefined);
  });

  it('are told for a long pause that the API asked for, not for an ordinary back-off', () => {
    const retry = (error_status: number, retry_delay_ms: number) =>
      ({error_status, retry_delay_ms}) as SDKAPIRetryMessage;
    assert.deepEqual(limitOfRetry(retry(429, 60_000), 1000), {
      message: 'the model API limits the rate',
      resetAt: 61_000,
    });
    assert.equal(limitOfRetry(retry(429, 500), 1000), undefined);
    assert.equal(limitOfRetry(retry(529, 60_000), 1000), undefined);
  });
});

describe('transcript', () => {
  it('bounds long texts without halving a character', () => {
    assert.equal(clip('short'), 'short');
    assert.equal(clip('abcdef', 3), 'abc… (3 more characters)');
    assert.equal(clip('ab😀cd', 3), 'ab… (4 more characters)');
  });

  it('bounds strings anywhere in a tool input and keeps its shape', () => {
    const long = 'x'.repeat(20_000);
    const clipped = clipJson({a: [long, 1, null, true], b: {c: long}});
    assert(JSON.stringify(clipped).length < 34_000);
    assert.deepEqual(Object.keys(clipped as object), ['a', 'b']);
  });

  it('shows results that are not text by their kind', () => {
    const message = {
      type: 'user',
      parent_tool_use_id: 'p',
      message: {
        role: 'user',
        content: [
          {type: 'tool_result', tool_use_id: 'x', content: [{type: 'text', text: 'a'}, {type: 'image'}]},
        ],
      },
    } as SDKMessage;
    assert.deepEqual(eventsOf(message, 5), [
      {kind: 'toolResult', at: 5, id: 'x', isError: false, text: 'a\n[image]', parent: 'p'},
    ]);
  });
});
