/** `mcpx approvals`: what waits for a person, and the person's answers. */

import type {Command} from 'commander';
import type {McpxClient} from '../client/mcpxClient.ts';
import {gateQuestionLines} from '../client/report/gateQuestion.ts';
import {silentLogger} from '../observability/logger.ts';
import type {ApprovalAnswer} from '../protocol/approval.ts';
import type {ApprovalRecord} from '../protocol/model/facts.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import type {JsonValue} from '../runtime/json.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, snapshotRows, withClient} from './local/connect.ts';
import {connectOptions} from './local/options.ts';
import {approvalText} from './report/taskText.ts';
import {printable} from './report/terminalText.ts';

export function addApprovalCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const approvals = program
    .command('approvals')
    .description('What waits for a person: list, approve, deny, answer.');

  connectOptions(approvals.command('list').description('Permissions, questions and decisions that wait.'))
    .option('--json', 'one JSON object a line', false)
    .action(async (options: ConnectOptions & {json: boolean}) => done(await list(options, io)));

  connectOptions(approvals.command('approve <id>').description('Allows what is asked.'))
    .option('--for-session', 'allow the same from now on in this attempt', false)
    .option('--input <json>', 'allow it with this input instead')
    .action(async (id: string, options: ConnectOptions & {forSession: boolean; input?: string}) => {
      const updatedInput = options.input === undefined ? undefined : parseInput(options.input);
      done(
        await reply(id, options, io, () => ({
          kind: 'allow',
          scope: options.forSession ? 'session' : 'once',
          updatedInput,
        })),
      );
    });

  connectOptions(approvals.command('deny <id>').description('Refuses what is asked.'))
    .option('--message <text>', 'why, for Claude Code and for the evidence of a gate')
    .action(async (id: string, options: ConnectOptions & {message?: string}) =>
      done(await reply(id, options, io, () => ({kind: 'deny', message: options.message}))),
    );

  connectOptions(
    approvals
      .command('answer <id> <answers...>')
      .description(
        'Answers a question: one answer for each question, in order; an option by its number or in your own words.',
      ),
  ).action(async (id: string, answers: string[], options: ConnectOptions) =>
    done(await reply(id, options, io, approval => answersOf(approval, answers))),
  );
}

async function waiting(client: McpxClient): Promise<ApprovalRecord[]> {
  const rows = await snapshotRows(client, {view: 'approvals'});
  return rows
    .flatMap(row => (row.kind === 'approval' && row.approval.state.kind === 'waiting' ? [row.approval] : []))
    .sort((a, b) => a.askedAt - b.askedAt);
}

function list(options: ConnectOptions & {json: boolean}, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const approvals = await waiting(client);
    for (const approval of approvals) {
      if (options.json) io.stdout(`${JSON.stringify(approval)}\n`);
      else
        io.stdout(
          `${approval.id}  ${approval.sessionId}/${approval.taskId}  ${approvalText(approval)}\n${details(approval)}`,
        );
    }
    if (approvals.length === 0 && !options.json) io.stdout('Nothing waits for a person.\n');
    return EXIT.ok;
  });
}

function details({request}: ApprovalRecord): string {
  if (request.kind === 'decision')
    return gateQuestionLines(request)
      .map(line => `    ${printable(line)}\n`)
      .join('');
  if (request.kind !== 'question') return '';
  return request.questions
    .flatMap(({question, options}) => [
      `    ${question}`,
      ...options.map(
        (option, index) =>
          `      ${index + 1}. ${option.label}${option.description ? `: ${option.description}` : ''}`,
      ),
    ])
    .map(line => `${line}\n`)
    .join('');
}

function reply(
  id: string,
  options: ConnectOptions,
  io: CommandIo,
  answerFor: (approval: ApprovalRecord) => ApprovalAnswer,
): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const approval = (await waiting(client)).find(other => other.id === id);
    if (!approval)
      throw new CoordinatorError('notFound', `nothing called "${id}" waits for a person`, {
        hint: 'mcpx approvals list shows what does. It may have been answered, or its attempt has ended.',
      });
    const answer = answerFor(approval);
    await client.request('mcpx.approval.answer', {sessionId: approval.sessionId, approvalId: id, answer});
    io.stdout(
      `${id}: ${answer.kind === 'deny' ? 'denied' : answer.kind === 'allow' ? 'allowed' : 'answered'}\n`,
    );
    return EXIT.ok;
  });
}

function answersOf({request, id}: ApprovalRecord, answers: readonly string[]): ApprovalAnswer {
  if (request.kind !== 'question')
    throw new CoordinatorError('config', `${id} is not a question`, {
      hint: `mcpx approvals approve ${id} or mcpx approvals deny ${id}`,
    });
  if (answers.length !== request.questions.length)
    throw new CoordinatorError(
      'config',
      `${id} has ${request.questions.length} questions, and ${answers.length} answers were given`,
    );
  const pairs = request.questions.map(({question, options}, index) => {
    const answer = answers[index] ?? '';
    return [
      question,
      /^\d+$/.test(answer) ? (options[Number(answer) - 1]?.label ?? answer) : answer,
    ] as const;
  });
  return {kind: 'answers', answers: Object.fromEntries(pairs)};
}

function parseInput(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new CoordinatorError('config', '--input is not JSON', {cause: error});
  }
}
