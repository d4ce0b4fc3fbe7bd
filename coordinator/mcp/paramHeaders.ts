/**
 * Tools of which parameters travel as headers too (`x-mcp-header`): the SDK compares both for servers of its high-level kind, which know their
 * tools' schemas. Here one is made that knows the schema of the tool in question.
 */
import {
  fromJsonSchema,
  type Implementation,
  McpServer,
  type ServerOptions,
  type Tool,
} from '@modelcontextprotocol/server';

/** The SDK has two types for the same thing. */
type JsonSchema = Parameters<typeof fromJsonSchema>[0];

const MARK = '"x-mcp-header"';

/** Schemas do not change once they are shown. */
const known = new WeakMap<object, boolean>();

export function hasParamHeaders({inputSchema}: Tool): boolean {
  let has = known.get(inputSchema);
  if (has === undefined) {
    has = JSON.stringify(inputSchema).includes(MARK);
    known.set(inputSchema, has);
  }
  return has;
}

/** Whoever gets it replaces its handlers. */
export function serverThatKnows(
  {name, inputSchema}: Tool,
  implementation: Implementation,
  options: ServerOptions,
): McpServer {
  const mcp = new McpServer(implementation, options);
  mcp.registerTool(name, {inputSchema: fromJsonSchema(inputSchema as JsonSchema, ANYTHING)}, () => {
    throw new Error('replaced before it is served');
  });
  return mcp;
}

/** Arguments are checked by whoever has the tool. */
const ANYTHING = {
  getValidator: () => (data: unknown) => ({
    valid: true as const,
    data: data as never,
    errorMessage: undefined,
  }),
};
