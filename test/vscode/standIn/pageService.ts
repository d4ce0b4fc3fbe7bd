/** Lets the suite, which runs in the extension host, act on the page: one action a request over a local socket. */
import {once} from 'node:events';
import {createServer, type Server} from 'node:http';
import {text} from 'node:stream/consumers';
import {ACTION_LIMIT_MS, PageAction, type PageAnswer, type Target} from '../pageActions.ts';
import type {Locator, Page} from './playwright.ts';

/** `page` is asked for when the first action comes, since the server starts before it. */
export async function servePage(socket: string, page: () => Page | undefined): Promise<Server> {
  const server = createServer((request, response) => {
    answer(text(request), page()).then(
      result => response.end(JSON.stringify(result)),
      error => response.destroy(error instanceof Error ? error : undefined),
    );
  });
  server.listen(socket);
  await once(server, 'listening');
  return server;
}

async function answer(request: Promise<string>, page: Page | undefined): Promise<PageAnswer> {
  try {
    if (!page) throw new Error('there is no page yet');
    return {kind: 'done', values: await act(page, PageAction.parse(JSON.parse(await request)))};
  } catch (error) {
    return {kind: 'failed', message: error instanceof Error ? error.message : String(error)};
  }
}

const DRAG_MOVES = 4;
const DRAG_MS = 500;

const LIMIT = {timeout: ACTION_LIMIT_MS};

function limit({limitMs = ACTION_LIMIT_MS}: {limitMs?: number | undefined}): {timeout: number} {
  return {timeout: Math.min(limitMs, ACTION_LIMIT_MS)};
}

async function act(page: Page, action: PageAction): Promise<string[]> {
  switch (action.kind) {
    case 'waitFor':
      await locate(page, action.target)
        .first()
        .waitFor({...limit(action), state: action.state});
      return [];
    case 'click':
      await locate(page, action.target).first().click(limit(action));
      return [];
    case 'drag':
      await drag(page, action.target, action.onto, limit(action));
      return [];
    case 'fill':
      await locate(page, action.target).first().fill(action.text, limit(action));
      return [];
    case 'texts':
      return await locate(page, action.target).allInnerTexts();
    case 'attribute': {
      const value = await locate(page, action.target).first().getAttribute(action.name, LIMIT);
      return value === null ? [] : [value];
    }
    case 'attributes':
      return await locate(page, action.target).evaluateAll(
        (elements, name) => elements.map(element => element.getAttribute(name) ?? ''),
        action.name,
      );
    case 'press':
      await page.keyboard.press(action.keys);
      return [];
    case 'type':
      await page.keyboard.type(action.text);
      return [];
    case 'screenshot':
      await page.screenshot({...LIMIT, path: action.file});
      return [];
  }
}

/** As slowly as a hand: the editor asks the extension what is dragged, and forgets it when that is dropped before. */
async function drag(page: Page, target: Target, onto: Target, options: {timeout: number}): Promise<void> {
  await locate(page, target).first().hover(options);
  await page.mouse.down();
  const place = locate(page, onto).first();
  for (let moves = 0; moves < DRAG_MOVES; moves++) {
    await place.hover(options);
    await page.waitForTimeout(DRAG_MS);
  }
  await page.mouse.up();
}

function locate(page: Page, {frames = [], selector, hasText}: Target): Locator {
  const frame = frames.reduce<Pick<Page, 'locator' | 'frameLocator'>>(
    (outer, inner) => outer.frameLocator(inner),
    page,
  );
  const all = frame.locator(selector);
  return hasText === undefined ? all : all.filter({hasText});
}
