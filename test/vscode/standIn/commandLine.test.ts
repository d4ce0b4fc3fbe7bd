/** The stand-in understands the command line that test runners give VS Code. */
import assert from 'node:assert/strict';
import {parseCommandLine} from './commandLine.ts';

describe("the stand-in's command line", () => {
  it('is the one of @vscode/test-electron', () => {
    const args = [
      '/repository',
      '--user-data-dir=/p/profile',
      '--extensions-dir',
      '/p/extensions',
      '--no-sandbox',
      '--disable-extensions',
      '--extensionTestsPath=/suite/index.cjs',
      '--extensionDevelopmentPath=/extension',
      '--extensionDevelopmentPath=/other',
    ];
    assert.deepEqual(parseCommandLine(args, '/here'), {
      extensions: ['/extension', '/other'],
      tests: '/suite/index.cjs',
      userData: '/p/profile',
      extensionsFolder: '/p/extensions',
      workspace: '/repository',
      disableExtensions: true,
      trustsAll: true,
    });
  });

  it('takes paths from where it is called, and file addresses', () => {
    const {workspace, tests} = parseCommandLine(
      ['--folder-uri', 'file:///a%20b', '--extensionTestsPath=suite'],
      '/here',
    );
    assert.equal(workspace, '/a b');
    assert.equal(tests, '/here/suite');
  });

  it('trusts every folder but one that is said not to be trusted, whatever else is passed', () => {
    const trusts = (...args: string[]) => parseCommandLine(args, '/here').trustsAll;
    assert.equal(trusts('--disable-workspace-trust'), true);
    assert.equal(trusts('--untrusted', '--disable-workspace-trust'), false);
  });

  it('takes no flag that it does not know for a folder', () => {
    const {workspace} = parseCommandLine(['--skip-welcome', '--disable-gpu-sandbox', '-n'], '/here');
    assert.equal(workspace, undefined);
  });

  it('refuses an option without its value', () => {
    assert.throws(() => parseCommandLine(['--user-data-dir'], '/here'), /--user-data-dir needs a value/);
  });
});
