/** Where a Claude Code executable may be: named in the settings, on the PATH, or beside the Agent SDK. */
import {accessSync, constants, readFileSync, statSync} from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';

export interface FoundClaude {
  readonly path: string;
  readonly source: 'settings' | 'path' | 'bundled';
}

/** A path from the settings is taken as it is: the probe says what is wrong with it. */
export function findClaude(search: {
  readonly executable?: string | undefined;
  readonly PATH?: string | undefined;
  readonly bundled?: (() => string | undefined) | undefined;
}): FoundClaude | undefined {
  if (search.executable) return {path: path.resolve(search.executable), source: 'settings'};
  const onPath = findOnPath('claude', search.PATH ?? '');
  if (onPath) return {path: onPath, source: 'path'};
  const bundled = (search.bundled ?? bundledExecutable)();
  return bundled ? {path: bundled, source: 'bundled'} : undefined;
}

/** The native binary that npm installs as an optional dependency of the Agent SDK, for this platform. */
export function bundledExecutable(from: string = import.meta.url): string | undefined {
  const require = createRequire(from);
  const name = `@anthropic-ai/claude-agent-sdk-${process.platform}-${process.arch}${isMusl() ? '-musl' : ''}`;
  for (const folder of require.resolve.paths(name) ?? []) {
    const file = path.join(folder, name, process.platform === 'win32' ? 'claude.exe' : 'claude');
    if (isExecutable(file)) return file;
  }
  return undefined;
}

function findOnPath(name: string, searched: string): string | undefined {
  const names = process.platform === 'win32' ? [`${name}.exe`, `${name}.cmd`] : [name];
  for (const folder of searched.split(path.delimiter)) {
    // An empty entry means the current folder, from which nobody expects to run things.
    if (!path.isAbsolute(folder)) continue;
    for (const candidate of names) {
      const file = path.join(folder, candidate);
      if (isExecutable(file)) return file;
    }
  }
  return undefined;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** Alpine's loader; glibc systems have none of it. */
function isMusl(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    return readFileSync('/usr/bin/ldd', 'utf8').includes('musl');
  } catch {
    return false;
  }
}
