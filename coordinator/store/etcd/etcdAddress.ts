/** Where an etcd is and how it is entered, as `--store` says it: `etcd://` or `etcds://` (TLS), then hosts, then a prefix of our own. */
import {CoordinatorError} from '../../runtime/errors.ts';

export interface EtcdAddress {
  /** `host:port` of the members that are asked. */
  readonly endpoints: readonly string[];
  readonly tls: boolean;
  /** Everything of ours is in keys that start with it and a slash. */
  readonly prefix: string;
  readonly user?: {readonly name: string; readonly password: string} | undefined;
}

const SCHEME = /^(etcds?):\/\//;
const DEFAULT_PORT = 2379;
const DEFAULT_PREFIX = 'mcpx';
const FORM = 'etcd://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...][/PREFIX], or etcds:// for TLS';

export function isEtcdAddress(text: string): boolean {
  return SCHEME.test(text);
}

/** `environment` gives a user that the address does not name. Throws `config`; what it says never holds the password. */
export function parseEtcdAddress(
  text: string,
  environment: {readonly name?: string | undefined; readonly password?: string | undefined} = {},
): EtcdAddress {
  const scheme = SCHEME.exec(text);
  if (!scheme) throw invalid('it does not begin with etcd:// or etcds://');
  const rest = text.slice(scheme[0].length);
  const slash = rest.indexOf('/');
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const prefix = slash < 0 ? '' : rest.slice(slash + 1).replace(/\/+$/, '');
  // A password may hold an @ that nobody encoded; a host cannot.
  const at = authority.lastIndexOf('@');
  const endpoints = authority
    .slice(at + 1)
    .split(',')
    .map(endpointOf);
  if (!/^[\w.:-]+(?:\/[\w.:-]+)*$/.test(prefix || DEFAULT_PREFIX))
    throw invalid('its prefix is of letters, digits and "-_.:", with single slashes between');
  return {
    endpoints: [...new Set(endpoints)],
    tls: scheme[1] === 'etcds',
    prefix: prefix || DEFAULT_PREFIX,
    user: at < 0 ? environmentUser(environment) : userOf(authority.slice(0, at)),
  };
}

function endpointOf(text: string): string {
  const match = /^(\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/.exec(text);
  if (!match) throw invalid(`"${text}" is no HOST:PORT`);
  const port = Number(match[2] ?? DEFAULT_PORT);
  if (port < 1 || port > 65_535) throw invalid(`${port} is no port`);
  return `${match[1]}:${port}`;
}

function userOf(text: string): EtcdAddress['user'] {
  const colon = text.indexOf(':');
  if (colon < 1) throw invalid('before the @ it wants USER:PASSWORD');
  return {name: decoded(text.slice(0, colon)), password: decoded(text.slice(colon + 1))};
}

function environmentUser({name, password}: {name?: string | undefined; password?: string | undefined}) {
  if (!name && !password) return undefined;
  if (!name || !password) throw invalid('a user and a password come together');
  return {name, password};
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('its user or password is not percent-encoded');
  }
}

function invalid(why: string): CoordinatorError {
  return new CoordinatorError('config', `the address of the etcd cannot be used: ${why}`, {
    hint: `Write it as ${FORM}.`,
  });
}
