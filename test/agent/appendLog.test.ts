/** The append log on a real disk that tears, fills up and fails: what was acknowledged is there, what was refused is not, whenever its process ends. */
import assert from 'node:assert/strict';
import {readFileSync, statSync, truncateSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {AppendLog, type LogFormat} from '../../coordinator/agent/appendLog.ts';
import {type LogFiles, realLogFiles} from '../../coordinator/agent/logFiles.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemErrorCode} from '../../coordinator/runtime/errors.ts';
import {parseJson} from '../../coordinator/runtime/json.ts';
import {type Random, seededRandom} from '../../coordinator/runtime/random.ts';
import {temporaryFolder} from './supervisor/support.ts';

interface Note {
  readonly name: string;
  readonly text: string;
}

const FORMAT: LogFormat<Note> = {
  name: ({name}) => name,
  entryLine: note => JSON.stringify({v: 1, note}),
  doneLine: ({name}) => JSON.stringify({v: 1, done: name}),
  parse(line) {
    const parsed = parseJson(line) as {note?: Note; done?: string} | undefined;
    if (parsed?.note) return {entry: parsed.note};
    return parsed?.done === undefined ? undefined : {done: parsed.done};
  },
};

type Step = 'append' | 'datasync' | 'truncate' | 'replace' | 'open';
/** The code with which a step fails; undefined: it goes well. */
type Fate = (step: Step) => 'ENOSPC' | 'EIO' | undefined;

/** The real disk. An append that fails has written a part; a replacement that fails has happened, or not. */
function failing(fate: Fate, random: Random): LogFiles {
  const check = (step: Step): void => {
    const code = fate(step);
    if (code) throw Object.assign(new Error(`${step}: ${code}`), {code});
  };
  return {
    read: realLogFiles.read,
    async replace(file, text) {
      const happens = random.next() < 0.3;
      if (happens) await realLogFiles.replace(file, text);
      check('replace');
      if (!happens) await realLogFiles.replace(file, text);
    },
    async open(file) {
      check('open');
      const handle = await realLogFiles.open(file);
      return {
        async append(text) {
          const code = fate('append');
          if (!code) return handle.append(text);
          await handle.append(text.slice(0, Math.floor(random.next() * (text.length + 1))));
          throw Object.assign(new Error(code), {code});
        },
        async datasync() {
          check('datasync');
          await handle.datasync();
        },
        async truncate(bytes) {
          check('truncate');
          await handle.truncate(bytes);
        },
        close: () => handle.close(),
      };
    },
  };
}

describe('the append log', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let file: string;
  const opened: AppendLog<Note>[] = [];
  beforeEach(() => {
    folder = temporaryFolder();
    file = path.join(folder.path, 'notes.jsonl');
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map(log => log.close().catch(() => undefined)));
    folder.remove();
  });
  const open = async (files?: LogFiles, rewriteBytes?: number): Promise<AppendLog<Note>> => {
    const log = await AppendLog.open({file, format: FORMAT, logger: silentLogger, files, rewriteBytes});
    opened.push(log);
    return log;
  };
  const note = (name: string, text = 'é漢😀'): Note => ({name, text});
  const names = (log: AppendLog<Note>): string[] => log.all().map(({name}) => name);
  const durably = {sync: true, onFailure: 'forget'} as const;

  it('has every acknowledged entry, torn at whatever byte, and what follows the tear is whole', async () => {
    const first = await open();
    await first.add(note('a'), durably);
    const acknowledged = statSync(file).size;
    await first.add(note('b'), durably);
    const text = readFileSync(file);
    for (let size = acknowledged; size <= text.length; size++) {
      writeFileSync(file, text);
      truncateSync(file, size);
      const next = await open();
      const left = names(next);
      assert.deepEqual(left, size >= text.length - 1 ? ['a', 'b'] : ['a'], `cut at ${size}`);
      await next.add(note('c'), durably);
      await next.close();
      assert.deepEqual(names(await open()), [...left, 'c']);
    }
  });

  it('reads on behind a line that is damaged', async () => {
    const first = await open();
    for (const name of ['a', 'b', 'c']) await first.add(note(name), durably);
    const lines = readFileSync(file, 'utf8').split('\n');
    writeFileSync(file, [lines[0], '{"v":1,"no', lines[2], ''].join('\n'));
    assert.deepEqual(names(await open()), ['a', 'c']);
  });

  for (const step of ['append', 'datasync'] as const)
    for (const code of ['ENOSPC', 'EIO'] as const)
      it(`refuses an entry when its ${step} fails with ${code}, and no later process finds it`, async () => {
        const state: {fails: boolean} = {fails: false};
        const random = seededRandom(3);
        const log = await open(failing(at => (state.fails && at === step ? code : undefined), random));
        await log.add(note('a'), durably);
        state.fails = true;
        await assert.rejects(log.add(note('b'), durably), error => systemErrorCode(error) === code);
        assert.deepEqual(names(log), ['a']);
        assert.deepEqual(names(await readAgain(file)), ['a'], 'killed now');
        state.fails = false;
        await log.add(note('c'), durably);
        assert.deepEqual(names(await readAgain(file)), ['a', 'c']);
      });

  it('does not write a refused entry with the ones that came behind it', async () => {
    const fate: {left: number} = {left: 1};
    const files = failing(at => (at === 'append' && fate.left-- > 0 ? 'EIO' : undefined), seededRandom(1));
    const log = await open(files);
    const first = log.add(note('a'), durably);
    const failed = assert.rejects(first);
    await Promise.resolve();
    await Promise.resolve();
    const second = log.add(note('b'), durably);
    await Promise.all([failed, second]);
    assert.deepEqual(names(await readAgain(file)), ['b']);
  });

  it('keeps what is to be kept through a full disk, and writes it down with what comes next', async () => {
    const state: {fails: boolean} = {fails: true};
    const files = failing(at => (state.fails && at === 'append' ? 'ENOSPC' : undefined), seededRandom(2));
    const log = await open(files);
    await assert.rejects(log.add(note('a'), {sync: true, onFailure: 'keep'}));
    assert.deepEqual(names(log), ['a']);
    assert.deepEqual(names(await readAgain(file)), []);
    state.fails = false;
    await log.add(note('b'), {sync: true, onFailure: 'keep'});
    assert.deepEqual(names(await readAgain(file)), ['a', 'b']);
  });

  for (let seed = 1; seed <= 20; seed++)
    it(`agrees with what it acknowledged under random faults (seed ${seed})`, async () => {
      const random = seededRandom(seed);
      const chance = seed % 2 ? 0.15 : 0.4;
      const state: {safe: boolean} = {safe: true};
      const fate: Fate = () => {
        if (state.safe || random.next() >= chance) return undefined;
        return random.next() < 0.5 ? 'ENOSPC' : 'EIO';
      };
      const log = await open(failing(fate, random), 400);
      const there = new Map<string, Note>();
      const refused = new Set<string>();
      for (let round = 0; round < 30; round++) {
        state.safe = false;
        const adds = Array.from({length: 1 + Math.floor(random.next() * 3)}, async (_, at) => {
          const one = note(`${round}.${at}`);
          for (let turns = Math.floor(random.next() * 4); turns > 0; turns--) await Promise.resolve();
          try {
            await log.add(one, durably);
            there.set(one.name, one);
          } catch {
            refused.add(one.name);
          }
        });
        const gone = [...there.keys()].filter(() => random.next() < 0.3);
        const removals = gone.map(async name => {
          there.delete(name);
          await log.remove(name).catch(() => undefined);
        });
        await Promise.all([...adds, ...removals]);
        assert.deepEqual(new Set(names(log)), new Set(there.keys()), `round ${round}`);
        const found = new Set(names(await readAgain(file)));
        for (const name of there.keys())
          assert.ok(found.has(name), `${name} was acknowledged, round ${round}`);
        state.safe = true;
        // With a disk that works again, no trace of what was refused or removed is left.
        const mark = note(`mark ${round}`);
        await log.add(mark, durably);
        await log.remove(mark.name);
        const settled = new Set(names(await readAgain(file)));
        for (const name of refused) assert.ok(!settled.has(name), `${name} was refused, round ${round}`);
        assert.deepEqual(settled, new Set(there.keys()));
      }
    });
});

/** What a process would find that starts now. */
async function readAgain(file: string): Promise<AppendLog<Note>> {
  const copy = `${file}.copy`;
  writeFileSync(copy, readFileSync(file));
  const log = await AppendLog.open({file: copy, format: FORMAT, logger: silentLogger});
  await log.close();
  return log;
}
