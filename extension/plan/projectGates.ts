/** What a folder can check by itself, told from the files that are in it: commands for the gates and the setup of its plan. Pure. */
import * as z from 'zod';

/** Files that are looked at; undefined when the folder does not have one. */
export interface ProjectFiles {
  readonly packageJson?: string | undefined;
  readonly makefile?: string | undefined;
  readonly pyproject?: string | undefined;
  readonly goMod?: string | undefined;
  readonly cargoToml?: string | undefined;
  /** Names of everything in the folder. */
  readonly names: ReadonlySet<string>;
}

export interface ProjectGates {
  readonly gates: readonly {readonly name: string; readonly command: string}[];
  /** What a fresh worktree needs first. */
  readonly setup: readonly string[];
  /** Rules for Claude Code, so that it may check its own work. */
  readonly allow: readonly string[];
}

const Package = z.object({
  scripts: z.record(z.string(), z.string()).default({}),
  dependencies: z.record(z.string(), z.unknown()).default({}),
  devDependencies: z.record(z.string(), z.unknown()).default({}),
});

/** Scripts that check something and end. */
const CHECKS = ['test', 'check', 'lint', 'typecheck', 'build'];
/** What `npm init` writes. */
const NO_TEST = /no test specified/;

export function projectGates(files: ProjectFiles): ProjectGates {
  const all = [nodeGates(files), pythonGates(files), goGates(files), cargoGates(files)].filter(
    found => found !== undefined,
  );
  const found = all.length > 0 ? all : [makeGates(files)].filter(make => make !== undefined);
  return {
    gates: found.flatMap(({gates}) => gates),
    setup: found.flatMap(({setup}) => setup),
    allow: found.flatMap(({allow}) => allow),
  };
}

function nodeGates({packageJson, names}: ProjectFiles): ProjectGates | undefined {
  const parsed = Package.safeParse(parseJson(packageJson));
  if (!parsed.success) return undefined;
  const {scripts, dependencies, devDependencies} = parsed.data;
  const [manager, install] = names.has('pnpm-lock.yaml')
    ? ['pnpm', 'pnpm install --frozen-lockfile']
    : names.has('yarn.lock')
      ? ['yarn', 'yarn install --frozen-lockfile']
      : ['npm', names.has('package-lock.json') ? 'npm ci' : 'npm install'];
  const checks = CHECKS.filter(name => scripts[name] !== undefined && !NO_TEST.test(scripts[name]));
  const commands = checks.map(name => ({
    name,
    command: name === 'test' ? `${manager} test` : `${manager} run ${name}`,
  }));
  const needsPackages = Object.keys({...dependencies, ...devDependencies}).length > 0;
  return {gates: commands, setup: needsPackages ? [install] : [], allow: rulesOf(commands)};
}

function pythonGates({pyproject}: ProjectFiles): ProjectGates | undefined {
  if (pyproject === undefined) return undefined;
  const gates = [
    ...(/\bpytest\b/.test(pyproject) ? [{name: 'tests', command: 'python -m pytest'}] : []),
    ...(/\[tool\.ruff|\bruff\b/.test(pyproject) ? [{name: 'lint', command: 'ruff check .'}] : []),
    ...(/\[tool\.mypy|\bmypy\b/.test(pyproject) ? [{name: 'types', command: 'mypy .'}] : []),
  ];
  return {gates, setup: [], allow: rulesOf(gates)};
}

function goGates({goMod}: ProjectFiles): ProjectGates | undefined {
  if (goMod === undefined) return undefined;
  const gates = [
    {name: 'vet', command: 'go vet ./...'},
    {name: 'tests', command: 'go test ./...'},
  ];
  return {gates, setup: [], allow: ['Bash(go vet:*)', 'Bash(go test:*)']};
}

function cargoGates({cargoToml}: ProjectFiles): ProjectGates | undefined {
  if (cargoToml === undefined) return undefined;
  return {
    gates: [{name: 'tests', command: 'cargo test'}],
    setup: [],
    allow: ['Bash(cargo test:*)', 'Bash(cargo check:*)'],
  };
}

/** A makefile beside another build usually calls it. */
function makeGates({makefile}: ProjectFiles): ProjectGates | undefined {
  if (makefile === undefined) return undefined;
  const targets = new Set(
    [...makefile.matchAll(/^([A-Za-z][\w-]*)\s*:(?!=)/gm)].map(([, name]) => name ?? ''),
  );
  const gates = CHECKS.filter(name => targets.has(name)).map(name => ({name, command: `make ${name}`}));
  return {gates, setup: [], allow: rulesOf(gates)};
}

function rulesOf(gates: ProjectGates['gates']): string[] {
  return gates.map(({command}) => `Bash(${command}:*)`);
}

function parseJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
