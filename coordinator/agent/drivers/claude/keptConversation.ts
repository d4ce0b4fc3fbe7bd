/**
 * A conversation that is kept, as options of the Agent SDK: its session store, the end of each batch of tool calls, and what to go on with.
 *
 * The SDK would give Claude Code a temporary configuration folder for a conversation from a store: without the user's own CLAUDE.md and skills, and
 * with a login that cannot be renewed. So the transcript is written where Claude Code itself would have it, under the project key that the SDK asks
 * with, and the store answers that it has none.
 */
import {mkdir, writeFile} from 'node:fs/promises';
import path from 'node:path';
import type {Options, SessionKey, SessionStore} from '@anthropic-ai/claude-agent-sdk';
import {MAIN_FILE, type TranscriptEntry} from '../../checkpoint/transcriptEntry.ts';
import type {ConversationKeeper} from '../../driver.ts';

type Resume = NonNullable<ConversationKeeper['resume']>;

/** Longer than a keeper may take. */
const HOOK_SECONDS = 60;
/** Kept beside a subagent's transcript instead of in it. */
const METADATA = 'agent_metadata';

export function keptConversation(
  keeper: ConversationKeeper,
  env: Readonly<Record<string, string>>,
): Pick<Options, 'sessionStore' | 'sessionStoreFlush' | 'hooks' | 'resume'> {
  const {resume} = keeper;
  return {
    sessionStore: sessionStore(keeper, env),
    // In batches nothing is told until the turn ends, and a death in mid-turn leaves nothing.
    sessionStoreFlush: 'eager',
    hooks: {
      PostToolBatch: [
        {
          timeout: HOOK_SECONDS,
          hooks: [
            async input => {
              if (input.hook_event_name === 'PostToolBatch')
                await keeper.batchEnded(input.tool_calls.map(call => call.tool_use_id));
              return {};
            },
          ],
        },
      ],
    },
    ...(resume ? {resume: resume.conversation} : {}),
  };
}

function sessionStore(keeper: ConversationKeeper, env: Readonly<Record<string, string>>): SessionStore {
  return {
    append: async ({subpath}, entries) => keeper.added(subpath ?? MAIN_FILE, entries),
    load: async key => {
      const {resume} = keeper;
      // The project key follows from the working directory, which is another one now.
      if (resume && key.subpath === undefined && key.sessionId === resume.conversation)
        await writeTranscript(resume, key, configurationFolder(env));
      return null;
    },
  };
}

async function writeTranscript(
  {lines}: Resume,
  {projectKey, sessionId}: SessionKey,
  configuration: string,
): Promise<void> {
  const project = path.join(configuration, 'projects', projectKey);
  const files = new Map<string, TranscriptEntry[]>();
  for (const {file, entry} of lines) {
    const known = files.get(file);
    if (known) known.push(entry);
    else files.set(file, [entry]);
  }
  for (const [file, entries] of files) {
    const target = path.join(project, file === MAIN_FILE ? sessionId : path.join(sessionId, file));
    await mkdir(path.dirname(target), {recursive: true, mode: 0o700});
    const told = entries.filter(({type}) => type !== METADATA);
    if (told.length > 0)
      await write(`${target}.jsonl`, told.map(entry => `${JSON.stringify(entry)}\n`).join(''));
    const metadata = entries.findLast(({type}) => type === METADATA);
    if (!metadata) continue;
    const {type: _type, ...content} = metadata;
    await write(`${target}.meta.json`, JSON.stringify(content));
  }
}

function write(file: string, text: string): Promise<void> {
  return writeFile(file, text, {mode: 0o600});
}

/** Where Claude Code has it, by the environment that it gets. */
function configurationFolder(env: Readonly<Record<string, string>>): string {
  return env['CLAUDE_CONFIG_DIR'] || path.join(env['HOME'] ?? env['USERPROFILE'] ?? '', '.claude');
}
