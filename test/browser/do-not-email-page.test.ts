import { randomBytes } from 'node:crypto';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, describe, expect, test } from 'vitest';
import { unsubscribeRoutes } from '../../functions/http/unsubscribe.ts';
import { auditLog } from '../../lib/audit/audit.ts';
import { systemClock } from '../../lib/clock.ts';
import { doNotEmailList } from '../../lib/do-not-email/list.ts';
import { signingKeys } from '../../lib/do-not-email/signing-keys.ts';
import { unsubscribeTokens } from '../../lib/do-not-email/token.ts';
import { closeBrowser, openPage, withoutBrowser } from '../helpers/browser.ts';
import { logLines } from '../helpers/http.ts';
import { routeServer } from '../helpers/route-server.ts';
import { ownStorage } from '../helpers/storage.ts';
import { ownVault } from '../helpers/vault.ts';

/** The page of Ana's link for share mail, opened, with the list behind it. */
const opened = async (options: BrowserContextOptions = {}) => {
  const { azure } = await ownStorage();
  const { secrets } = await ownVault();
  const clock = systemClock;
  const table = azure.table('donotemail');
  const list = doNotEmailList({ table, clock });
  const audit = auditLog({ table: azure.table('audit'), clock });
  const keys = signingKeys({ secrets, clock, makeKey: () => randomBytes(32) });
  const tokens = unsubscribeTokens({ keys, clock });
  const server = await routeServer(unsubscribeRoutes({ list, tokens, audit, clock, log: logLines().log }));
  const { page } = await openPage({ locale: 'en-GB', ...options });
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  const token = await tokens.sign({ recipient: 'ana@example.com', scope: 'share' });
  await page.goto(`${server.url}/unsubscribe/${token}`);
  return { page, list, table, complaints, asked: server.asked };
};

afterAll(closeBrowser);

describe.skipIf(withoutBrowser)('the unsubscribe page in a browser', () => {
  test('works without script: unsubscribes from all mail, and takes it back', async () => {
    const { page, list } = await opened({ javaScriptEnabled: false });
    expect(await list.get('ana@example.com')).toBeUndefined();
    await page.getByRole('radio', { name: 'All mail from this service' }).check();
    await page.getByRole('button', { name: 'Unsubscribe' }).click();
    await page.getByRole('heading', { name: 'You are unsubscribed' }).waitFor();
    expect(await list.get('ana@example.com')).toMatchObject({ scope: 'all', source: 'unsubscribe-page' });
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('heading', { name: 'Undone' }).waitFor();
    expect(await list.get('ana@example.com')).toBeUndefined();
    expect(await page.context().cookies()).toEqual([]);
  });

  test('stops only this kind unless more is chosen, by keyboard alone', async () => {
    const { page, list } = await opened();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'You are unsubscribed' }).waitFor();
    expect(await list.get('ana@example.com')).toMatchObject({ scope: ['share'] });
  });

  test('loads nothing else, runs within its own policy, and acts only when asked', async () => {
    const { page, complaints, asked } = await opened();
    await page.waitForLoadState('networkidle');
    expect(asked.filter((it) => !it.includes('favicon'))).toHaveLength(1);
    expect(complaints.filter((it) => !it.includes('favicon') && !it.includes('404'))).toEqual([]);
    expect(await styleOf(page, 'body', 'fontSize')).toBe('17px');
  });

  test('speaks the browser’s language', async () => {
    const { page } = await opened({ locale: 'de-DE' });
    expect(await page.locator('html').getAttribute('lang')).toBe('de');
    await page.getByRole('button', { name: 'Abbestellen' }).click();
    await page.getByRole('heading', { name: 'Abbestellt' }).waitFor();
  });

  test('says it where the choice could not be saved', async () => {
    const { page, table } = await opened();
    await table.deleteTable();
    await page.getByRole('button', { name: 'Unsubscribe' }).click();
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toContain('could not be saved');
  });

  test.each(['light', 'dark'] as const)('can be read and operated by all: %s', async (colorScheme) => {
    const { page } = await opened({ colorScheme, viewport: { width: 320, height: 640 } });
    const paper = await colour(page, 'body', 'backgroundColor');
    expect(luminance(paper) < 0.5).toBe(colorScheme === 'dark');
    expect(contrast(await colour(page, 'h1', 'color'), paper)).toBeGreaterThan(7);
    const button = [await colour(page, 'button', 'color'), await colour(page, 'button', 'backgroundColor')] as const;
    expect(contrast(...button)).toBeGreaterThan(4.5);
    expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1);
    expect(await page.getByRole('group', { name: 'What should stop?' }).getByRole('radio').count()).toBe(2);
    const box = await page.getByRole('button').boundingBox();
    expect(box?.height).toBeGreaterThanOrEqual(44);
    const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    expect(overflow).toBeLessThanOrEqual(0);
  });
});

type Colour = [number, number, number];

/** Evaluated as text, since the types of the browser are not those of the project. */
const styleOf = (page: Page, selector: string, property: string): Promise<string> =>
  page.evaluate(`getComputedStyle(document.querySelector('${selector}')).${property}`);

const colour = async (page: Page, selector: string, property: 'color' | 'backgroundColor'): Promise<Colour> => {
  const text = await styleOf(page, selector, property);
  return (text.match(/\d+/g) ?? []).slice(0, 3).map(Number) as Colour;
};

/** WCAG 2.2, relative luminance and contrast ratio. */
const luminance = (rgb: Colour): number => {
  const [r, g, b] = rgb.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as Colour;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};

const contrast = (one: Colour, other: Colour): number => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (light + 0.05) / (dark + 0.05);
};
