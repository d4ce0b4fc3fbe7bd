/** axe-core inside a page, wherever it is drawn: its source is evaluated there, past every content security policy. */
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import type {Frame, Page} from 'playwright-core';
import * as z from 'zod';

const SOURCE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const Findings = z.array(
  z.object({
    id: z.string(),
    impact: z.string().nullable(),
    help: z.string(),
    nodes: z.array(z.object({html: z.string(), failureSummary: z.string().optional()})),
  }),
);

/** Rows of the editor's trees have label and description side by side, without a space or the comma that is heard between them. */
const EXCUSED_IN_TREES = ['label-content-name-mismatch'];

/** Findings that keep somebody from using the page, one line each. */
export function seriousFindings(frame: Frame): Promise<string[]> {
  return findingsIn(frame, 'html', []);
}

/** As `seriousFindings`, in the trees of the side bar. */
export function seriousTreeFindings(page: Page): Promise<string[]> {
  return findingsIn(page.mainFrame(), '.part.sidebar .pane-body', EXCUSED_IN_TREES);
}

async function findingsIn(frame: Frame, selector: string, excused: readonly string[]): Promise<string[]> {
  await frame.evaluate(SOURCE);
  const found = await frame.evaluate(
    `axe.run(${JSON.stringify(selector)}, {resultTypes: ['violations']}).then(({violations}) => violations.map(({id, impact, help, nodes}) =>
      ({id, impact, help, nodes: nodes.map(({html, failureSummary}) => ({html, failureSummary}))})))`,
  );
  return Findings.parse(found)
    .filter(({id, impact}) => (impact === 'serious' || impact === 'critical') && !excused.includes(id))
    .flatMap(({id, help, nodes}) =>
      nodes.map(({html, failureSummary}) => `${id}: ${help}: ${html.slice(0, 300)} ${failureSummary ?? ''}`),
    );
}

/** The frames in which the extension's pages are drawn at present. */
export async function webPageFrames(page: Page): Promise<Frame[]> {
  const shown: Frame[] = [];
  for (const frame of page.frames()) {
    if (frame.parentFrame() === null) continue;
    const element = await frame.frameElement();
    if ((await element.getAttribute('id')) === 'active-frame' && (await element.isVisible()))
      shown.push(frame);
  }
  return shown;
}
