/** A command of one line, taken apart, and what a server is called that a person describes so. */
import assert from 'node:assert/strict';
import {splitCommandLine} from '../../../extension/commands/servers/commandLine.ts';
import {proposedName} from '../../../extension/commands/servers/proposedName.ts';

describe('a command on one line', () => {
  const cases: readonly (readonly [string, readonly string[] | undefined])[] = [
    [
      'npx -y @modelcontextprotocol/server-everything',
      ['npx', '-y', '@modelcontextprotocol/server-everything'],
    ],
    ['  node   server.mjs ', ['node', 'server.mjs']],
    [`"/a b/run" 'it is' --x="y z" ''`, ['/a b/run', 'it is', '--x=y z', '']],
    [String.raw`/a\ b/run "say \"hi\"" 'a\b'`, ['/a b/run', 'say "hi"', String.raw`a\b`]],
    [
      String.raw`C:\tools\run.exe --dir C:\data`,
      [String.raw`C:\tools\run.exe`, '--dir', String.raw`C:\data`],
    ],
    [`docker run -e TOKEN=$\{TOKEN} image`, ['docker', 'run', '-e', `TOKEN=$\{TOKEN}`, 'image']],
    ['', undefined],
    ['  ', undefined],
    ['""', undefined],
    ['run "unclosed', undefined],
  ];
  for (const [line, words] of cases)
    it(`${JSON.stringify(line)} is ${words ? `${words.length} words` : 'none'}`, () =>
      assert.deepEqual(splitCommandLine(line), words));
});

describe('the name that a server is offered', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['npx -y @modelcontextprotocol/server-everything', 'everything'],
    ['npx -y @acme/shop-mcp@1.2.3 --verbose', 'shop'],
    ['node /srv/tools/weather.mjs', 'weather'],
    ['my-tool --flag', 'my-tool'],
  ];
  for (const [line, name] of cases)
    it(`${name} for ${line}`, () => {
      const [command = '', ...args] = splitCommandLine(line) ?? [];
      assert.equal(proposedName({type: 'stdio', command, args, env: {}}), name);
    });
  it('is the host of an address', () => {
    const http = (url: string) => proposedName({type: 'http', url, headers: {}});
    assert.equal(http('https://me:pw@shop.example/mcp'), 'shop');
    assert.equal(http('http://localhost:3000/mcp'), 'localhost');
  });
});
