import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** Chromium of the system; CHROMIUM_PATH names another one. */
const browserPath: string | undefined =
  process.env.CHROMIUM_PATH ??
  (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find(existsSync);

/**
 * True where a browser test must be left out. With CI=true nothing is left out: the test then fails for want of a
 * browser.
 */
export const withoutBrowser: boolean = browserPath === undefined && process.env.CI !== 'true';

if (withoutBrowser) console.log('Chromium is missing: the browser tests are left out (apt-get install chromium).');

/** It may reach this machine only, and does nothing of its own accord. */
const flags = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

let shared: Promise<Browser> | undefined;

/** A page in a browser context of its own, closed after the test. Console errors and page errors fail the test by `errors`. */
export const openPage = async (options: BrowserContextOptions = {}): Promise<{ page: Page; errors: string[] }> => {
  if (!browserPath) throw new Error('Chromium is missing, and CI=true leaves no test out.');
  shared ??= chromium.launch({ executablePath: browserPath, headless: true, args: flags });
  const context = await (await shared).newContext(options);
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  return { page, errors };
};

/** For `afterAll`: ends the browser of this file. */
export const closeBrowser = async (): Promise<void> => {
  await (await shared)?.close();
  shared = undefined;
};
