/** What a test in the extension host may ask of the page that draws the editor: the words between suite and stand-in. */
import * as z from 'zod';

/** Where the tests find the page's socket. Absent where nothing drives the window, as on a desktop. */
export const PAGE_VARIABLE = 'MCPX_TEST_PAGE';

/** An element: the first that matches, and with `hasText` the first that holds this text too. */
const Target = z.object({
  selector: z.string(),
  hasText: z.string().optional(),
  /** Selectors of nested frames, from the outermost: a webview has two. */
  frames: z.array(z.string()).optional(),
});
export type Target = z.infer<typeof Target>;

/** Default: `ACTION_LIMIT_MS`, which is also the longest. */
const limitMs = z.number().positive().optional();

export const PageAction = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('waitFor'), target: Target, state: z.enum(['visible', 'hidden']), limitMs}),
  z.object({kind: z.literal('click'), target: Target, limitMs}),
  z.object({kind: z.literal('drag'), target: Target, onto: Target, limitMs}),
  z.object({kind: z.literal('fill'), target: Target, text: z.string(), limitMs}),
  /** Of every element that matches. */
  z.object({kind: z.literal('texts'), target: Target}),
  z.object({kind: z.literal('attribute'), target: Target, name: z.string()}),
  /** Of every element that matches; empty where it has none. */
  z.object({kind: z.literal('attributes'), target: Target, name: z.string()}),
  /** As Playwright names keys: `F1`, `Control+Enter`. */
  z.object({kind: z.literal('press'), keys: z.string()}),
  z.object({kind: z.literal('type'), text: z.string()}),
  z.object({kind: z.literal('screenshot'), file: z.string()}),
]);
export type PageAction = z.infer<typeof PageAction>;

/** `texts` and `attributes` answer with all, `attribute` with one or none, everything else with none. */
export const PageAnswer = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('done'), values: z.array(z.string())}),
  z.object({kind: z.literal('failed'), message: z.string()}),
]);
export type PageAnswer = z.infer<typeof PageAnswer>;

/** Of one action; whoever asks must wait longer. */
export const ACTION_LIMIT_MS = 45_000;
