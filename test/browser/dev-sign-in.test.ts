import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { startGate } from '../../dev/auth/gate.ts';
import { closeBrowser, openPage, withoutBrowser } from '../helpers/browser.ts';
import { runApp } from '../helpers/functions-app.ts';

afterAll(closeBrowser);

const site = async () => {
  const app = await runApp(`app.http('portal', { route: 'portal/{*rest}', methods: ['GET'], handler: (request) => ({
    headers: { 'content-type': 'text/html' },
    body: '<title>portal</title><link rel="icon" href="data:,"><p>' + (request.user ? request.user.username : 'nobody') + '</p>' }) });`);
  const hosts = [Number(new URL(app.url).port)];
  const gate = await startGate({ port: 0, hosts, tokens: {}, sessionKey: 'k' });
  onTestFinished(() => gate.close());
  return gate.url;
};

describe.skipIf(withoutBrowser)('the sign-in page', () => {
  test('signs in as each of the three, without script, and goes where the visitor wanted to', async () => {
    const url = await site();
    const { page } = await openPage({ javaScriptEnabled: false });
    const wanted = encodeURIComponent('/portal/settings');
    for (const [button, name] of [
      ['Sign in as master admin', 'mara@example.com'],
      ['Sign in as admin', 'adam@example.com'],
      ['Sign in as service', 'platform-service'],
    ] as const) {
      await page.goto(`${url}/.auth/login/aad?post_login_redirect_uri=${wanted}`);
      await page.getByRole('button', { name: button, exact: true }).click();
      expect(page.url()).toBe(`${url}/portal/settings`);
      expect(await page.locator('p').textContent()).toBe(name);
    }
    await page.goto(`${url}/.auth/login?post_login_redirect_uri=/portal/`);
    expect(await page.getByRole('status').textContent()).toContain('platform-service');
    await page.getByRole('button', { name: 'Sign out' }).click();
    expect(await page.locator('p').textContent()).toBe('nobody');
  });

  test('signs in somebody else with a name, an address and a role', async () => {
    const url = await site();
    const { page, errors } = await openPage();
    await page.goto(`${url}/.auth/login?post_login_redirect_uri=/portal/`);
    await page.getByLabel('Name').fill('Zoë <b>');
    await page.getByLabel('E-mail address').fill('zoe@example.com');
    await page.getByLabel('Role').selectOption('Mail.Admin');
    await page.getByRole('button', { name: 'Sign in with this name' }).click();
    expect(await page.locator('p').textContent()).toBe('zoe@example.com');
    await page.goto(`${url}/.auth/login`);
    expect(await page.getByRole('status').textContent()).toBe('You are zoe@example.com (Mail.Admin).');
    expect(errors).toEqual([]);
  });

  test('the keyboard alone is enough', async () => {
    const url = await site();
    const { page } = await openPage();
    await page.goto(`${url}/.auth/login`);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForURL(`${url}/`);
    expect(await page.getByRole('status').textContent()).toBe('You are adam@example.com (Mail.Admin).');
  });
});
