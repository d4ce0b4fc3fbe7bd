/** The same names on the older SDK alone: what a server from before 2026-07-28 is. It asks its client by requests, in the middle of a call. */
import {setTimeout as pause} from 'node:timers/promises';
import {Server} from '@modelcontextprotocol/sdk/server/index.js';
import type {RequestHandlerExtra} from '@modelcontextprotocol/sdk/shared/protocol.js';
import {
  CallToolRequestSchema,
  type CallToolResult,
  CompleteRequestSchema,
  CreateMessageResultSchema,
  ElicitResultSchema,
  ErrorCode,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListRootsResultSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  type ServerNotification,
  type ServerRequest,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  type Tool,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import {
  FIXED_TOOLS,
  LOG_LINES,
  PROGRESS_STEPS,
  PROMPTS,
  RESOURCES,
  SCHEMA_2020_12,
  says,
  TEMPLATE,
  TEMPLATE_URI,
  templateContent,
} from './content.ts';
import {completion, DEFAULTS_FORM, ENUMS_FORM, type Form, oneField} from './questions.ts';

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;
type ToolHandler = (
  args: Readonly<Record<string, unknown>>,
  extra: Extra,
  server: Server,
) => CallToolResult | Promise<CallToolResult>;

const STEP_MS = 20;

async function elicit(extra: Extra, params: Form): Promise<CallToolResult> {
  const {action, content} = await extra.sendRequest(
    {method: 'elicitation/create', params},
    ElicitResultSchema,
  );
  return says(`Elicitation completed: action=${action}, content=${JSON.stringify(content ?? {})}`);
}

async function complete(extra: Extra, prompt: string): Promise<string> {
  const request = {method: 'sampling/createMessage' as const, params: completion(prompt)};
  const {content} = await extra.sendRequest(request, CreateMessageResultSchema);
  return 'text' in content ? content.text : JSON.stringify(content);
}

async function countRoots(extra: Extra): Promise<number> {
  return (await extra.sendRequest({method: 'roots/list'}, ListRootsResultSchema)).roots.length;
}

const TOOLS: Readonly<Record<string, ToolHandler>> = {
  ...Object.fromEntries(
    Object.entries(FIXED_TOOLS).map(([name, content]) => [name, () => ({content: [...content]})]),
  ),
  test_error_handling: () => ({
    ...says('This tool intentionally returns an error for testing'),
    isError: true,
  }),
  async test_tool_with_logging(_args, extra) {
    for (const data of LOG_LINES) {
      await extra.sendNotification({method: 'notifications/message', params: {level: 'info', data}});
      await pause(STEP_MS);
    }
    return says('Logged.');
  },
  async test_logging_tool(_args, extra) {
    await extra.sendNotification({method: 'notifications/message', params: {level: 'info', data: 'a line'}});
    return says('Logged.');
  },
  async test_tool_with_progress(_args, extra) {
    const progressToken = extra._meta?.progressToken;
    for (const progress of PROGRESS_STEPS) {
      if (progressToken === undefined) break;
      const params = {progressToken, progress, total: 100, message: `${progress} of 100`};
      await extra.sendNotification({method: 'notifications/progress', params});
      await pause(STEP_MS);
    }
    return says(String(progressToken));
  },
  json_schema_2020_12_tool: args => says(JSON.stringify(args)),
  test_sampling: async ({prompt}, extra) => says(`LLM response: ${await complete(extra, String(prompt))}`),
  test_elicitation: ({message}, extra) => elicit(extra, oneField(String(message), 'response')),
  test_elicitation_sep1034_defaults: (_args, extra) => elicit(extra, DEFAULTS_FORM),
  test_elicitation_sep1330_enums: (_args, extra) => elicit(extra, ENUMS_FORM),
  test_input_required_result_elicitation: (_args, extra) =>
    elicit(extra, oneField('What is your name?', 'name')),
  test_input_required_result_sampling: async (_args, extra) =>
    says(await complete(extra, 'What is the capital of France?')),
  test_input_required_result_list_roots: async (_args, extra) => says(`${await countRoots(extra)} roots`),
  test_input_required_result_request_state: (_args, extra) =>
    elicit(extra, oneField('Confirm', 'ok', 'boolean')),
  test_input_required_result_tampered_state: (_args, extra) =>
    elicit(extra, oneField('Confirm', 'ok', 'boolean')),
  async test_input_required_result_multiple_inputs(_args, extra) {
    const answers = await Promise.all([
      elicit(extra, oneField('What is your name?', 'name')),
      complete(extra, 'Generate a greeting'),
      countRoots(extra),
    ]);
    return says(JSON.stringify(answers));
  },
  async test_input_required_result_multi_round(_args, extra) {
    await elicit(extra, oneField('What is your name?', 'name'));
    return await elicit(extra, oneField('What is your favorite color?', 'color'));
  },
  async test_input_required_result_capabilities(_args, extra, server) {
    const declared = server.getClientCapabilities();
    if (declared?.sampling) return says(await complete(extra, 'Generate a greeting'));
    return declared?.elicitation
      ? elicit(extra, oneField('Your name?', 'name'))
      : says('Nothing can be asked.');
  },
  test_missing_capability: async (_args, extra) => says(await complete(extra, 'Reply with one word')),
  async test_trigger_tool_change(_args, _extra, server) {
    await server.sendToolListChanged();
    return says('Announced.');
  },
  async test_trigger_prompt_change(_args, _extra, server) {
    await server.sendPromptListChanged();
    return says('Announced.');
  },
};

const STRING = {type: 'string'};
const SCHEMAS: Readonly<Record<string, object>> = {
  json_schema_2020_12_tool: SCHEMA_2020_12,
  test_sampling: {type: 'object', properties: {prompt: STRING}, required: ['prompt']},
  test_elicitation: {type: 'object', properties: {message: STRING}, required: ['message']},
};

export function legacyServer(): Server {
  const server = new Server(
    {name: 'conformance-server-v1', version: '1.0.0'},
    {
      capabilities: {
        tools: {listChanged: true},
        resources: {subscribe: true, listChanged: true},
        prompts: {listChanged: true},
        logging: {},
        completions: {},
      },
    },
  );
  const tools = Object.keys(TOOLS).map(name => ({
    name,
    description: name,
    inputSchema: SCHEMAS[name] ?? {type: 'object'},
  }));
  server.setRequestHandler(ListToolsRequestSchema, () => ({tools: tools as Tool[]}));
  server.setRequestHandler(CallToolRequestSchema, ({params: {name, arguments: args = {}}}, extra) => {
    const tool = TOOLS[name];
    if (!tool) throw new McpError(ErrorCode.InvalidParams, `there is no tool ${name}`);
    return tool(args, extra, server);
  });
  serveResources(server);
  servePrompts(server);
  server.setRequestHandler(SetLevelRequestSchema, () => ({}));
  server.setRequestHandler(CompleteRequestSchema, ({params}) => ({
    completion: {values: [`${params.argument.value}-completed`], total: 1, hasMore: false},
  }));
  return server;
}

function serveResources(server: Server): void {
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: Object.entries(RESOURCES).map(([uri, {name, mimeType}]) => ({uri, name, mimeType})),
  }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{name: 'template', uriTemplate: TEMPLATE, mimeType: 'application/json'}],
  }));
  server.setRequestHandler(ReadResourceRequestSchema, ({params: {uri}}) => {
    const id = TEMPLATE_URI.exec(uri)?.[1];
    if (id !== undefined) return {contents: [templateContent(uri, id)]};
    const found = Object.entries(RESOURCES).find(([known]) => known === uri)?.[1];
    if (!found) throw new McpError(-32002, `there is no resource ${uri}`, {uri});
    return {contents: [{uri, mimeType: found.mimeType, ...found.content}]};
  });
  server.setRequestHandler(SubscribeRequestSchema, () => ({}));
  server.setRequestHandler(UnsubscribeRequestSchema, () => ({}));
}

function servePrompts(server: Server): void {
  const asking = 'test_input_required_result_prompt';
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: [
      ...Object.entries(PROMPTS).map(([name, prompt]) => ({
        name,
        description: name,
        arguments: prompt.arguments.map(argument => ({name: argument, required: true})),
      })),
      {name: asking, description: asking},
    ],
  }));
  server.setRequestHandler(GetPromptRequestSchema, async ({params: {name, arguments: args = {}}}, extra) => {
    if (name === asking) {
      const {content} = await elicit(extra, oneField('What context should the prompt use?', 'context'));
      return {messages: content.map(answer => ({role: 'user' as const, content: answer}))};
    }
    const prompt = PROMPTS[name];
    if (!prompt) throw new McpError(ErrorCode.InvalidParams, `there is no prompt ${name}`);
    return {messages: prompt.messages(args).map(content => ({role: 'user' as const, content}))};
  });
}
