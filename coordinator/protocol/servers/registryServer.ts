/** A `server.json` of the MCP registry as a definition: its first remote, or else its first package that runs by npx, uvx or docker. Pure. */
import * as z from 'zod';
import {ServerDefinition, type ServerEndpoint} from '../model/server.ts';
import type {Imported} from './importServers.ts';

const Input = z.looseObject({
  name: z.string().optional(),
  value: z.string().optional(),
  default: z.string().optional(),
  isRequired: z.boolean().optional(),
});
const Argument = Input.extend({type: z.string().optional(), valueHint: z.string().optional()});

const Package = z.looseObject({
  registryType: z.string(),
  identifier: z.string(),
  version: z.string().optional(),
  runtimeArguments: z.array(Argument).default([]),
  packageArguments: z.array(Argument).default([]),
  environmentVariables: z.array(Input).default([]),
  transport: z.looseObject({type: z.string()}).optional(),
});

const Remote = z.looseObject({type: z.string(), url: z.string(), headers: z.array(Input).default([])});

const RegistryServer = z.looseObject({
  name: z.string(),
  title: z.string().optional(),
  description: z.string().optional(),
  packages: z.array(Package).default([]),
  remotes: z.array(Remote).default([]),
});

const RUNNERS: Readonly<Record<string, (pkg: z.infer<typeof Package>) => {command: string; args: string[]}>> =
  {
    npm: ({identifier, version}) => ({
      command: 'npx',
      args: ['-y', version ? `${identifier}@${version}` : identifier],
    }),
    pypi: ({identifier, version}) => ({
      command: 'uvx',
      args: [version ? `${identifier}@${version}` : identifier],
    }),
    oci: ({identifier, version}) => ({
      command: 'docker',
      args: [
        'run',
        '-i',
        '--rm',
        version && !identifier.includes(':') ? `${identifier}:${version}` : identifier,
      ],
    }),
  };

export function registryServer(json: unknown, file: string): Imported {
  const parsed = RegistryServer.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refusal(file, `${file}: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const server = parsed.data;
  const endpoint = remoteOf(server.remotes) ?? packageOf(server.packages);
  if (endpoint === undefined)
    return refusal(
      server.name,
      `${file}: none of its packages runs by npm, PyPI or an OCI image over stdio, and it has no remote of type streamable-http or sse`,
    );
  if (typeof endpoint === 'string') return refusal(server.name, `${file}: ${endpoint}`);
  const definition = ServerDefinition.safeParse({
    // Names of the registry are addresses turned round: the last part is what people say.
    name: (server.name.split('/').at(-1) ?? server.name)
      .replaceAll(/[^A-Za-z0-9.-]+/g, '-')
      .replace(/^[.-]+/, ''),
    title: server.title ?? server.name,
    description: server.description,
    endpoint,
  });
  if (definition.success) return {servers: [definition.data], refused: []};
  return refusal(server.name, `${file}: ${z.prettifyError(definition.error)}`);
}

function remoteOf(remotes: readonly z.infer<typeof Remote>[]): ServerEndpoint | string | undefined {
  const remote = remotes.find(({type}) => type === 'streamable-http' || type === 'sse');
  if (!remote) return undefined;
  const headers = valuesOf(remote.headers);
  if (/\{[^}$]+\}/.test(remote.url.replaceAll(/\$\{[^}]*\}/g, '')))
    return `remotes.url: "${remote.url}" has placeholders: write what they stand for`;
  return {type: remote.type === 'sse' ? 'sse' : 'http', url: remote.url, headers};
}

function packageOf(packages: readonly z.infer<typeof Package>[]): ServerEndpoint | string | undefined {
  const found = packages.find(
    ({registryType, transport}) =>
      Object.hasOwn(RUNNERS, registryType) && (transport?.type ?? 'stdio') === 'stdio',
  );
  const runner = found && RUNNERS[found.registryType];
  if (!found || !runner) return undefined;
  const {command, args} = runner(found);
  const own = argumentsOf(found.packageArguments);
  const runtime = argumentsOf(found.runtimeArguments);
  if (typeof own === 'string') return own;
  if (typeof runtime === 'string') return runtime;
  return {
    type: 'stdio',
    command,
    args: [...args.slice(0, -1), ...runtime, ...args.slice(-1), ...own],
    env: valuesOf(found.environmentVariables),
  };
}

/** What nobody gave a value comes from the coordinator's environment, by its own name. */
function valuesOf(inputs: readonly z.infer<typeof Input>[]): Record<string, string> {
  return Object.fromEntries(
    inputs.flatMap(({name, value, default: fallback, isRequired}) => {
      if (name === undefined) return [];
      const variable = name.replaceAll(/[^A-Za-z0-9_]/g, '_').toUpperCase();
      if (value !== undefined) return [[name, value]];
      if (fallback !== undefined) return [[name, `\${${variable}:-${fallback}}`]];
      return isRequired ? [[name, `\${${variable}}`]] : [];
    }),
  );
}

function argumentsOf(args: readonly z.infer<typeof Argument>[]): string[] | string {
  const texts: string[] = [];
  for (const {type, name, value, default: fallback, isRequired, valueHint} of args) {
    const given = value ?? fallback;
    if (given === undefined && isRequired)
      return `its argument "${name ?? valueHint ?? ''}" needs a value: give it one, as "value" in the file`;
    if (type === 'named' && name !== undefined && (given !== undefined || isRequired)) texts.push(name);
    if (given !== undefined) texts.push(given);
  }
  return texts;
}

function refusal(server: string, reason: string): Imported {
  return {servers: [], refused: [{server, reason}]};
}
