/** The plan that is written for a folder: gates that exist there, and a text that is a plan. */
import assert from 'node:assert/strict';
import {parsePlan} from '../../../coordinator/protocol/plan/parse.ts';
import {planTemplate} from '../../../extension/plan/planTemplate.ts';
import {type ProjectFiles, projectGates} from '../../../extension/plan/projectGates.ts';

function gatesOf(files: Omit<ProjectFiles, 'names'>, ...names: string[]): string[] {
  return projectGates({...files, names: new Set(names)}).gates.map(({command}) => command);
}

describe('gates of a folder', () => {
  const PACKAGE = JSON.stringify({
    scripts: {test: 'mocha', lint: 'biome check', start: 'node .', build: 'tsc'},
    devDependencies: {mocha: '1'},
  });

  it('are the scripts of a package that check something', () => {
    assert.deepEqual(gatesOf({packageJson: PACKAGE}, 'package-lock.json'), [
      'npm test',
      'npm run lint',
      'npm run build',
    ]);
    assert.deepEqual(gatesOf({packageJson: PACKAGE}, 'pnpm-lock.yaml')[0], 'pnpm test');
  });

  it('are not the test that npm init leaves, and none of a package that cannot be read', () => {
    const scripts = {test: 'echo "Error: no test specified" && exit 1'};
    assert.deepEqual(gatesOf({packageJson: JSON.stringify({scripts})}), []);
    assert.deepEqual(gatesOf({packageJson: '{'}), []);
  });

  it('are those of Python, Go and Rust where these are', () => {
    assert.deepEqual(gatesOf({pyproject: '[tool.pytest.ini_options]\n[tool.ruff]\n'}), [
      'python -m pytest',
      'ruff check .',
    ]);
    assert.deepEqual(gatesOf({goMod: 'module a\n'}), ['go vet ./...', 'go test ./...']);
    assert.deepEqual(gatesOf({cargoToml: '[package]\n'}), ['cargo test']);
  });

  it('are targets of a makefile where nothing else is', () => {
    const makefile = 'CC := gcc\ntest := no\nall: lint\nlint:\n\tx\ncheck: all\n\ty\n';
    assert.deepEqual(gatesOf({makefile}), ['make check', 'make lint']);
    assert.deepEqual(gatesOf({makefile, goMod: 'module a\n'}), ['go vet ./...', 'go test ./...']);
  });

  it('need what a package installs, by its lock file', () => {
    const setup = (...names: string[]): readonly string[] =>
      projectGates({packageJson: PACKAGE, names: new Set(names)}).setup;
    assert.deepEqual(setup('package-lock.json'), ['npm ci']);
    assert.deepEqual(setup('yarn.lock'), ['yarn install --frozen-lockfile']);
    assert.deepEqual(setup(), ['npm install']);
    assert.deepEqual(projectGates({packageJson: '{"scripts":{"test":"x"}}', names: new Set()}).setup, []);
  });
});

describe('a new plan', () => {
  const FOLDERS: readonly [name: string, files: Omit<ProjectFiles, 'names'>][] = [
    ['empty', {}],
    ['greeter', {packageJson: '{"scripts":{"test":"node --test","lint":"x"},"dependencies":{"a":"1"}}'}],
    ['odd: "name" #1', {goMod: 'module a\n'}],
    ['- 12', {makefile: 'test:\n'}],
  ];
  for (const [name, files] of FOLDERS)
    it(`for ${name} is a plan without a warning`, () => {
      const found = projectGates({...files, names: new Set()});
      const parsed = parsePlan(planTemplate(name, found));
      assert.ok(parsed.kind === 'plan', JSON.stringify(parsed));
      assert.deepEqual(parsed.warnings, []);
      assert.equal(parsed.plan.name, name);
      assert.equal(parsed.plan.tasks.length, 3);
      assert.deepEqual(
        parsed.plan.gates.map(gate => gate.type === 'command' && gate.command),
        found.gates.map(({command}) => command),
      );
      assert.ok(
        parsed.plan.workspace.kind === 'git' && parsed.plan.workspace.setup.length === found.setup.length,
      );
    });
});
