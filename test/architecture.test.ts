/** The import arrows of the architecture and the house style, read from the sources. Every violation is named with file and line. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {codeOnly, importsOf, lineOf} from './sourceText.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Part -> the parts that it may import, beside itself. A part is a folder of coordinator/, a file beside them, or a top-level folder. */
const ARROWS: Readonly<Record<string, readonly string[] | 'all'>> = {
  runtime: [],
  protocol: ['runtime'],
  raft: ['runtime'],
  balancing: ['protocol', 'runtime'],
  observability: ['runtime'],
  store: ['raft', 'protocol', 'observability', 'runtime'],
  artifacts: ['protocol', 'observability', 'runtime'],
  bridge: ['protocol', 'observability', 'runtime'],
  security: ['store', 'protocol', 'observability', 'runtime'],
  effects: ['security', 'store', 'protocol', 'observability', 'runtime'],
  memory: ['effects', 'security', 'store', 'protocol', 'observability', 'runtime'],
  transcripts: ['effects', 'security', 'store', 'protocol', 'observability', 'runtime'],
  pool: ['effects', 'security', 'store', 'protocol', 'observability', 'runtime'],
  discovery: ['pool', 'protocol', 'observability', 'runtime'],
  tasks: ['balancing', 'security', 'store', 'protocol', 'observability', 'runtime'],
  hub: ['bridge', 'tasks', 'security', 'store', 'protocol', 'observability', 'runtime'],
  gateway: [
    'bridge',
    'discovery',
    // The records of registered servers.
    'effects',
    'mcp',
    'security',
    'store',
    'protocol',
    'observability',
    'runtime',
    'version.ts',
  ],
  mcp: ['bridge', 'client', 'hub', 'security', 'protocol', 'observability', 'runtime', 'version.ts'],
  history: ['hub', 'security', 'store', 'protocol', 'observability', 'runtime'],
  client: ['artifacts', 'bridge', 'protocol', 'observability', 'runtime', 'version.ts'],
  cluster: [
    'bridge',
    'client',
    'effects',
    'hub',
    'pool',
    'security',
    'store',
    'transcripts',
    'protocol',
    'observability',
    'runtime',
  ],
  agent: ['artifacts', 'bridge', 'client', 'protocol', 'observability', 'runtime'],
  handlers: 'all',
  commands: 'all',
  'config.ts': ['runtime'],
  'dataDirectory.ts': ['runtime'],
  'version.ts': [],
  'coordinator.ts': 'all',
  'coordinatorOptions.ts': 'all',
  'main.ts': 'all',
  extension: ['client', 'artifacts', 'protocol', 'observability', 'runtime', 'webview'],
  webview: ['client', 'protocol', 'observability', 'runtime'],
};

/** These do no input or output and read no clock: no module of Node's, and of the packages only these. */
const PURE_PARTS: Readonly<Record<string, readonly string[]>> = {
  protocol: ['zod', 'yaml'],
  raft: [],
  balancing: [],
};

/** What decides about tasks, whatever else is beside it. */
const PURE_FILES = [
  'controls/steering',
  'deciding/attemptMachine',
  'deciding/decide',
  'deciding/evidence',
  'deciding/failurePolicy',
  'deciding/taskMachine',
  'placing/candidateView',
  'placing/eligibility',
  'placing/expected',
  'placing/fits',
  'placing/inputs',
  'placing/learned',
  'placing/pass',
  'placing/placement',
  'placing/ranking',
  'placing/roster',
  'placing/scheduler',
  'placing/slotTimes',
  'plan/durationModel',
  'plan/implicitTasks',
  'plan/taskGraph',
  'queue/affinity',
  'queue/readyQueue',
  'queue/requirements',
  'queue/walk',
  'reuse/inputKey',
].map(name => `coordinator/tasks/${name}.ts`);

/** Modules of Node's that only compute. */
const PURE_MODULES = new Set(['node:path', 'node:util', 'node:string_decoder', 'node:crypto']);
const PURE_PACKAGES = new Set(['zod', 'yaml', 'picocolors', 'd3-dag']);

/** Of the extension's host only the extension itself may know. */
const VSCODE_PARTS = new Set(['extension']);

/** Why somebody else may do what the style forbids: path prefix -> reason. */
interface Rule {
  readonly name: string;
  readonly pattern: RegExp;
  readonly except: Readonly<Record<string, string>>;
}

