/** A server that has everything the conformance scenarios call, of both eras, on the SDK that has both. How it is reached is left to others. */
import {setTimeout as pause} from 'node:timers/promises';
import {fromJsonSchema, McpServer, ResourceTemplate} from '@modelcontextprotocol/server';
import * as z from 'zod';
import {
  FIXED_TOOLS,
  LOG_LINES,
  PROGRESS_STEPS,
  PROMPTS,
  RESOURCES,
  SCHEMA_2020_12,
  says,
  TEMPLATE,
  templateContent,
} from './content.ts';
import {addInputTools, stateCodec} from './inputTools.ts';

export type ListChange = 'tools' | 'prompts';

const NO_ARGUMENTS = {inputSchema: z.object({})};
/** Between two messages of one call, so that they are seen one after the other. */
const STEP_MS = 20;

/** `announce` tells every client that follows that a list has changed. */
export function modernServer(announce: (change: ListChange, server: McpServer) => void): McpServer {
  const server = new McpServer(
    {name: 'conformance-server', version: '1.0.0'},
    {
      capabilities: {
        tools: {listChanged: true},
        resources: {subscribe: true, listChanged: true},
        prompts: {listChanged: true},
        logging: {},
        completions: {},
      },
      requestState: {verify: stateCodec.verify},
    },
  );
  addTools(server);
  addTriggers(server, change => announce(change, server));
  addInputTools(server);
  addResources(server);
  addPrompts(server);
  server.server.setRequestHandler('logging/setLevel', () => ({}));
  server.server.setRequestHandler('resources/subscribe', () => ({}));
  server.server.setRequestHandler('resources/unsubscribe', () => ({}));
  server.server.setRequestHandler('completion/complete', ({params}) => ({
    completion: {values: [`${params.argument.value}-completed`], total: 1, hasMore: false},
  }));
  return server;
}

function addTools(server: McpServer): void {
  for (const [name, content] of Object.entries(FIXED_TOOLS))
    server.registerTool(name, {description: `Fixed content: ${name}`}, () => ({content: [...content]}));
  server.registerTool('test_error_handling', {description: 'Fails'}, () => {
    throw new Error('This tool intentionally returns an error for testing');
  });
  server.registerTool(
    'test_tool_with_logging',
    {description: 'Logs', ...NO_ARGUMENTS},
    async (_args, {mcpReq}) => {
      for (const data of LOG_LINES) {
        await mcpReq.notify({method: 'notifications/message', params: {level: 'info', data}});
        await pause(STEP_MS);
      }
      return says('Logged.');
    },
  );
  server.registerTool(
    'test_logging_tool',
    {description: 'Logs to whom it asked', ...NO_ARGUMENTS},
    async (_args, {mcpReq}) => {
      await mcpReq.log('info', 'only for who asked for it');
      return says('Logged.');
    },
  );
  server.registerTool(
    'test_tool_with_progress',
    {description: 'Reports', ...NO_ARGUMENTS},
    async (_args, {mcpReq}) => {
      const progressToken = mcpReq._meta?.progressToken;
      for (const progress of PROGRESS_STEPS) {
        if (progressToken === undefined) break;
        const params = {progressToken, progress, total: 100, message: `${progress} of 100`};
        await mcpReq.notify({method: 'notifications/progress', params});
        await pause(STEP_MS);
      }
      return says(String(progressToken));
    },
  );
  server.registerTool(
    'json_schema_2020_12_tool',
    {description: 'Has a rich schema', inputSchema: fromJsonSchema(SCHEMA_2020_12)},
    args => says(JSON.stringify(args)),
  );
}

function addTriggers(server: McpServer, announce: (change: ListChange) => void): void {
  const trigger = (name: string, change: ListChange): void =>
    void server.registerTool(name, {description: `Announces changed ${change}`, ...NO_ARGUMENTS}, () => {
      announce(change);
      return says('Announced.');
    });
  trigger('test_trigger_tool_change', 'tools');
  trigger('test_trigger_prompt_change', 'prompts');
}

function addResources(server: McpServer): void {
  for (const [uri, {name, mimeType, content}] of Object.entries(RESOURCES))
    server.registerResource(name, uri, {mimeType}, () => ({contents: [{uri, mimeType, ...content}]}));
  server.registerResource(
    'template',
    new ResourceTemplate(TEMPLATE, {list: undefined}),
    {mimeType: 'application/json'},
    (uri, {id}) => ({contents: [templateContent(uri.href, String(id))]}),
  );
}

function addPrompts(server: McpServer): void {
  for (const [name, fixture] of Object.entries(PROMPTS)) {
    const description = `Prompt: ${name}`;
    const messages = (args: Readonly<Record<string, string>>): {role: 'user'; content: never}[] =>
      fixture.messages(args).map(content => ({role: 'user', content: content as never}));
    if (fixture.arguments.length === 0)
      server.registerPrompt(name, {description}, () => ({messages: messages({})}));
    else {
      const argsSchema = z.object(
        Object.fromEntries(fixture.arguments.map(argument => [argument, z.string()])),
      );
      server.registerPrompt(name, {description, argsSchema}, args => ({messages: messages(args)}));
    }
  }
}
