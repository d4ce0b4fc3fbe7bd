/** The task graph's page in a real browser, with a host of ours around it: how soon it draws, how smoothly it goes on, and whether it grows. */
import {readFile} from 'node:fs/promises';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Browser, Page} from 'playwright-core';
import * as z from 'zod';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import {pageHtml} from '../../extension/panels/pageHtml.ts';
import {changeAt, layeredPlan, sessionRow, taskRows} from './fleetRows.ts';

const SESSION = 's-graph';
const VIEWPORT = {width: 1440, height: 900};
const PAINT_LIMIT_MS = 60_000;
/** As often as a window tells its pages. */
const MESSAGE_MS = 50;
const MESSAGES_A_SECOND = 1000 / MESSAGE_MS;

/** Under which the page follows its topics. */
const Topics = z.object({plan: z.string(), session: z.string()});

const STAGE = fileURLToPath(new URL('graphStage.mjs', import.meta.url));

/** What graphStage.mjs puts into the page. */
interface Stage {
  readonly topics: unknown;
  firstPaint(args: unknown): Promise<number>;
  frameTimes(args: unknown): Promise<number[]>;
  replay(args: unknown): Promise<void>;
}

declare global {
  var stage: Stage;
}

export class GraphStage {
  private seq = 0;
  private step = 0;

  private constructor(
    private readonly server: Server,
    private readonly page: Page,
    private readonly tasks: number,
    private readonly topics: z.infer<typeof Topics>,
  ) {}

  /** Resolves when the page waits for its topics. */
  static async open(browser: Browser, web: string, tasks: number): Promise<GraphStage> {
    const server = await serve(web);
    const context = await browser.newContext({viewport: VIEWPORT});
    const page = await context.newPage();
    await page.addInitScript({path: STAGE});
    await page.goto(originOf(server));
    await page.waitForFunction('window.stage.topics.plan && window.stage.topics.session');
    const topics = await page.evaluate(() => globalThis.stage.topics);
    return new GraphStage(server, page, tasks, Topics.parse(topics));
  }

  async close(): Promise<void> {
    await this.page.context().close();
    this.server.close();
  }

  /** From the moment in which plan and rows are handed over to the first frame that shows the graph, in ms. */
  async firstPaintMs(): Promise<number> {
    const plan = layeredPlan(this.tasks);
    const rows: Row[] = [sessionRow(SESSION, this.tasks)];
    for (let index = 0; index < this.tasks; index++) rows.push(...taskRows(SESSION, index, 0));
    this.seq = 1;
    const {plan: planTopic, session} = this.topics;
    const messages = [
      feed(planTopic, 1, {kind: 'plan', plan}),
      feed(session, 1, {kind: 'rows', rows, revision: 1}),
    ];
    return await this.page.evaluate<number, unknown>(args => globalThis.stage.firstPaint(args), {
      messages,
      limitMs: PAINT_LIMIT_MS,
    });
  }

  /** Times between frames while so many tasks change each second, in ms. */
  async frameTimesMs(changesASecond: number, seconds: number): Promise<number[]> {
    const size = Math.round(changesASecond / MESSAGES_A_SECOND);
    const messages = this.messages(seconds * MESSAGES_A_SECOND, size);
    return await this.page.evaluate<number[], unknown>(args => globalThis.stage.frameTimes(args), {
      messages,
      everyMs: MESSAGE_MS,
    });
  }

  /** Hands so many messages over as fast as they are taken. */
  async replay(messages: number, size: number): Promise<void> {
    const share = 10;
    for (let sent = 0; sent < messages; sent += share) {
      const batch = this.messages(Math.min(share, messages - sent), size);
      await this.page.evaluate<void, unknown>(args => globalThis.stage.replay(args), {messages: batch});
    }
  }

  /** What the page's scripts hold after everything that can go has gone, in MiB. */
  async heapMiB(): Promise<number> {
    const devtools = await this.page.context().newCDPSession(this.page);
    await devtools.send('HeapProfiler.enable');
    for (let turn = 0; turn < 3; turn++) await devtools.send('HeapProfiler.collectGarbage');
    const {usedSize} = await devtools.send('Runtime.getHeapUsage');
    await devtools.detach();
    return usedSize / 1024 / 1024;
  }

  private messages(count: number, size: number): unknown[] {
    return Array.from({length: count}, () => {
      const upserts = Array.from({length: size}, () => {
        const {index, turn} = changeAt(this.step++, this.tasks);
        return taskRows(SESSION, index, turn);
      }).flat();
      this.seq += 1;
      return feed(this.topics.session, this.seq, {kind: 'changes', revision: this.seq, upserts, deletes: []});
    });
  }
}

/** Times between frames of a page that does nothing: what the browser and the machine can do. */
export async function emptyFrameTimesMs(browser: Browser, seconds: number): Promise<number[]> {
  const context = await browser.newContext({viewport: VIEWPORT});
  try {
    const page = await context.newPage();
    await page.addInitScript({path: STAGE});
    await page.goto('about:blank');
    const idle = Array.from({length: (seconds * 1000) / MESSAGE_MS}, () => ({}));
    return await page.evaluate<number[], unknown>(args => globalThis.stage.frameTimes(args), {
      messages: idle,
      everyMs: MESSAGE_MS,
    });
  } finally {
    await context.close();
  }
}

function feed(topicId: string, seq: number, event: unknown): unknown {
  return {kind: 'feed', message: {topicId, generation: 1, seq, event}};
}

/** The page as a panel has it, with its policy. */
async function serve(web: string): Promise<Server> {
  const server = createServer((request, response) => {
    const name = path.basename(request.url ?? '');
    const origin = originOf(server);
    if (name === '') {
      const urls = {scriptUri: `${origin}/page.js`, workerUri: `${origin}/layoutWorker.js`};
      response.writeHead(200, {'content-type': 'text/html'});
      response.end(pageHtml({cspSource: origin, nonce: 'bench', language: 'en', ...urls}));
      return;
    }
    readFile(path.join(web, name)).then(
      text => response.writeHead(200, {'content-type': 'text/javascript'}).end(text),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function originOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
