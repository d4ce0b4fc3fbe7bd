/** An MCP server over stdio, for the window: a shop that does not open, and says why, as long as the file `closed` is in its folder. */
import {existsSync, writeFileSync} from 'node:fs';
import {McpServer} from '@modelcontextprotocol/sdk/server/mcp.js';
import {StdioServerTransport} from '@modelcontextprotocol/sdk/server/stdio.js';
import * as z from 'zod';

if (existsSync('closed')) {
  console.error('the shop is closed');
  process.exit(3);
}
writeFileSync('shop.pid', String(process.pid));

const server = new McpServer({name: 'shop', version: '1.0.0'});
const said = text => ({content: [{type: 'text', text}]});
server.registerTool(
  'stock',
  {
    title: 'Look into the stock',
    description: 'How many of a thing there are.',
    inputSchema: {thing: z.string()},
  },
  ({thing}) => said(`7 of ${thing}`),
);
server.registerTool(
  'order',
  {
    title: 'Order a thing',
    description: 'Orders one, at once and for good.',
    inputSchema: {thing: z.string()},
  },
  ({thing}) => said(`ordered ${thing}`),
);
server.registerResource(
  'prices',
  'shop://prices',
  {title: 'Price list', description: 'Of this week.'},
  uri => ({contents: [{uri: uri.href, text: 'apple 1'}]}),
);
server.registerPrompt('haggle', {description: 'Asks for a better price.'}, () => ({
  messages: [{role: 'user', content: {type: 'text', text: 'Too dear!'}}],
}));
await server.connect(new StdioServerTransport());
