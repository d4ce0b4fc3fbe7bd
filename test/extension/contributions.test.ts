/** package.json and the code name the same commands, views, context keys and settings, and every text of package.json has its English. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {COMMANDS, commandId, VIEWS} from '../../extension/contributions.ts';

interface Manifest {
  readonly contributes: {
    readonly commands: readonly {readonly command: string}[];
    readonly views: Readonly<Record<string, readonly {readonly id: string}[]>>;
    readonly menus: Readonly<Record<string, readonly {readonly command: string}[]>>;
    readonly configuration: {readonly properties: Readonly<Record<string, unknown>>};
  };
}

const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
const manifest: Manifest = JSON.parse(text);
const english: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(new URL('../../package.nls.json', import.meta.url), 'utf8'),
);
const contributions = readFileSync(new URL('../../extension/contributions.ts', import.meta.url), 'utf8');

describe('contributions', () => {
  it('name every command once, in package.json and in the code', () => {
    const contributed = manifest.contributes.commands.map(({command}) => command);
    assert.deepEqual([...contributed].sort(), COMMANDS.map(commandId).sort());
  });

  it('put every command into the palette under a condition', () => {
    const palette = (manifest.contributes.menus['commandPalette'] ?? []).map(({command}) => command);
    assert.deepEqual([...palette].sort(), COMMANDS.map(commandId).sort());
  });

  it('name commands in menus that exist', () => {
    const known = new Set(COMMANDS.map(commandId));
    const named = Object.values(manifest.contributes.menus).flatMap(items => items.map(item => item.command));
    assert.deepEqual(
      named.filter(command => !known.has(command)),
      [],
    );
  });

  it('name the same views', () => {
    const contributed = Object.values(manifest.contributes.views).flatMap(views => views.map(({id}) => id));
    assert.deepEqual([...contributed].sort(), Object.values(VIEWS).sort());
  });

  it('name the same settings', () => {
    const named = [...contributions.matchAll(/^ {2}readonly '([a-zA-Z.]+)':/gm)].map(
      ([, name]) => `mcpx.${name}`,
    );
    assert.deepEqual(named.sort(), Object.keys(manifest.contributes.configuration.properties).sort());
  });

  it('have an English text for every key, and no text without a key', () => {
    const keys = new Set([...text.matchAll(/%([a-zA-Z.]+)%/g)].map(([, key]) => key ?? ''));
    assert.deepEqual([...keys].sort(), Object.keys(english).sort());
  });
});
