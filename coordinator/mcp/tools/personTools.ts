/** Tools that ask a person: the question stands in the store, is seen wherever people look for what waits, and is answered when they do. */
import * as z from 'zod';
import type {ApprovalState} from '../../protocol/approval.ts';
import type {Result} from '../../protocol/commands/table.ts';
import {Identifier, SessionId, TaskId} from '../../protocol/ids.ts';
import {newId} from '../../runtime/random.ts';
import {sessionOf} from './actor.ts';
import {type HubTool, hubTool, type ToolContext} from './hubTool.ts';
import {idFor, key} from './planInput.ts';
import {lookUntil, waitSeconds} from './waiting.ts';

const Question = z.object({
  question: z.string().min(1).max(4096),
  header: z.string().max(256).optional().describe('A word or two above it.'),
  multiSelect: z.boolean().default(false),
  options: z
    .array(z.object({label: z.string().max(512), description: z.string().max(2048).optional()}))
    .max(32)
    .default([])
    .describe('What may be chosen; without any the person writes an answer.'),
});

const Asked = z.object({
  sessionId: z.string(),
  questionId: z.string(),
  state: z
    .enum(['waiting', 'answered', 'declined', 'withdrawn'])
    .describe('declined: the person does not answer. withdrawn: the session or attempt has ended.'),
  answers: z.record(z.string(), z.string()).optional().describe('By the text of the question.'),
  message: z.string().optional(),
  by: z.string().optional(),
});

const personAsk = hubTool({
  name: 'person_ask',
  title: 'Ask a person',
  description:
    'Puts questions to a person, who sees them in "mcpx approvals" and in the editor and answers when they do. Waits for the answer up to the time limit; when it has not come, "state" is "waiting": ask for it with person_answer and the handles. Whoever works meanwhile goes on.',
  scope: 'both',
  input: z.object({
    key,
    sessionId: SessionId.optional().describe('The session that it is about, which has not ended.'),
    taskId: TaskId.optional().describe('The task that it is about.'),
    questions: z.array(Question).min(1).max(16),
    waitSeconds,
  }),
  output: Asked,
  async run({key: named, sessionId: given, taskId, questions, waitSeconds: seconds}, context) {
    const {actor, random} = context;
    const sessionId = sessionOf(actor, given);
    // An attempt's own key is its own: another attempt of the task asks anew.
    const asker = [sessionId, actor.attempt?.attemptId ?? '', named ?? ''];
    const questionId = named === undefined ? newId(random, 'q') : idFor('q', actor.principal, asker);
    const fence = actor.attempt?.fence;
    const about = actor.attempt ? undefined : taskId;
    const answer = await actor.request(
      'mcpx.question.ask',
      {sessionId, questionId, taskId: about, fence, questions},
      {retry: true},
    );
    return settled({sessionId, questionId}, answer, seconds, context);
  },
  say: sayAsked,
});

const personAnswer = hubTool({
  name: 'person_answer',
  title: 'The answer of a person',
  description: 'Waits for the answer to an earlier question of person_ask, up to the time limit.',
  scope: 'both',
  readOnly: true,
  input: z.object({sessionId: SessionId.optional(), questionId: Identifier, waitSeconds}),
  output: Asked,
  async run({sessionId: given, questionId, waitSeconds: seconds}, context) {
    const {actor} = context;
    const sessionId = sessionOf(actor, given);
    return settled({sessionId, questionId}, await look({sessionId, questionId}, context), seconds, context);
  },
  say: sayAsked,
});

interface Handles {
  readonly sessionId: string;
  readonly questionId: string;
}

function look({sessionId, questionId}: Handles, {actor}: ToolContext) {
  const fence = actor.attempt?.fence;
  return actor.request('mcpx.question.ask', {sessionId, questionId, fence}, {retry: true});
}

async function settled(
  handles: Handles,
  first: Result<'mcpx.question.ask'>,
  seconds: number,
  context: ToolContext,
): Promise<z.input<typeof Asked>> {
  if (first.state.kind !== 'waiting' || seconds === 0) return asked(handles, first.state);
  const {sessionId, questionId} = handles;
  let seen = false;
  await lookUntil(context, {view: 'approvals', sessionId}, seconds, rows => {
    const row = rows.find(other => other.kind === 'approval' && other.approval.id === questionId);
    const waits = row?.kind === 'approval' && row.approval.state.kind === 'waiting';
    seen ||= waits;
    // Until it has been seen the view may merely be behind: whoever answered at once is found by the look below.
    return {done: seen && !waits, value: undefined, message: 'a person is asked'};
  });
  return asked(handles, (await look(handles, context)).state);
}

function asked(handles: Handles, state: ApprovalState): z.input<typeof Asked> {
  if (state.kind !== 'answered') return {...handles, state: state.kind};
  const {answer, by} = state;
  if (answer.kind === 'answers') return {...handles, state: 'answered', answers: answer.answers, by};
  return {...handles, state: 'declined', message: answer.kind === 'deny' ? answer.message : undefined, by};
}

function sayAsked({state, answers, message, questionId}: z.output<typeof Asked>): string {
  if (answers)
    return Object.entries(answers)
      .map(([question, answer]) => `${question} ${answer}`)
      .join('\n');
  if (state === 'waiting')
    return `Nobody has answered yet. Look again with person_answer, questionId ${questionId}.`;
  return state === 'declined' ? `Declined${message === undefined ? '.' : `: ${message}`}` : 'Withdrawn.';
}

export const PERSON_TOOLS: readonly HubTool[] = [personAsk, personAnswer];
