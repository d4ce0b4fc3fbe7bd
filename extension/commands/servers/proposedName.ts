/** A name for a server that a person describes. Pure. */
import type {ServerEndpoint} from '../../../coordinator/protocol/model/server.ts';

/** What an address or a package is called, as far as a name may be. */
export function proposedName(endpoint: ServerEndpoint): string {
  const source =
    endpoint.type === 'stdio'
      ? ([...endpoint.args].reverse().find(arg => /^[@\w./][\w@./-]*$/.test(arg)) ?? endpoint.command)
      : (/^\w+:\/\/(?:[^/@]*@)?([^/:]+)/.exec(endpoint.url)?.[1] ?? '');
  const last = source.split('/').at(-1) ?? '';
  const name = last
    .replace(/@[^@]*$/, '')
    .replace(/\.\w+$/, '')
    .replace(/^(?:mcp-)?server-|-mcp(?:-server)?$/g, '')
    .replace(/[^A-Za-z0-9.-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64);
  return name;
}
