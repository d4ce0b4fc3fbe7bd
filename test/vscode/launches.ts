/** The windows that are opened, each with its folder of tests, its workspace and its settings. */

export interface Launch {
  /** Folder of the tests below suite/. */
  readonly suite: string;
  readonly title: string;
  /** What the workspace is made of: nothing, or an example as a git repository. */
  readonly workspace: 'empty' | {readonly example: string};
  readonly settings?: Readonly<Record<string, unknown>>;
  /** The folder is none that the person trusts. */
  readonly isUntrusted?: boolean;
  /** Text of a plan that runs in the background when the window opens. */
  readonly running?: string;
  /** Coordinator, host and agents of that plan were killed before. */
  readonly wasKilled?: boolean;
  /** It shows that a failure is noticed. */
  readonly mustFail?: boolean;
}

/** Whoever looks at the messages of a command wants no others. */
const UNDISTURBED: Readonly<Record<string, unknown>> = {
  'mcpx.notifications.approvals': false,
  'mcpx.notifications.sessions': false,
  'mcpx.notifications.agents': false,
  'mcpx.notifications.overlaps': false,
};

export const LAUNCHES: readonly Launch[] = [
  {suite: 'activation', title: 'a window without a plan', workspace: 'empty'},
  {suite: 'editor', title: 'a repository with a plan', workspace: {example: 'greeter'}},
  {suite: 'commands', title: 'a team that is steered', workspace: 'empty', settings: UNDISTURBED},
  {suite: 'goals', title: 'a goal and a selected text', workspace: 'empty', settings: UNDISTURBED},
  {
    suite: 'documents',
    title: 'shared memory and results',
    workspace: 'empty',
    settings: {...UNDISTURBED, 'git.enabled': true},
  },
  {suite: 'views', title: 'trees of a fleet at work', workspace: 'empty'},
  {
    suite: 'returning',
    title: 'a window that opens while a session runs',
    workspace: 'empty',
    running: 'name: long\nagents: 1\nworkspace: none\ntasks:\n  - { id: wait, run: sleep 600 }\n',
  },
  {
    suite: 'interrupted',
    title: 'a window that opens after a session was interrupted',
    workspace: 'empty',
    running: 'name: long\nagents: 1\nworkspace: none\ntasks:\n  - { id: wait, run: sleep 5 }\n',
    wasKilled: true,
  },
  {
    suite: 'careful',
    title: 'a folder that is not trusted, and nothing that starts by itself',
    workspace: {example: 'greeter'},
    isUntrusted: true,
    settings: {
      'mcpx.coordinator.autoStart': false,
      'security.workspace.trust.enabled': true,
      'security.workspace.trust.startupPrompt': 'never',
      'security.workspace.trust.banner': 'never',
    },
  },
  {
    suite: 'hands',
    title: 'links, drags, browsers and machines',
    workspace: 'empty',
    settings: {...UNDISTURBED, 'extensions.confirmedUriHandlerExtensionIds': ['mcpx.mcpx']},
  },
  {
    suite: 'servers',
    title: 'MCP servers, and the hub in the chat of the editor',
    workspace: 'empty',
    // The chat, and with it what the editor knows of MCP, is hidden elsewhere.
    settings: {...UNDISTURBED, 'chat.disableAIFeatures': false},
  },
  {suite: 'panels', title: 'the web pages in panels', workspace: 'empty'},
  {suite: 'dying', title: 'an extension host that dies', workspace: 'empty', mustFail: true},
];

/** Nothing that starts by itself, asks, comes from the network, or covers what is to be clicked. */
export const QUIET_SETTINGS: Readonly<Record<string, unknown>> = {
  'chat.agentHost.enabled': false,
  'chat.commandCenter.enabled': false,
  'chat.disableAIFeatures': true,
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'files.simpleDialog.enable': true,
  'git.enabled': false,
  'git.openRepositoryInParentFolders': 'never',
  'json.schemaDownload.enable': false,
  'remote.autoForwardPorts': false,
  'security.workspace.trust.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'typescript.disableAutomaticTypeAcquisition': true,
  'update.mode': 'none',
  'workbench.enableExperiments': false,
  'workbench.hover.delay': 60_000,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.welcomePage.walkthroughs.openOnInstall': false,
};
