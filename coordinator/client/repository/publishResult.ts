/** Sends a fetched result to where other people see it: a push of its branch, and a pull request by `gh` or by a link. */
import {spawn} from 'node:child_process';
import {CoordinatorError, systemErrorCode} from '../../runtime/errors.ts';
import type {LocalRepository} from './localRepository.ts';
import {compareUrl, shownUrl} from './remoteUrl.ts';

export type PushedResult =
  | {readonly kind: 'pushed'; readonly remote: string; readonly url: string; readonly branch: string}
  | {readonly kind: 'noRemote'}
  /** The remote, a hook or the network refused; in git's words. */
  | {readonly kind: 'refused'; readonly remote: string; readonly message: string};

/** Pushes `branch` under its own name, with the person's hooks. `remote` is a name or URL; default: the one that the checked-out branch follows. */
export async function pushResult(
  repository: LocalRepository,
  branch: string,
  remote?: string,
  signal?: AbortSignal,
): Promise<PushedResult> {
  const target = remote ?? (await defaultRemote(repository, signal));
  if (target === undefined) return {kind: 'noRemote'};
  if (target.startsWith('-'))
    throw new CoordinatorError('config', `${JSON.stringify(target)} is not a remote`);
  const ref = `refs/heads/${branch}`;
  const pushed = await repository.act(['push', '--porcelain', '--no-follow-tags', target, `${ref}:${ref}`], {
    okCodes: [1, 128],
    signal,
  });
  if (pushed.code !== 0) {
    const message = `${pushed.stdout.toString('utf8')}\n${pushed.stderr}`.trim();
    return {kind: 'refused', remote: target, message};
  }
  return {kind: 'pushed', remote: target, url: shownUrl(await urlOf(repository, target, signal)), branch};
}

export interface PullRequest {
  readonly branch: string;
  readonly title: string;
  /** Markdown. */
  readonly body: string;
  /** Default: the remote's own default branch, else the checked-out one. */
  readonly base?: string | undefined;
  readonly remote?: string | undefined;
}

export type OpenedPullRequest =
  | {readonly kind: 'opened'; readonly url: string}
  /** To be opened by a person with one click; `reason` says why `gh` did not do it. */
  | {readonly kind: 'link'; readonly url: string; readonly reason: string}
  | {readonly kind: 'unavailable'; readonly reason: string};

export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}
/** Runs a program without a shell; undefined when there is none of that name. */
export type RunProgram = (
  program: string,
  args: readonly string[],
  options: {readonly cwd: string; readonly input: string; readonly signal?: AbortSignal | undefined},
) => Promise<ProgramResult | undefined>;

/** The branch must have been pushed. */
export async function pullRequest(
  repository: LocalRepository,
  request: PullRequest,
  run: RunProgram,
  signal?: AbortSignal,
): Promise<OpenedPullRequest> {
  const remote = request.remote ?? (await defaultRemote(repository, signal));
  if (remote === undefined) return {kind: 'unavailable', reason: 'the repository has no remote'};
  const {branch, title, body} = request;
  const base = request.base ?? (await defaultBase(repository, remote, signal));
  if (base === undefined) return {kind: 'unavailable', reason: 'no branch is known to merge into'};
  const args = ['pr', 'create', '--head', branch, '--base', base, '--title', title, '--body-file', '-'];
  const created = await run('gh', args, {cwd: repository.root, input: body, signal});
  const url = /https:\/\/\S+/.exec(created?.stdout ?? '')?.[0];
  if (created?.code === 0 && url !== undefined) return {kind: 'opened', url};
  const reason = created
    ? `gh: ${created.stderr.trim() || `exit code ${created.code}`}`
    : 'gh is not installed';
  const link = compareUrl({remote: await urlOf(repository, remote, signal), branch, base, title, body});
  return link === undefined ? {kind: 'unavailable', reason} : {kind: 'link', url: link, reason};
}

/** For `pullRequest`: programs with the person's environment. */
export function programRunner(env: Readonly<Record<string, string | undefined>>): RunProgram {
  return (program, args, options) =>
    new Promise((resolve, reject) => {
      const child = spawn(program, [...args], {
        cwd: options.cwd,
        env,
        signal: options.signal,
        windowsHide: true,
      });
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        stdout = (stdout + chunk).slice(-64_000);
      });
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        stderr = (stderr + chunk).slice(-4000);
      });
      child.stdin.on('error', () => undefined);
      child.stdin.end(options.input);
      child.on('error', error => {
        if (systemErrorCode(error) === 'ENOENT') resolve(undefined);
        else reject(error);
      });
      child.on('close', code => resolve({code: code ?? 128, stdout, stderr}));
    });
}

async function defaultRemote(repository: LocalRepository, signal?: AbortSignal): Promise<string | undefined> {
  const names = (await repository.readText(['remote'], {signal})).split('\n').filter(name => name !== '');
  const branch = await currentBranch(repository, signal);
  const followed =
    branch === undefined
      ? undefined
      : await configured(repository, `branch.${branch}.pushRemote`, signal).then(
          own => own ?? configured(repository, `branch.${branch}.remote`, signal),
        );
  return names.find(name => name === followed) ?? names.find(name => name === 'origin') ?? names[0];
}

async function defaultBase(
  repository: LocalRepository,
  remote: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const ref = `refs/remotes/${remote}/HEAD`;
  const found = await repository.read(['symbolic-ref', '--quiet', ref], {okCodes: [1, 128], signal});
  const prefix = `refs/remotes/${remote}/`;
  const target = found.stdout.toString('utf8').trim();
  return target.startsWith(prefix) ? target.slice(prefix.length) : currentBranch(repository, signal);
}

async function currentBranch(repository: LocalRepository, signal?: AbortSignal): Promise<string | undefined> {
  const {stdout} = await repository.read(['symbolic-ref', '--quiet', '--short', 'HEAD'], {
    okCodes: [1],
    signal,
  });
  return stdout.toString('utf8').trim() || undefined;
}

async function configured(
  repository: LocalRepository,
  key: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const {stdout} = await repository.read(['config', '--get', key], {okCodes: [1], signal});
  return stdout.toString('utf8').trim() || undefined;
}

/** The URL of a remote's name; a URL is its own. */
async function urlOf(repository: LocalRepository, remote: string, signal?: AbortSignal): Promise<string> {
  const found = await repository.read(['remote', 'get-url', '--', remote], {okCodes: [2, 128], signal});
  return found.code === 0 ? found.stdout.toString('utf8').trim() : remote;
}
