/**
 * A server of the 2025 protocol, by the first SDK over stdio, some of whose lists fail although it declares them.
 * Flags: --broken LISTS (refused, separated by commas), --hanging LISTS (never answered). Its tools mend and break lists while it runs.
 */
import {Server} from '@modelcontextprotocol/sdk/server/index.js';
import {StdioServerTransport} from '@modelcontextprotocol/sdk/server/stdio.js';
import {
  CallToolRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';

const flag = name => {
  const at = process.argv.indexOf(name);
  return at < 0 ? [] : process.argv[at + 1].split(',');
};
const broken = new Set(flag('--broken'));
const hanging = new Set(flag('--hanging'));
const asked = [];

const server = new Server(
  {name: 'partial', version: '1'},
  {capabilities: {tools: {listChanged: true}, resources: {listChanged: true}, prompts: {listChanged: true}}},
);

function lists(schema, list, items) {
  server.setRequestHandler(schema, () => {
    asked.push(list);
    if (hanging.has(list)) return new Promise(() => undefined);
    if (broken.has(list)) throw new Error(`the ${list} are lost, and so is ${process.env.SECRET}`);
    return {[list]: items};
  });
}

const inputSchema = {type: 'object', properties: {list: {type: 'string'}}};
lists(ListToolsRequestSchema, 'tools', [
  {name: 'mend', inputSchema},
  {name: 'break', inputSchema},
  {name: 'asked', inputSchema},
]);
lists(ListResourcesRequestSchema, 'resources', [{uri: 'note://1', name: 'note'}]);
lists(ListResourceTemplatesRequestSchema, 'resourceTemplates', [{uriTemplate: 'note://{id}', name: 'notes'}]);
lists(ListPromptsRequestSchema, 'prompts', [{name: 'greet'}]);

server.setRequestHandler(CallToolRequestSchema, async ({params: {name, arguments: {list} = {}}}) => {
  if (name === 'mend') broken.delete(list);
  if (name === 'break') {
    broken.add(list);
    await server.notification({method: `notifications/${list}/list_changed`});
  }
  return {content: [{type: 'text', text: JSON.stringify(name === 'asked' ? asked : [...broken])}]};
});
await server.connect(new StdioServerTransport());
