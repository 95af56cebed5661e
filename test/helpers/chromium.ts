import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';

const places = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

const executablePath = places.find((place) => place !== undefined && existsSync(place));

/** It may reach this machine only, and does nothing of its own accord. */
const args = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/**
 * Whether tests in a browser can run. In a pipeline (CI=true) a missing Chromium fails them; on the machine of somebody
 * who has none they are left out with a line that says so.
 */
export const hasBrowser = (): boolean => {
  if (executablePath) return true;
  if (process.env.CI === 'true') throw new Error('Chromium is missing: install it or set CHROMIUM_PATH');
  console.warn('Browser tests are not run: Chromium is missing (install it or set CHROMIUM_PATH)');
  return false;
};

/** Runs `use` with a page in a browser of its own. What the page throws or logs as an error fails the test. */
export const withBrowser = async (use: (page: Page, browser: Browser) => Promise<void>): Promise<void> => {
  if (!executablePath) throw new Error('Chromium is missing');
  const browser = await chromium.launch({ executablePath, args });
  try {
    const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    await use(page, browser);
    if (faults.length > 0) throw new Error(`The page threw: ${faults.join('; ')}`);
  } finally {
    await browser.close();
  }
};
