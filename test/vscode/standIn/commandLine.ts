/** The part of VS Code's command line that test runners use. What is not known is left aside, as VS Code does. */
import path from 'node:path';
import {fileURLToPath} from 'node:url';

export interface CommandLine {
  readonly extensions: readonly string[];
  /** Module that exports `run()`. */
  readonly tests?: string;
  readonly userData?: string;
  readonly extensionsFolder?: string;
  readonly workspace?: string;
  readonly disableExtensions: boolean;
  /** Unless `--untrusted` is there: @vscode/test-electron always passes --disable-workspace-trust. */
  readonly trustsAll: boolean;
}

/** Ours: desktops ignore it. */
const UNTRUSTED = 'untrusted';

const WITH_VALUE = new Set([
  'extensionDevelopmentPath',
  'extensionTestsPath',
  'user-data-dir',
  'extensions-dir',
  'folder-uri',
  'file-uri',
]);

/** Relative paths are relative to `folder`. */
export function parseCommandLine(args: readonly string[], folder: string): CommandLine {
  const values = new Map<string, string[]>();
  const flags = new Set<string>();
  const positional: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const argument = args[at] ?? '';
    const option = /^--([^=]+)(?:=(.*))?$/s.exec(argument);
    if (!option) {
      if (!argument.startsWith('-')) positional.push(argument);
      continue;
    }
    const [, name = '', inline] = option;
    if (!WITH_VALUE.has(name)) {
      flags.add(name);
      continue;
    }
    const value = inline ?? args[++at];
    if (value === undefined) throw new Error(`--${name} needs a value`);
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  const resolved = (text: string): string =>
    text.startsWith('file://') ? fileURLToPath(text) : path.resolve(folder, text);
  const last = (name: string): string | undefined => {
    const value = values.get(name)?.at(-1);
    return value === undefined ? undefined : resolved(value);
  };
  const [workspace] = [...positional.map(resolved), last('folder-uri'), last('file-uri')].filter(
    found => found !== undefined,
  );
  return {
    extensions: (values.get('extensionDevelopmentPath') ?? []).map(resolved),
    tests: last('extensionTestsPath'),
    userData: last('user-data-dir'),
    extensionsFolder: last('extensions-dir'),
    workspace,
    disableExtensions: flags.has('disable-extensions'),
    trustsAll: !flags.has(UNTRUSTED),
  };
}
