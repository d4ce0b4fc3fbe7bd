/** A window's link to its coordinator: starts that meet, starts that nobody wants any more, and a coordinator that dies for long. */
import assert from 'node:assert/strict';
import {existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {type Clock, ManualClock, systemClock} from '../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {CoordinatorLink} from '../../extension/connection/coordinatorLink.ts';
import {Program} from '../../extension/connection/program.ts';
import {type HubFixture, hubFixture} from '../hub/support.ts';
import {found} from '../support/waiting.ts';

describe("a window's link", () => {
  let root: string;
  let fixture: HubFixture;
  let link: CoordinatorLink | undefined;

  const file = (name: string): string => path.join(root, name);
  /** Arguments of every call of the command. */
  const calls = (): string[] =>
    existsSync(file('calls')) ? readFileSync(file('calls'), 'utf8').trimEnd().split('\n') : [];

  beforeEach(async () => {
    root = mkdtempSync(path.join(tmpdir(), 'mcpx-link-'));
    fixture = await hubFixture();
    mkdirSync(file('dist'));
    writeFileSync(
      file('dist/mcpx.mjs'),
      `import {appendFileSync, readFileSync} from 'node:fs';
appendFileSync(${JSON.stringify(file('calls'))}, process.argv.slice(2).join(' ') + '\\n');
process.stdout.write(readFileSync(${JSON.stringify(file('answer'))}, 'utf8') + '\\n');
`,
    );
    const {url} = fixture;
    const answer = {url, token: 'client', ca: null, coordinator: 'c', version: '0', pid: 1, started: true};
    writeFileSync(file('answer'), JSON.stringify({...answer, skew: false, notice: null}));
  });
  afterEach(async () => {
    link?.dispose();
    await fixture.close();
    rmSync(root, {recursive: true, force: true});
  });

  function linkWith({clock = systemClock, revives = true}: {clock?: Clock; revives?: boolean} = {}) {
    const program = new Program({
      extensionFolder: root,
      storageFolder: file('storage'),
      execPath: process.execPath,
      env: process.env,
      clock,
      logger: silentLogger,
    });
    link = new CoordinatorLink({
      program,
      clock,
      random: systemRandom,
      logger: silentLogger,
      version: '0',
      localEndpointFile: file('answer'),
      stoppedFile: file('stopped'),
      lingerMs: () => 1000,
      revives: () => revives,
    });
    return link;
  }

  it('starts once for all who ask for the same meanwhile, and none of them is turned away', async () => {
    const made = linkWith();
    const [first, second] = await Promise.all([made.start(), made.start({kind: 'local'})]);
    assert.equal(first, second);
    assert.equal(made.state.kind, 'connected');
    assert.deepEqual(calls(), ['endpoint --start --linger 1000 --json']);
  });

  it('says that a start was cancelled when it was left meanwhile, and can be started again', async () => {
    const made = linkWith();
    const left = assert.rejects(made.start(), error => isCoordinatorError(error, 'cancelled'));
    made.disconnect();
    const again = made.start();
    await left;
    assert.equal(await again, made.client);
    assert.equal(made.state.kind, 'connected');
  });

  /** Closes the coordinator; another one is on another port. */
  async function replaceCoordinator(): Promise<void> {
    const answer = readFileSync(file('answer'), 'utf8');
    const before = fixture;
    await before.close();
    fixture = await hubFixture();
    writeFileSync(file('answer'), answer.replace(before.url, fixture.url));
  }

  it('starts another at once when that is asked for while its own does not answer', async () => {
    // Its time stands still: nothing is revived by itself.
    const made = linkWith({clock: new ManualClock()});
    const lost = await made.start();
    await replaceCoordinator();
    await found(() => (made.state.kind === 'reconnecting' ? true : undefined), 60_000, 'the cut to be seen');
    assert.notEqual(await made.start(), lost);
    assert.equal(made.state.kind, 'connected');
  });

  it('joins none while its own is being ended, and does again afterwards', async () => {
    const made = linkWith();
    await made.start();
    assert.equal(await made.standAside(() => made.join()), undefined);
    assert.equal(made.state.kind, 'off');
    assert.equal(await made.join(), made.client);
    assert.equal(made.state.kind, 'connected');
  });

  /** Time passes while real processes and sockets do their part. */
  const whileTimePasses = (clock: ManualClock, look: () => true | undefined): Promise<true> =>
    found(
      () => {
        clock.advance(500);
        return look();
      },
      60_000,
      () => `calls: ${calls().join(', ')}`,
    );

  it('goes on trying to revive its coordinator, however long that stays dead', async () => {
    const clock = new ManualClock();
    await linkWith({clock}).start();
    writeFileSync(file('answer'), JSON.stringify({error: {code: 'diskFull', message: 'no space'}}));
    await fixture.close();
    // One, two, four, eight, sixteen and thirty seconds: longer than between two tries of the client.
    await whileTimePasses(clock, () => (calls().length >= 7 ? true : undefined));
  });

  it('starts nothing after a person ended the coordinator, but joins one that is started then', async () => {
    const clock = new ManualClock();
    const made = linkWith({clock});
    await made.start();
    writeFileSync(file('stopped'), '');
    await replaceCoordinator();
    await whileTimePasses(clock, () => (made.state.kind === 'stopped' ? true : undefined));
    assert.equal(made.client, undefined);
    clock.advance(60_000);
    assert.deepEqual(calls(), ['endpoint --start --linger 1000 --json']);
    rmSync(file('stopped'));
    await whileTimePasses(clock, () => (made.state.kind === 'connected' ? true : undefined));
    assert.deepEqual(calls().slice(1), ['endpoint --json']);
  });

  it('starts one after a person ended it, when that is asked for', async () => {
    const made = linkWith({clock: new ManualClock()});
    made.rest();
    await made.start();
    assert.equal(made.state.kind, 'connected');
  });

  it('starts nothing when the person wants that to be done by hand, but finds what was started', async () => {
    const clock = new ManualClock();
    const made = linkWith({clock, revives: false});
    await made.start();
    await replaceCoordinator();
    const isBack = (): boolean => calls().length > 1 && made.state.kind === 'connected';
    await whileTimePasses(clock, () => (isBack() ? true : undefined));
    assert.deepEqual(new Set(calls().slice(1)), new Set(['endpoint --json']));
  });
});
