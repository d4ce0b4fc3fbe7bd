/**
 * The subagents that Claude Code has on this machine (`.claude/agents/*.md`) as specialisations of the agent: tasks that require one find it.
 * Each file is Markdown below a head of YAML: name, description, tools, model.
 */
import {readdir, readFile} from 'node:fs/promises';
import path from 'node:path';
import {parse} from 'yaml';
import * as z from 'zod';
import type {Logger} from '../../observability/logger.ts';
import {type AgentCapability, KNOWN_DOMAINS} from '../../protocol/capability.ts';
import {describeError, systemErrorCode} from '../../runtime/errors.ts';

const Names = z
  .union([z.string().transform(text => text.split(',').map(name => name.trim())), z.array(z.string())])
  .transform(names => names.filter(name => name !== ''));

export const Subagent = z.object({
  name: z.string().min(1).max(64),
  description: z.string().default(''),
  /** Absent: all that the conversation has. */
  tools: Names.optional(),
  model: z.string().optional(),
});
export type Subagent = z.infer<typeof Subagent>;

const MAX_FILES = 64;
const MAX_BYTES = 256 * 1024;
const HEAD = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/;

/** Undefined for a file that is no subagent's; the name is the file's own where the head has none. */
export function parseSubagent(text: string, fileName: string): Subagent | undefined {
  const head = HEAD.exec(text)?.[1];
  if (head === undefined) return undefined;
  let fields: unknown;
  try {
    fields = parse(head);
  } catch {
    return undefined;
  }
  const known = z.record(z.string(), z.unknown()).safeParse(fields);
  if (!known.success) return undefined;
  const parsed = Subagent.safeParse({name: path.parse(fileName).name, ...known.data});
  return parsed.success ? parsed.data : undefined;
}

/** Of these folders, each of which may be absent; of two with one name the first counts. */
export async function readSubagents(folders: readonly string[], logger: Logger): Promise<Subagent[]> {
  const byName = new Map<string, Subagent>();
  for (const folder of folders) {
    for (const file of await markdownIn(folder, logger)) {
      const text = await readFile(path.join(folder, file), 'utf8').catch((error: unknown) => {
        logger.debug('a subagent cannot be read', {file, error: describeError(error)});
        return '';
      });
      const subagent = text.length > MAX_BYTES ? undefined : parseSubagent(text, file);
      if (!subagent)
        logger.warn('a file among the subagents is none, and is left out', {file: path.join(folder, file)});
      else if (!byName.has(subagent.name)) byName.set(subagent.name, subagent);
    }
  }
  return [...byName.values()].slice(0, MAX_FILES);
}

/** What the agent declares, and its subagents as specialisations in their domains. */
export function withSubagents(
  declared: readonly AgentCapability[],
  subagents: readonly Subagent[],
): AgentCapability[] {
  const byDomain = new Map(declared.map(capability => [capability.domain, capability]));
  for (const subagent of subagents) {
    const domain = domainOf(subagent);
    const before = byDomain.get(domain) ?? {
      domain,
      specialization: [],
      proficiencyLevel: 'intermediate' as const,
      resourceRequirements: [],
    };
    const specialization = [...new Set([...before.specialization, subagent.name])].slice(0, 64);
    byDomain.set(domain, {...before, specialization});
  }
  return [...byDomain.values()];
}

/** The known domain that its name, or else its description, speaks of. */
function domainOf({name, description}: Subagent): string {
  for (const text of [name, description]) {
    const words = new Set(text.toLowerCase().split(/[^a-z]+/));
    const domain = KNOWN_DOMAINS.find(known => words.has(known));
    if (domain !== undefined) return domain;
  }
  return 'development';
}

async function markdownIn(folder: string, logger: Logger): Promise<string[]> {
  try {
    return (await readdir(folder)).filter(name => name.endsWith('.md')).sort();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR')
      logger.warn('a folder of subagents cannot be read', {folder, error: describeError(error)});
    return [];
  }
}
