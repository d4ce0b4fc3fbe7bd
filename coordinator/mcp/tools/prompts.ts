/** Prompts of the hub: how to have the fleet do a job, with the fleet as it is when one is asked for. */
import type {GetPromptResult, Prompt} from '@modelcontextprotocol/server';
import {ProtocolError} from '../../protocol/errors.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {Actor} from './actor.ts';
import {agentInfos, agentLine} from './fleetTools.ts';

type Arguments = Readonly<Record<string, string>>;

interface HubPrompt {
  readonly prompt: Prompt;
  text(given: Arguments, fleet: string): string;
}

/** How a lead works, also for whoever is started as one. */
export const LEADING = `You lead a fleet of agents through the tools of the MCP server "mcpx". Each agent runs Claude Code or commands on some machine, in a git worktree of its own.

- agents_list says who is there. You need not choose: a task goes to an agent that fits. Name one ("agentId") only where it matters.
- task_delegate gives one task away; session_start starts several at once, with what depends on what. Both return handles at once.
- task_wait and session_wait wait, up to a time limit: "done": false means that it goes on; call again. task_result tells what a task left.
- An agent knows nothing but its prompt, its worktree and shared memory: say in the prompt everything that it needs, and what its result has to be. It begins with the merged results of the tasks that it depends on.
- Results are commits that are merged at the end of the session, not changes in your checkout. Tasks that change the same files conflict: cut the work so that they do not, or let one depend on the other.
- memory_put, memory_get and memory_watch share facts and decisions; mailbox_send and mailbox_receive pass messages ("lead" is your mailbox); person_ask asks the person in charge.
- Every call takes a "key" of your own where it begins something: repeated after a lost connection it has happened once.`;

const PLAN_FILE = `A plan file (session_start, "plan") is YAML:

name: what it is called
workspace: none            # or: {setup: ["npm ci"]} together with the tool's "workspace"
budgetUsd: 5               # the session stops spending there
defaults: {permissions: {mode: acceptEdits, allow: ["Bash(npm test:*)"]}}
tasks:
  - id: api
    prompt: Write src/api.ts ...
    gates: [{command: npm test}]
  - id: docs
    prompt: Describe src/api.ts in docs/api.md
    dependsOn: api         # begins with the result of api
  - id: check
    run: npm run check     # a shell command instead of a prompt
    dependsOn: [api, docs]`;

const PROMPTS: readonly HubPrompt[] = [
  {
    prompt: {
      name: 'plan_job',
      title: 'Plan a job for the fleet',
      description: 'Divides a job into tasks for the agents that are there, and has them done.',
      arguments: [
        {name: 'goal', description: 'What is to be achieved.', required: true},
        {name: 'sessionId', description: 'An open session that works on the repository.'},
      ],
    },
    text: ({goal = '', sessionId}, fleet) =>
      `${LEADING}\n\n${PLAN_FILE}\n\nThe fleet now:\n${fleet}\n\n${
        sessionId ? `Add the tasks to session ${sessionId}, which is open and has the repository.\n\n` : ''
      }The job: ${goal}\n\nThink about how it divides into tasks that do not get in each other's way, show the plan in a few lines, start it, follow it to its end, and say what came of it.`,
  },
  {
    prompt: {
      name: 'review_session',
      title: 'Review a session',
      description: 'Looks at what the tasks of a session left, and has what is wrong put right.',
      arguments: [{name: 'sessionId', required: true}],
    },
    text: ({sessionId = ''}, fleet) =>
      `${LEADING}\n\nThe fleet now:\n${fleet}\n\nReview session ${sessionId}: read session_get and task_result of each of its tasks. Look for what fails, is missing, or contradicts something else. Where work is needed, retry the task with a note (task_retry) or delegate a new one on the result ("workspace": {"sessionId": "${sessionId}", "at": "result"}). Then say how things are and what is left.`,
  },
  {
    prompt: {
      name: 'unblock_fleet',
      title: 'Find what holds the fleet up',
      description: 'Looks for tasks that wait or fail and agents that do not work, and says what to do.',
    },
    text: (_given, fleet) =>
      `${LEADING}\n\nThe fleet now:\n${fleet}\n\nLook at the unfinished sessions (sessions_list, session_get). For each task that waits or has failed find out why (task_explain, task_result). Say what holds the fleet up, what you would do about it, and what only a person can decide. Change nothing before you are told to.`,
  },
];

export const HUB_PROMPTS: readonly Prompt[] = PROMPTS.map(({prompt}) => prompt);

/** Undefined for a prompt that it does not have. Throws `invalidParams` where an argument is missing. */
export async function hubPrompt(
  {name, arguments: given = {}}: {readonly name: string; readonly arguments?: Arguments | undefined},
  actor: Actor,
  clock: Clock,
): Promise<GetPromptResult | undefined> {
  const found = PROMPTS.find(({prompt}) => prompt.name === name);
  if (!found) return undefined;
  for (const {name: argument, required} of found.prompt.arguments ?? [])
    if (required && !given[argument]?.trim())
      throw new ProtocolError('invalidParams', `${argument}: the prompt ${name} needs it`);
  const agents = await agentInfos({actor, clock});
  const fleet = agents.filter(({status}) => status !== 'offline').map(agentLine);
  const text = found.text(given, fleet.length > 0 ? fleet.join('\n') : 'No agent is there.');
  return {
    description: found.prompt.description,
    messages: [{role: 'user', content: {type: 'text', text}}],
  };
}
