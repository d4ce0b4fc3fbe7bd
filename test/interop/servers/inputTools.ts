/**
 * Tools and a prompt that answer "input required" until they have what they need (SEP-2322). On a connection of the older era the SDK turns their
 * questions into requests to the client.
 */
import {randomBytes} from 'node:crypto';
import {
  acceptedContent,
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  createRequestStateCodec,
  type InputRequests,
  type InputRequiredResult,
  inputRequired,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import * as z from 'zod';
import {says} from './content.ts';
import {completion, DEFAULTS_FORM, ENUMS_FORM, type Form, oneField} from './questions.ts';

/** Sealed, since it comes back from the client. One key for each process: any of its server objects may get the answer. */
export const stateCodec = createRequestStateCodec<Record<string, unknown>>({key: randomBytes(32)});

type Answer = CallToolResult | InputRequiredResult;
type Responses = Readonly<Record<string, unknown>> | undefined;
type Step = (context: ServerContext, responses: Responses) => Answer | Promise<Answer>;

const ask = (form: Form): InputRequests[string] =>
  inputRequired.elicit(form as Parameters<typeof inputRequired.elicit>[0]);
const askModel = (prompt: string): InputRequests[string] => inputRequired.createMessage(completion(prompt));
const needs = (inputRequests: InputRequests, requestState?: string): InputRequiredResult =>
  inputRequired({inputRequests, ...(requestState === undefined ? {} : {requestState})});

function accepted<T extends Record<string, unknown>>(responses: Responses, name: string): T | undefined {
  return acceptedContent<T>(responses as Parameters<typeof acceptedContent>[0], name);
}

/** Whatever a form or a model answered. */
function answerTo(name: string, request: InputRequests[string], describe: (answer: unknown) => string): Step {
  return (_context, responses) =>
    responses?.[name] === undefined ? needs({[name]: request}) : says(describe(responses[name]));
}

const asText = (answer: unknown): string => {
  const {content} = answer as {content?: {text?: unknown}};
  return typeof content?.text === 'string' ? content.text : JSON.stringify(answer);
};

async function needsConfirmation(): Promise<InputRequiredResult> {
  return needs({confirm: ask(oneField('Please confirm', 'ok', 'boolean'))}, await stateCodec.mint({step: 1}));
}

const confirmed: Step = (context, responses) =>
  context.mcpReq.requestState() !== undefined && accepted(responses, 'confirm') !== undefined
    ? says('The state is the one that was given out, and it was confirmed.')
    : needsConfirmation();

/** Its round is in the state, since nothing else goes from one request to the next. */
const rounds: Step = async (context, responses) => {
  const state = context.mcpReq.requestState<{round?: number; name?: string}>();
  if (state?.round === undefined)
    return needs({step1: ask(oneField('What is your name?', 'name'))}, await stateCodec.mint({round: 1}));
  if (state.round === 1) {
    const name = accepted<{name: string}>(responses, 'step1')?.name ?? 'nobody';
    const next = await stateCodec.mint({round: 2, name});
    return needs({step2: ask(oneField('What is your favorite color?', 'color'))}, next);
  }
  return says(`${state.name} likes ${accepted<{color: string}>(responses, 'step2')?.color}`);
};

const several: Step = async (_context, responses) => {
  const name = accepted<{name: string}>(responses, 'user_name')?.name;
  const {roots} = (responses?.['client_roots'] ?? {}) as {roots?: unknown[]};
  const greeting = responses?.['greeting'];
  if (name !== undefined && greeting !== undefined && roots !== undefined)
    return says(`${asText(greeting)} ${name}, ${roots.length} roots`);
  return needs(
    {
      user_name: ask(oneField('What is your name?', 'name')),
      greeting: askModel('Generate a greeting'),
      client_roots: inputRequired.listRoots(),
    },
    await stateCodec.mint({step: 1}),
  );
};

/** Asks only for what the client has said that it can give. */
const whatIsDeclared: Step = (context, responses) => {
  if (responses !== undefined) return says('Answered.');
  const envelope = context.mcpReq.envelope as
    | Readonly<Record<string, ClientCapabilities | undefined>>
    | undefined;
  const declared = envelope?.[CLIENT_CAPABILITIES_META_KEY];
  const requests: InputRequests = {
    ...(declared?.elicitation && {user_name: ask(oneField('What is your name?', 'name'))}),
    ...(declared?.sampling && {greeting: askModel('Generate a greeting')}),
    ...(declared?.roots && {client_roots: inputRequired.listRoots()}),
  };
  return Object.keys(requests).length === 0 ? says('Nothing can be asked.') : needs(requests);
};

const TOOLS: Readonly<Record<string, Step>> = {
  test_input_required_result_elicitation: (_context, responses) => {
    const name = accepted<{name: string}>(responses, 'user_name')?.name;
    return typeof name === 'string'
      ? says(`Hello, ${name}!`)
      : needs({user_name: ask(oneField('What is your name?', 'name'))});
  },
  test_input_required_result_sampling: answerTo(
    'capital_question',
    askModel('What is the capital of France?'),
    asText,
  ),
  test_input_required_result_list_roots: answerTo('client_roots', inputRequired.listRoots(), answer =>
    JSON.stringify(answer),
  ),
  test_input_required_result_request_state: confirmed,
  test_input_required_result_tampered_state: confirmed,
  test_input_required_result_multiple_inputs: several,
  test_input_required_result_multi_round: rounds,
  test_input_required_result_capabilities: whatIsDeclared,
  test_missing_capability: answerTo('llm_answer', askModel('Reply with one word'), asText),
  test_elicitation_sep1034_defaults: answerTo('form', ask(DEFAULTS_FORM), formAnswer),
  test_elicitation_sep1330_enums: answerTo('form', ask(ENUMS_FORM), formAnswer),
};

function formAnswer(answer: unknown): string {
  const {action, content} = answer as {action?: string; content?: unknown};
  return `Elicitation completed: action=${action}, content=${JSON.stringify(content ?? {})}`;
}

export function addInputTools(server: McpServer): void {
  for (const [name, step] of Object.entries(TOOLS))
    server.registerTool(
      name,
      {description: `Needs input: ${name}`, inputSchema: z.object({})},
      (_args, context) => step(context, context.mcpReq.inputResponses),
    );
  server.registerTool(
    'test_sampling',
    {description: 'Asks a model', inputSchema: z.object({prompt: z.string()})},
    ({prompt}, context) =>
      answerTo(
        'completion',
        askModel(prompt),
        answer => `LLM response: ${asText(answer)}`,
      )(context, context.mcpReq.inputResponses),
  );
  server.registerTool(
    'test_elicitation',
    {description: 'Asks a person', inputSchema: z.object({message: z.string()})},
    ({message}, context) =>
      answerTo(
        'form',
        ask(oneField(message, 'response')),
        formAnswer,
      )(context, context.mcpReq.inputResponses),
  );
  server.registerPrompt('test_input_required_result_prompt', {description: 'Needs a context'}, given => {
    // A prompt without arguments gets its context in their place.
    const {mcpReq} = given as unknown as ServerContext;
    const context = accepted<{context: string}>(mcpReq.inputResponses, 'user_context')?.context;
    if (context === undefined)
      return needs({user_context: ask(oneField('What context should the prompt use?', 'context'))});
    return {messages: [{role: 'user', content: {type: 'text', text: `In this context: ${context}`}}]};
  });
}