const MAINS = {
  'coordinator/runtime/': 'the clock and randomness themselves',
  'coordinator/main.ts': 'a main',
  'coordinator/commands/': 'mains of the verbs',
  'coordinator/client/orchestrator/connect.ts': 'the main of the library',
  'extension/extension.ts': 'the main of the extension',
  'extension/window.ts': 'the main of a window that uses it',
} as const;

const SOURCE_RULES: readonly Rule[] = [
  {
    name: 'time comes from a Clock',
    pattern: /\bDate\.now\(|\bnew Date\(\)|(?<!\.)\bset(?:Timeout|Interval)\(|\bperformance\.now\(/,
    except: MAINS,
  },
  {name: 'randomness comes from a Random', pattern: /\bMath\.random\(/, except: MAINS},
  {
    name: 'what a process is given comes from its main',
    // platform, arch, pid and execPath describe the machine and are the same for everyone in the process.
    pattern:
      /\bprocess\.(?:env|argv|execArgv|cwd|chdir|exit|exitCode|abort|std(?:in|out|err)|on|once|off|emit|nextTick|hrtime|uptime|memoryUsage|umask|title)\b/,
    except: MAINS,
  },
  {
    name: 'no cast that hides a wrong type',
    pattern: /\bas unknown as\b|\bas any\b/,
    except: {
      'coordinator/bridge/frame.ts': 'a checked frame becomes the type of the MCP library',
      'coordinator/tasks/settings.ts': 'settings are built key by key from their table',
    },
  },
  {
    name: 'only the command line prints',
    pattern: /\bconsole\./,
    except: {'coordinator/commands/': 'the command line'},
  },
  {name: 'no TODO', pattern: /\b(?:TODO|FIXME|XXX)\b/, except: {}},
];

const NAMED_ZOD = /^import\s*\{[^}]*\bz\b[^}]*\}\s*from\s*'zod'/m;
const FILE_NAME = /^[a-z][A-Za-z0-9]*(?:\.test|\.d)?\.(?:ts|tsx|mts|mjs|cjs)$/;
const MAX_LINES = 500;

/** Written in two parts, so that this file does not name them. */
const FORBIDDEN_TEXT: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a path of one machine', new RegExp(['(?<![\\w.-])/(?:wo', 'rk/(?:main|shared)|tm', 'p/h)\\b'].join(''))],
  [
    'the host of a package registry',
    new RegExp(['\\bregistry\\.', '[a-z-]+\\.(?:org|com|io|dev)\\b'].join('')),
  ],
];

const EIGHT_PACKAGES = [
  '@modelcontextprotocol/sdk',
  'ws',
  'zod',
  'lowdb',
  'esbuild',
  'mocha',
  '@vscode/test-electron',
];

interface SourceFile {
  /** Relative to the root, with slashes. */
  readonly file: string;
  readonly text: string;
}

const tracked = execFileSync('git', ['ls-files', '-z'], {
  cwd: ROOT,
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024,
})
  .split('\0')
  .filter(file => file !== '' && existsSync(path.join(ROOT, file)));
const read = (file: string): SourceFile => ({file, text: readFileSync(path.join(ROOT, file), 'utf8')});
const typescript = tracked.filter(file => /\.(?:ts|tsx|mts)$/.test(file)).map(read);
const sources = typescript.filter(({file}) => /^(?:coordinator|extension|webview)\//.test(file));

function partOf(file: string): string {
  const [top = '', second = ''] = file.split('/');
  return top === 'coordinator' ? second : top;
}

/** The file that a relative import names, from the root; undefined for packages. */
function targetOf(file: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? path.posix.join(path.posix.dirname(file), specifier) : undefined;
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function assertNone(violations: readonly string[]): void {
  assert.equal(violations.length, 0, `\n  ${violations.join('\n  ')}`);
}

describe('import arrows', () => {
  it('go only where the architecture allows', () => {
    const violations = sources.flatMap(({file, text}) =>
      importsOf(text).flatMap(({specifier, line}) => {
        const target = targetOf(file, specifier);
        if (target === undefined || target === 'package.json') return [];
        const [from, to] = [partOf(file), partOf(target)];
        const allowed = ARROWS[from];
        if (from === to || allowed === 'all' || allowed?.includes(to)) return [];
        return [`${file}:${line}: ${from} may not import ${to} (${specifier})`];
      }),
    );
    assertNone(violations);
  });

  it('are declared for every part, and for no part that is gone', () => {
    const parts = new Set(sources.map(({file}) => partOf(file)));
    const missing = [...parts].filter(part => !Object.hasOwn(ARROWS, part));
    // The web pages are drawn by a later version.
    const gone = Object.keys(ARROWS).filter(part => !parts.has(part) && part !== 'webview');
    assertNone([...missing.map(part => `${part} has no arrows`), ...gone.map(part => `there is no ${part}`)]);
  });

  it('have no cycle', () => {
    const visiting = new Set<string>();
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (part: string): void => {
      if (done.has(part)) return;
      if (visiting.has(part)) {
        cycles.push([...visiting, part].join(' -> '));
        return;
      }
      visiting.add(part);
      const allowed = ARROWS[part];
      for (const next of allowed === 'all' || allowed === undefined ? [] : allowed) visit(next);
      visiting.delete(part);
      done.add(part);
    };
    for (const part of Object.keys(ARROWS)) visit(part);
    assertNone(cycles);
  });

  it('name files with their suffix, and files that exist', () => {
    const violations = typescript.flatMap(({file, text}) =>
      importsOf(text).flatMap(({specifier, line}) => {
        const target = targetOf(file, specifier);
        return target === undefined || existsSync(path.join(ROOT, target))
          ? []
          : [`${file}:${line}: there is no ${specifier}`];
      }),
    );
    assertNone(violations);
  });

  it('keep the editor out of everything but the extension', () => {
    const violations = sources.flatMap(({file, text}) =>
      importsOf(text).flatMap(({specifier, line}) =>
        specifier === 'vscode' && !VSCODE_PARTS.has(partOf(file))
          ? [`${file}:${line}: imports 'vscode'`]
          : [],
      ),
    );
    assertNone(violations);
  });

  it('keep input and output out of the pure parts', () => {
    const violations = sources.flatMap(({file, text}) => {
      const packages = PURE_PARTS[partOf(file)];
      if (!packages) return [];
      return importsOf(text).flatMap(({specifier, line}) =>
        specifier.startsWith('.') || packages.includes(packageOf(specifier))
          ? []
          : [`${file}:${line}: a pure part imports ${specifier}`],
      );
    });
    assertNone(violations);
  });

  it('keep input and output out of files that call themselves pure, and out of what these import', () => {
    const declared = sources.filter(({file, text}) => declaresPure(file, text));
    assert.ok(declared.length > 50, `${declared.length} files`);
    assert.notDeepEqual(
      impurities('coordinator/runtime/durableFile.ts', new Map()),
      [],
      'the check finds something',
    );
    const files = new Set([...declared.map(({file}) => file), ...PURE_FILES]);
    const known = new Map<string, readonly string[]>();
    assertNone([...files].flatMap(file => impurities(file, known).map(why => `${file}: ${why}`)));
    assertNone(
      PURE_FILES.filter(file => !existsSync(path.join(ROOT, file))).map(file => `there is no ${file}`),
    );
  });

  it('of packages are dependencies of this one', () => {
    const {dependencies, devDependencies} = manifest();
    const known = new Set([...Object.keys(dependencies), 'vscode']);
    const inTests = new Set([...known, ...Object.keys(devDependencies)]);
    const violations = typescript.flatMap(({file, text}) =>
      importsOf(text).flatMap(({specifier, typeOnly, line}) => {
        if (specifier.startsWith('.') || specifier.startsWith('node:')) return [];
        const name = packageOf(specifier);
        const allowed = file.startsWith('test/') ? inTests : known;
        return allowed.has(name) || (typeOnly && inTests.has(name))
          ? []
          : [`${file}:${line}: ${name} is not a dependency`];
      }),
    );
    assertNone(violations);
  });
});

/** By the word that ends its opening comment, or by its part. */
function declaresPure(file: string, text: string): boolean {
  const opening = text.slice(0, Math.max(0, text.indexOf('*/')));
  return Object.hasOwn(PURE_PARTS, partOf(file)) || /\bPure\./.test(opening);
}

/** What keeps a file from being pure, with the imports that lead there. Types do nothing. */
function impurities(file: string, known: Map<string, readonly string[]>): readonly string[] {
  const before = known.get(file);
  if (before) return before;
  known.set(file, []);
  const source = sources.find(other => other.file === file);
  if (!source) return [];
  const found = importsOf(source.text).flatMap(({specifier, typeOnly, line}) => {
    if (typeOnly) return [];
    const target = targetOf(file, specifier);
    if (target !== undefined) return impurities(target, known).map(why => `line ${line}: ${target}: ${why}`);
    const pure = specifier.startsWith('node:')
      ? PURE_MODULES.has(specifier)
      : PURE_PACKAGES.has(packageOf(specifier));
    return pure ? [] : [`line ${line}: imports ${specifier}`];
  });
  const [time] = SOURCE_RULES.slice(0, 3).flatMap(({pattern}) => matches(source, pattern));
  const all = time === undefined ? found : [...found, `uses ${time}`];
  known.set(file, all.slice(0, 3));
  return all;
}

describe('house style', () => {
  for (const {name, pattern, except} of SOURCE_RULES) {
    it(name, () => {
      const violations = sources
        .filter(({file}) => !Object.keys(except).some(prefix => file.startsWith(prefix)))
        .flatMap(source => matches(source, pattern));
      assertNone(violations);
    });
  }

  it('exceptions are used', () => {
    const unused = SOURCE_RULES.flatMap(({name, pattern, except}) =>
      Object.keys(except)
        .filter(prefix => !Object.hasOwn(MAINS, prefix))
        .filter(
          prefix =>
            !sources.some(source => source.file.startsWith(prefix) && matches(source, pattern).length > 0),
        )
        .map(prefix => `${prefix} needs no exception from "${name}"`),
    );
    assertNone(unused);
  });

  it('zod is imported as a namespace', () => {
    assertNone(
      typescript
        .filter(({text}) => NAMED_ZOD.test(text))
        .map(({file}) => `${file}: import * as z from 'zod'`),
    );
  });

  it('every test runs', () => {
    assertNone(
      typescript
        .filter(({file}) => file.startsWith('test/'))
        .flatMap(source => matches(source, /\b(?:describe|it|context|suite|test)\.only\(/)),
    );
  });

  it('files are at most 500 lines long', () => {
    const long = typescript.filter(({text}) => text.split('\n').length > MAX_LINES + 1);
    assertNone(long.map(({file, text}) => `${file}: ${text.split('\n').length - 1} lines`));
  });

  it('file names are camelCase', () => {
    const code = tracked.filter(file => /\.(?:ts|tsx|mts|mjs|cjs)$/.test(file));
    assertNone(code.filter(file => !FILE_NAME.test(path.posix.basename(file))));
  });

  it('every source says first what it is', () => {
    assertNone(
      sources
        .filter(({text}) => !/^(?:#![^\n]*\n)?\/\*\*/.test(text))
        .map(({file}) => `${file}: no opening comment`),
    );
  });

  it('no tracked file names a machine or a registry', () => {
    const violations = tracked.flatMap(file => {
      const {text} = read(file);
      if (text.includes('\0')) return [];
      return FORBIDDEN_TEXT.flatMap(([what, pattern]) => {
        const match = pattern.exec(text);
        return match ? [`${file}:${lineOf(text, match.index)}: names ${what}: ${match[0]}`] : [];
      });
    });
    assertNone(violations);
  });
});

function matches({file, text}: SourceFile, pattern: RegExp): string[] {
  const code = codeOnly(text);
  return [...code.matchAll(new RegExp(pattern, `${pattern.flags}g`))].map(
    match => `${file}:${lineOf(text, match.index)}: ${match[0]}`,
  );
}

interface Manifest {
  readonly type: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

function manifest(): Manifest {
  return JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
}

describe('package.json', () => {
  it('names the packages that were promised', () => {
    const {dependencies, devDependencies, engines} = manifest();
    const all = {...dependencies, ...devDependencies};
    assertNone(EIGHT_PACKAGES.filter(name => !Object.hasOwn(all, name)).map(name => `${name} is missing`));
    assert.match(engines['vscode'] ?? '', /^\^1\./);
    assert.ok(Object.hasOwn(devDependencies, '@types/vscode'));
  });

  it('has the types of the oldest editor that it supports', () => {
    const {devDependencies, engines} = manifest();
    const minor = (range: string | undefined): string | undefined => /(\d+\.\d+)/.exec(range ?? '')?.[1];
    assert.equal(minor(devDependencies['@types/vscode']), minor(engines['vscode']));
  });

  it('is a package of ES modules', () => assert.equal(manifest().type, 'module'));
});
