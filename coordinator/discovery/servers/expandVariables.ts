/** `${VAR}` and `${VAR:-default}` in what configures a server, as Claude Code has them, and `${env:VAR}` of VS Code. Pure. */
import type {ServerEndpoint} from '../../protocol/model/server.ts';
import type {ServerOAuth} from '../../protocol/model/serverOAuth.ts';
import {CoordinatorError} from '../../runtime/errors.ts';

export type Variables = Readonly<Record<string, string | undefined>>;

const REFERENCE = /\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

/** Throws `config`, which names the variable and where it is used. */
export function expandText(text: string, where: string, variables: Variables): string {
  return text.replaceAll(REFERENCE, (_, name: string, fallback: string | undefined) => {
    const value = variables[name] ?? fallback;
    if (value !== undefined) return value;
    throw new CoordinatorError('config', `${where}: the environment variable ${name} is not set`, {
      hint: `Set ${name} where the coordinator is started, or write \${${name}:-default}.`,
    });
  });
}

export function expandEndpoint<E extends ServerEndpoint>(endpoint: E, variables: Variables): E {
  const text = (value: string, where: string): string => expandText(value, where, variables);
  const values = (record: Readonly<Record<string, string>>, where: string): Record<string, string> =>
    Object.fromEntries(Object.entries(record).map(([key, value]) => [key, text(value, `${where}.${key}`)]));
  if (endpoint.type === 'stdio')
    return {
      ...endpoint,
      command: text(endpoint.command, 'command'),
      args: endpoint.args.map((arg, at) => text(arg, `args[${at}]`)),
      env: values(endpoint.env, 'env'),
      ...(endpoint.cwd !== undefined && {cwd: text(endpoint.cwd, 'cwd')}),
    };
  const {oauth} = endpoint;
  return {
    ...endpoint,
    url: text(endpoint.url, 'url'),
    headers: values(endpoint.headers, 'headers'),
    ...(oauth && {oauth: {...values(textsOf(oauth), 'oauth'), ...choicesOf(oauth)}}),
  };
}

function textsOf({grant: _, clientAuthentication: __, ...texts}: ServerOAuth): Record<string, string> {
  return texts as Record<string, string>;
}

function choicesOf({
  grant,
  clientAuthentication,
}: ServerOAuth): Pick<ServerOAuth, 'grant' | 'clientAuthentication'> {
  return {...(grant && {grant}), ...(clientAuthentication && {clientAuthentication})};
}

/** The names of all variables that something refers to. */
export function variablesIn(endpoint: ServerEndpoint): Set<string> {
  const names = new Set<string>();
  for (const [, name] of JSON.stringify(endpoint).matchAll(REFERENCE)) if (name) names.add(name);
  return names;
}
