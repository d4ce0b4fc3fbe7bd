/** The few things that we ask of Playwright. It is no dependency of this package, so its own types are not at hand. */
import {createRequire} from 'node:module';
import path from 'node:path';
import * as z from 'zod';

export interface WaitOptions {
  readonly state: 'visible' | 'hidden';
  readonly timeout: number;
}

export interface Locator {
  filter(options: {readonly hasText: string}): Locator;
  first(): Locator;
  locator(selector: string): Locator;
  frameLocator(selector: string): FrameLocator;
  waitFor(options: WaitOptions): Promise<void>;
  click(options: {readonly timeout: number}): Promise<void>;
  hover(options: {readonly timeout: number}): Promise<void>;
  fill(text: string, options: {readonly timeout: number}): Promise<void>;
  allInnerTexts(): Promise<string[]>;
  evaluateAll<T, A>(
    inPage: (elements: {getAttribute(name: string): string | null}[], argument: A) => T,
    argument: A,
  ): Promise<T>;
  getAttribute(name: string, options: {readonly timeout: number}): Promise<string | null>;
}

export interface FrameLocator {
  locator(selector: string): Locator;
  frameLocator(selector: string): FrameLocator;
}

export interface Page extends FrameLocator {
  readonly keyboard: {press(keys: string): Promise<void>; type(text: string): Promise<void>};
  readonly mouse: {down(): Promise<void>; up(): Promise<void>};
  waitForTimeout(ms: number): Promise<void>;
  goto(url: string, options: {readonly timeout: number}): Promise<unknown>;
  exposeFunction(name: string, callback: (...args: never[]) => unknown): Promise<void>;
  screenshot(options: {readonly path: string; readonly timeout: number}): Promise<unknown>;
  on(event: 'crash', listener: () => void): unknown;
}

export interface BrowserContext {
  grantPermissions(permissions: readonly string[], options: {readonly origin: string}): Promise<void>;
  newPage(): Promise<Page>;
}

export interface Browser {
  newContext(options: {
    readonly viewport: {readonly width: number; readonly height: number};
  }): Promise<BrowserContext>;
  close(): Promise<void>;
}

interface Chromium {
  launch(options: Readonly<Record<string, unknown>>): Promise<Browser>;
}

const Playwright = z.object({
  chromium: z.custom<Chromium>(value => typeof value === 'object' && value !== null && 'launch' in value),
});

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const LAUNCH_LIMIT_MS = 120_000;

/** `playwright` is the folder of `playwright-core`. */
export function launchBrowser(playwright: string, executable: string): Promise<Browser> {
  const {chromium} = Playwright.parse(createRequire(path.join(playwright, 'package.json'))(playwright));
  return chromium.launch({
    executablePath: executable,
    headless: true,
    args: ARGUMENTS,
    timeout: LAUNCH_LIMIT_MS,
    // Whoever starts us ends us, and we close it.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
}
