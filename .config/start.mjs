// npm start: installs, builds, makes a small git repository from the example and runs its plan over three agents on this machine.
//   npm start              a rehearsal: real Claude Code against a script; no model is called, nothing is spent
//   npm start -- --real    with a model, after it has shown the cap and you have agreed
import {cpSync, mkdtempSync, readFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {createInterface} from 'node:readline/promises';
import {install, requireTools, root, run, stop} from './install.mjs';

const EXAMPLE = 'greeter';
const PLAN = 'team.mcpx.yaml';

requireTools();
const args = process.argv.slice(2);
const real = args.includes('--real');
const passed = args.filter(arg => arg !== '--real' && arg !== '--yes');

install();
console.log('Building ...');
if (run(process.execPath, ['.config/build.mjs']) !== 0) stop('The build failed.');

const repository = mkdtempSync(path.join(tmpdir(), `mcpx-${EXAMPLE}-`));
cpSync(path.join(root, 'examples', EXAMPLE), repository, {recursive: true});
const git = (...gitArgs) => {
  const identity = ['-c', 'user.name=MCPX example', '-c', 'user.email=example@localhost'];
  if (run('git', ['-C', repository, ...identity, ...gitArgs], {stdio: ['ignore', 'ignore', 'inherit']}) !== 0)
    stop(`git ${gitArgs[0]} failed in ${repository}.`);
};
git('init', '--quiet', '--initial-branch=main');
git('add', '--all');
git('commit', '--quiet', '--message', 'The example as it is shipped');
console.log(`The example's repository: ${repository}`);

if (real && !args.includes('--yes')) await agree();
const status = run(
  process.execPath,
  [
    path.join(root, 'dist/mcpx.mjs'),
    'run',
    PLAN,
    '--agents',
    '3',
    ...(real ? [] : ['--rehearse']),
    ...passed,
  ],
  {cwd: repository},
);
if (status === 0) {
  console.log(
    `\nLook at the result:\n  git -C ${repository} log --graph --oneline --all\n  git -C ${repository} diff main...$(git -C ${repository} branch --list 'mcpx/*' --format='%(refname:short)' | head -1)`,
  );
}
process.exit(status);

async function agree() {
  const cap = /^budgetUsd:\s*([\d.]+)/m.exec(readFileSync(path.join(repository, PLAN), 'utf8'))?.[1];
  if (!cap) stop(`${PLAN} has no budgetUsd: it will not be run with a model.`);
  if (!process.stdin.isTTY) stop(`This would spend up to $${cap}. Run it on a terminal, or say --yes.`);
  const terminal = createInterface({input: process.stdin, output: process.stdout});
  const answer = await terminal.question(
    `This calls a model on your account and spends at most $${cap}. Go on? [y/N] `,
  );
  terminal.close();
  if (!/^y(es)?$/i.test(answer.trim())) stop('Nothing was run.');
}
