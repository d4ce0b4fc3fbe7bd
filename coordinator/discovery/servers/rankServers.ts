/** Requirements -> servers that meet them, the best first. Pure. */
import type {MCPCapability, MCPRequirements, MCPServerInfo} from '../../protocol/commands/server.ts';
import {compilePattern} from '../../protocol/keyPattern.ts';

/** Of those that meet the requirements, by how much of what they offer is about it, then by how much that is, then by name. */
export function rankServers(
  servers: readonly MCPServerInfo[],
  requirements: MCPRequirements,
): MCPServerInfo[] {
  const words = wordsOf(requirements.about ?? '');
  return servers
    .filter(server => meets(server, requirements))
    .map(server => ({server, score: scoreOf(server, words)}))
    .sort((a, b) => b.score - a.score || (a.server.name < b.server.name ? -1 : 1))
    .map(({server}) => server);
}

export function meets({state, capabilities}: MCPServerInfo, requirements: MCPRequirements): boolean {
  if (state !== 'ready' && !requirements.unavailable) return false;
  const {tools, resources, prompts, readOnly} = requirements;
  const has = (kinds: readonly MCPCapability['kind'][], patterns: readonly string[] = []): boolean =>
    patterns.every(pattern => {
      const {matches} = compilePattern(pattern);
      return capabilities.some(
        ({kind, name, readOnly: only}) =>
          kinds.includes(kind) && matches(name) && !(readOnly && kind === 'tool' && only !== true),
      );
    });
  return (
    has(['tool'], tools) &&
    has(['resource', 'resourceTemplate'], resources) &&
    has(['prompt'], prompts) &&
    !(readOnly && !tools && !capabilities.some(({kind, readOnly: only}) => kind === 'tool' && only))
  );
}

/** The share of the words that are found, and a little for each place where they are. */
function scoreOf({name, definition, capabilities, state}: MCPServerInfo, words: ReadonlySet<string>): number {
  const alive = state === 'ready' ? 1 : 0;
  if (words.size === 0) return alive;
  const texts = [
    `${name} ${definition.title ?? ''} ${definition.description ?? ''}`,
    ...capabilities.map(({name: offered, description}) => `${offered} ${description ?? ''}`),
  ].map(wordsOf);
  let found = 0;
  let places = 0;
  for (const word of words) {
    const hits = texts.filter(text => text.has(word)).length;
    if (hits > 0) found++;
    places += hits;
  }
  return alive + (10 * found) / words.size + places / (places + 10);
}

function wordsOf(text: string): Set<string> {
  const split = text
    // camelCase and snake_case are words too.
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u);
  return new Set(split.filter(word => word.length > 1));
}
