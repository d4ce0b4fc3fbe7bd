/** Adds agents that stay: on this machine, on another by ssh, or wherever a person runs the join command. And sends the added ones away. */
import {homedir} from 'node:os';
import * as vscode from 'vscode';
import * as z from 'zod';
import {towards} from '../connection/towards.ts';
import type {Services} from '../services.ts';
import {setting} from '../settings.ts';
import {askText, given, pickOne, told, working, workingLong} from './asking.ts';

const AddedAgent = z.object({agent: z.string(), slots: z.number()});
const AddedMachine = z.object({
  machine: z.string(),
  slots: z.number(),
  version: z.string(),
  claude: z.object({verdict: z.string(), detail: z.string()}).nullish(),
  others: z.array(z.object({version: z.string()})).default([]),
});
const KeptAgents = z.object({agents: z.array(z.object({agent: z.string(), join: z.string().nullable()}))});
const KeptMachines = z.object({machines: z.array(z.object({machine: z.string()}))});

const TOKEN_SECONDS = 30 * 86_400;

export async function addAgent({link, program}: Services): Promise<void> {
  const {args, env} = towards(link);
  const claude = setting('claude.path');
  const flags = ['--slots', String(setting('agents.slots')), ...(claude === '' ? [] : ['--claude', claude])];
  const added = await workingLong(vscode.l10n.t('Adding an agent on this machine'), (signal, onLine) =>
    program.call(AddedAgent, ['agent', 'add', '--background', ...flags, ...args], {
      cwd: homedir(),
      env,
      signal,
      onLine,
    }),
  );
  told(vscode.l10n.t('Agent {0} is there: {1} slots', added.agent, added.slots));
}

export async function addMachine(services: Services, destination: unknown): Promise<void> {
  const title = vscode.l10n.t('Add Machine');
  if (typeof destination === 'string') return addBySsh(services, destination);
  const way = await pickOne<'ssh' | 'join'>(
    [
      {
        label: vscode.l10n.t('By ssh'),
        detail: vscode.l10n.t(
          'This MCPX is copied there and works through a tunnel. The machine needs Node and git.',
        ),
        value: 'ssh',
      },
      {
        label: vscode.l10n.t('With a join command'),
        detail: vscode.l10n.t(
          'For a machine that reaches this coordinator: a command to run there, with a token.',
        ),
        value: 'join',
      },
    ],
    {title, none: ''},
  );
  if (way === 'join') return showJoinCommand(services);
  const host = await askText({
    title,
    prompt: vscode.l10n.t('As ssh takes it: USER@HOST, or a name of your ssh configuration.'),
    validateInput: text => (/^\S+$/.test(text) && !text.startsWith('-') ? undefined : 'USER@HOST'),
  });
  return addBySsh(services, host);
}

async function addBySsh({link, program}: Services, destination: string): Promise<void> {
  const {args, env} = towards(link);
  const {machine, slots, version, claude, others} = await workingLong(
    vscode.l10n.t('Adding {0}', destination),
    (signal, onLine) =>
      program.call(AddedMachine, ['machine', 'add', destination, ...args], {
        cwd: homedir(),
        env,
        signal,
        onLine,
      }),
  );
  const skews = [...new Set(others.map(other => other.version))].filter(other => other !== version);
  const notes = [
    ...(claude && claude.verdict !== 'ok' ? [`Claude Code: ${claude.detail}`] : []),
    ...(skews.length === 0
      ? []
      : [vscode.l10n.t('MCPX {0} is there too; {1} is used.', skews.join(', '), version)]),
  ];
  const text = vscode.l10n.t('{0} works: {1} slots.', machine, slots);
  if (notes.length === 0) void vscode.window.showInformationMessage(text);
  else void vscode.window.showWarningMessage([text, ...notes].join(' '));
}

async function showJoinCommand({link}: Services): Promise<void> {
  const client = link.requireClient();
  const made = await working(vscode.l10n.t('Making a token'), () =>
    client.request('mcpx.token.create', {role: 'agent', ttlSeconds: TOKEN_SECONDS, label: 'from the editor'}),
  );
  const url = made.url ?? endpointUrl(link);
  const pin = made.caPin === undefined ? '' : ` --ca-pin ${made.caPin}`;
  const command = `MCPX_TOKEN=${made.token} mcpx agent --join ${url}${pin}`;
  const copy = vscode.l10n.t('Copy Command');
  const until = new Date(made.expiresAt).toISOString().slice(0, 10);
  given(
    await vscode.window.showInformationMessage(
      isLoopback(url)
        ? vscode.l10n.t(
            'This coordinator listens on this machine only ({0}). The command joins from here.',
            url,
          )
        : vscode.l10n.t(
            'Run the command on the other machine. Its token holds until {0} and is shown once.',
            until,
          ),
      copy,
    ),
  );
  await vscode.env.clipboard.writeText(command);
  told(vscode.l10n.t('The join command is on the clipboard'));
}

function endpointUrl({state}: Services['link']): string {
  return state.kind === 'connected' ? state.endpoint.url : '';
}

function isLoopback(url: string): boolean {
  return /^wss?:\/\/(127\.|localhost\b|\[::1\])/.test(url);
}

/** True when the agent was one that was added here, by hand or as a machine: it is not started again. */
export async function removeAdded({link, program}: Services, agentId: string): Promise<boolean> {
  const {agents} = await program.call(KeptAgents, ['agent', 'list']);
  // One of the same name may work for another coordinator: it is none of this window's.
  const isOurs = (join: string | null): boolean => (join === null) === (link.chosen.kind === 'local');
  if (agents.some(({agent, join}) => agent === agentId && isOurs(join))) {
    await program.call(z.looseObject({}), ['agent', 'remove', agentId]);
    return true;
  }
  const {machines} = await program.call(KeptMachines, ['machine', 'list']);
  if (!machines.some(({machine}) => machine === agentId)) return false;
  await program.call(z.looseObject({}), ['machine', 'remove', agentId]);
  return true;
}
