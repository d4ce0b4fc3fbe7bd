/**
 * MCP servers from files that others write: Claude Code's `.mcp.json`, VS Code's `mcp.json` and the `server.json` of the MCP registry. Text in,
 * definitions and refusals out: what is wrong with one server keeps no other away. Pure.
 */
import * as z from 'zod';
import {isJsonObject} from '../../runtime/json.ts';
import {ServerDefinition, type ServerEndpoint} from '../model/server.ts';
import {registryServer} from './registryServer.ts';

export interface Refusal {
  /** As the file has it. */
  readonly server: string;
  /** What is wrong, where, and what to do. */
  readonly reason: string;
}

export interface Imported {
  readonly servers: readonly ServerDefinition[];
  readonly refused: readonly Refusal[];
}

/**
 * `folder` is what the file's relative paths and `${workspaceFolder}` are about: where its processes run that do not say. Throws an `ImportError`
 * for a file that is none of these.
 */
export function importServers(text: string, file: string, folder?: string): Imported {
  const json = inFolder(parse(text, file), folder);
  if (isJsonObject(json) && isJsonObject(json['mcpServers']))
    return fromMap(json['mcpServers'], file, 'mcpServers', folder);
  if (isJsonObject(json) && isJsonObject(json['servers']))
    return fromMap(json['servers'], file, 'servers', folder);
  if (isJsonObject(json) && typeof json['name'] === 'string' && (json['packages'] ?? json['remotes']))
    return registryServer(json, file);
  throw new ImportError(
    `${file}: there are no MCP servers in it: it has neither "mcpServers" (as .mcp.json of Claude Code), nor "servers" (as mcp.json of VS Code), nor "packages" or "remotes" (as server.json of the MCP registry)`,
  );
}

export class ImportError extends Error {
  override readonly name = 'ImportError';
}

const Entry = z.looseObject({
  type: z.string().optional(),
  command: z.string().optional(),
  args: z.array(z.union([z.string(), z.number(), z.boolean()])).optional(),
  env: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).optional(),
  envFile: z.string().optional(),
  cwd: z.string().optional(),
  url: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  disabled: z.boolean().optional(),
  /** Ours: how the hub shares it out. */
  mcpx: z.unknown().optional(),
});

/** Other names that are in use for the two kinds of HTTP. */
const TYPES: Readonly<Record<string, 'http' | 'sse' | 'stdio'>> = {
  http: 'http',
  'streamable-http': 'http',
  streamableHttp: 'http',
  sse: 'sse',
  stdio: 'stdio',
};

function fromMap(
  map: Readonly<Record<string, unknown>>,
  file: string,
  key: string,
  folder: string | undefined,
): Imported {
  const servers: ServerDefinition[] = [];
  const refused: Refusal[] = [];
  const names = uniqueNames(Object.keys(map));
  for (const [given, value] of Object.entries(map)) {
    const where = `${file}: ${key}.${given}`;
    const entry = Entry.safeParse(value);
    if (!entry.success) {
      refused.push({server: given, reason: `${where}: ${problemOf(entry.error)}`});
      continue;
    }
    if (entry.data.disabled === true) continue;
    const definition = definitionOf(names.get(given) ?? given, given, {cwd: folder, ...entry.data}, where);
    if (typeof definition === 'string') refused.push({server: given, reason: definition});
    else servers.push(definition);
  }
  return {servers, refused};
}

function definitionOf(
  name: string,
  given: string,
  entry: z.infer<typeof Entry>,
  where: string,
): ServerDefinition | string {
  const endpoint = endpointOf(entry, where);
  if (typeof endpoint === 'string') return endpoint;
  const input = /\$\{input:([^}]+)\}/.exec(JSON.stringify(entry));
  if (input)
    return `${where}: it asks for the input "${input[1]}", which only an editor can ask for: write \${${variableName(input[1] ?? '')}} instead, and set that variable where the coordinator runs`;
  if (entry.envFile !== undefined)
    return `${where}.envFile: files of variables are not read: set them where the coordinator runs, and write \${NAME} below "env"`;
  const {oauth, ...sharing} = isJsonObject(entry.mcpx) ? entry.mcpx : {};
  if (oauth !== undefined && endpoint.type === 'stdio')
    return `${where}.mcpx.oauth: it is a process: what it needs to know is below "env"`;
  const parsed = ServerDefinition.safeParse({
    ...sharing,
    name,
    ...(name !== given && {title: given}),
    endpoint: oauth === undefined ? endpoint : {...endpoint, oauth},
  });
  return parsed.success ? parsed.data : `${where}: ${problemOf(parsed.error)}`;
}

function endpointOf(entry: z.infer<typeof Entry>, where: string): ServerEndpoint | string {
  const {command, url} = entry;
  const type = entry.type === undefined ? (url === undefined ? 'stdio' : 'http') : TYPES[entry.type];
  if (type === undefined)
    return `${where}.type: "${entry.type}" is none that the hub knows: write stdio, http or sse`;
  if (type === 'stdio') {
    if (command === undefined)
      return `${where}: a stdio server needs a "command"; one at an address needs a "url"`;
    return {
      type,
      command,
      args: (entry.args ?? []).map(String),
      env: Object.fromEntries(
        Object.entries(entry.env ?? {}).flatMap(([name, value]) =>
          value === null ? [] : [[name, String(value)]],
        ),
      ),
      ...(entry.cwd !== undefined && {cwd: entry.cwd}),
    };
  }
  if (url === undefined) return `${where}: a server of type ${type} needs a "url"`;
  if (!url.includes('${') && !/^https?:\/\//.test(url))
    return `${where}.url: "${url}" is no http:// or https:// address`;
  return {type, url, headers: entry.headers ?? {}};
}

/** Names of the hub for what files call their servers: what may not be in a name becomes a dash, and no two become one. */
export function uniqueNames(given: readonly string[]): Map<string, string> {
  const taken = new Set(given.filter(name => safeName(name) === name));
  const names = new Map<string, string>();
  for (const name of given) {
    const safe = safeName(name);
    let chosen = safe;
    for (let n = 2; chosen !== name && taken.has(chosen); n++) chosen = `${safe.slice(0, 60)}-${n}`;
    taken.add(chosen);
    names.set(name, chosen);
  }
  return names;
}

function safeName(name: string): string {
  const safe = name
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/__+/g, '_')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64);
  return safe === '' ? 'server' : safe;
}

function variableName(input: string): string {
  return input.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_');
}

function problemOf(error: z.ZodError): string {
  const [issue] = error.issues;
  const path = issue?.path.join('.') ?? '';
  return path === '' ? (issue?.message ?? 'invalid') : `${path}: ${issue?.message}`;
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(withoutComments(text));
  } catch (cause) {
    throw new ImportError(`${file} is not JSON: ${cause instanceof Error ? cause.message : cause}`, {cause});
  }
}

/** VS Code's files have comments and commas before a closing bracket; strings stay as they are. */
function withoutComments(text: string): string {
  const tokens = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  const bare = text.replace(tokens, token => (token.startsWith('"') ? token : ' '));
  return bare.replace(/"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])/g, token => (token === ',' ? '' : token));
}

function inFolder(json: unknown, folder: string | undefined): unknown {
  if (folder === undefined) return json;
  const quoted = JSON.stringify(folder).slice(1, -1);
  return JSON.parse(JSON.stringify(json).replaceAll('${workspaceFolder}', () => quoted));
}
