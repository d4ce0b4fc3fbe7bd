/** URIs in what servers answered: rewritten to what the hub calls them, and remembered where no list has them. */
import type {LegResult} from './leg.ts';

const MAX_LINKS = 1000;

/** Which server gave a client which URI, the newest of them. */
export class ResourceLinks {
  private readonly clients = new Map<string, Map<string, string>>();

  note(clientKey: string, uri: string, server: string): void {
    const links = this.clients.get(clientKey) ?? new Map<string, string>();
    this.clients.set(clientKey, links);
    links.delete(uri);
    links.set(uri, server);
    const oldest = links.keys().next().value;
    if (links.size > MAX_LINKS && oldest !== undefined) links.delete(oldest);
  }

  serverOf(clientKey: string, uri: string): string | undefined {
    return this.clients.get(clientKey)?.get(uri);
  }

  release(clientKey: string): void {
    this.clients.delete(clientKey);
  }
}

/** A result with the URIs of its resources and links replaced; the same result where none changes. */
export function rewriteUris(result: LegResult, rewrite: (uri: string) => string): LegResult {
  let changed = false;
  const block = (value: unknown): unknown => {
    if (!isObject(value)) return value;
    if (isObject(value['resource'])) {
      const resource = block(value['resource']);
      return resource === value['resource'] ? value : {...value, resource};
    }
    const {uri} = value;
    if (typeof uri !== 'string') return value;
    const shown = rewrite(uri);
    if (shown === uri) return value;
    changed = true;
    return {...value, uri: shown};
  };
  const list = (value: unknown): unknown => (Array.isArray(value) ? value.map(block) : value);
  const {content, contents, messages} = result;
  const rewritten = {
    ...result,
    ...(content !== undefined && {content: list(content)}),
    ...(contents !== undefined && {contents: list(contents)}),
    ...(Array.isArray(messages) && {
      messages: messages.map(message => {
        if (!isObject(message)) return message;
        const inner = block(message['content']);
        return inner === message['content'] ? message : {...message, content: inner};
      }),
    }),
  };
  return changed ? rewritten : result;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
