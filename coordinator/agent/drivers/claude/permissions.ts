/** Between Claude Code's wish to use a tool and whoever may allow it: a person by way of the host, or nobody. */
import type {
  CanUseTool,
  PermissionMode,
  PermissionResult,
  PermissionUpdate,
} from '@anthropic-ai/claude-agent-sdk';
import * as z from 'zod';
import {describeError} from '../../../runtime/errors.ts';
import type {ApprovalAnswer, ApprovalRequest, DriverHost, PermissionPolicy} from '../../driver.ts';
import {clip, clipJson} from './transcript.ts';

export const PERMISSION_MODES: Readonly<Record<PermissionPolicy['mode'], PermissionMode>> = {
  ask: 'default',
  acceptEdits: 'acceptEdits',
  dontAsk: 'dontAsk',
  plan: 'plan',
  bypass: 'bypassPermissions',
};

const QUESTION_TOOL = 'AskUserQuestion';

const QuestionInput = z.looseObject({
  questions: z
    .array(
      z.looseObject({
        question: z.string(),
        header: z.string().optional(),
        multiSelect: z.boolean().optional(),
        options: z.array(z.looseObject({label: z.string(), description: z.string().optional()})).default([]),
      }),
    )
    .min(1),
});

type Context = Parameters<CanUseTool>[2];

export interface Gatekeeper {
  readonly host: Pick<DriverHost, 'ask'>;
  /** The mode in force now. */
  mode(): PermissionPolicy['mode'];
  /** Aborted when the attempt ends: nobody needs to answer then. */
  readonly ended: AbortSignal;
}

/** Answers Claude Code's permission requests; in every mode but `ask` nobody is there to be asked. */
export function askingHost(gatekeeper: Gatekeeper): CanUseTool {
  return async (tool, input, context) => {
    if (gatekeeper.mode() !== 'ask') return unattended(tool, gatekeeper.mode());
    const request = requestOf(tool, input, context);
    const signal = AbortSignal.any([context.signal, gatekeeper.ended]);
    try {
      return resultOf(request, await gatekeeper.host.ask(request, signal), input, context);
    } catch (error) {
      return {behavior: 'deny', message: `The request was withdrawn: ${describeError(error)}`};
    }
  };
}

function unattended(tool: string, mode: PermissionPolicy['mode']): PermissionResult {
  const message =
    tool === QUESTION_TOOL
      ? 'Nobody is there to answer. Decide yourself and say what you assumed.'
      : `Not permitted: nobody is there to ask (permission mode ${mode}). Do without it, or say what could not be done.`;
  return {behavior: 'deny', message};
}

function requestOf(tool: string, input: Record<string, unknown>, context: Context): ApprovalRequest {
  const {requestId} = context;
  const questions = tool === QUESTION_TOOL ? QuestionInput.safeParse(input).data?.questions : undefined;
  if (!questions) {
    const reason = context.decisionReason ?? context.description ?? context.title;
    return {
      kind: 'permission',
      requestId,
      tool: clip(tool, 200),
      input: clipJson(input),
      ...(reason ? {reason: clip(reason, 4000)} : {}),
    };
  }
  return {
    kind: 'question',
    requestId,
    questions: questions.map(({question, header, multiSelect, options}) => ({
      question: clip(question, 4000),
      ...(header ? {header: clip(header, 200)} : {}),
      multiSelect: multiSelect ?? false,
      options: options.map(({label, description}) => ({
        label: clip(label, 480),
        ...(description ? {description: clip(description, 2000)} : {}),
      })),
    })),
  };
}

function resultOf(
  request: ApprovalRequest,
  answer: ApprovalAnswer,
  input: Record<string, unknown>,
  context: Context,
): PermissionResult {
  switch (answer.kind) {
    case 'deny':
      return {behavior: 'deny', message: answer.message ?? 'Denied by the person who was asked.'};
    case 'answers':
      // Claude Code takes the answers as a part of the tool's input, by the text of the question.
      return {behavior: 'allow', updatedInput: {...input, answers: answer.answers}};
    case 'allow': {
      if (request.kind === 'question') return {behavior: 'deny', message: 'No answer was given.'};
      const edited = z.record(z.string(), z.unknown()).safeParse(answer.updatedInput);
      return {
        behavior: 'allow',
        updatedInput: edited.success ? edited.data : input,
        ...(answer.scope === 'session' ? {updatedPermissions: forSession(context.suggestions)} : {}),
      };
    }
  }
}

/** Claude Code suggests where to remember a rule; an attempt's answer is never written into a settings file. */
function forSession(suggestions: readonly PermissionUpdate[] = []): PermissionUpdate[] {
  return suggestions.map(suggestion => ({...suggestion, destination: 'session' as const}));
}
