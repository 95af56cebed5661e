import { afterAll, describe, expect, test } from 'vitest';
import { closeBrowser, openPage, withoutBrowser } from '../helpers/browser.ts';
import { bundledStack } from '../helpers/bundled-stack.ts';
import { plainClient, tomorrow } from '../helpers/producer.ts';

describe.skipIf(withoutBrowser)('the way of a newcomer', () => {
  afterAll(closeBrowser);
  const stack = bundledStack();

  test('puts a mail on the queue, reads it in the inbox, signs in and sees it in the history', async () => {
    const { client, settled, variable } = stack();
    const mail = {
      kind: 'share',
      to: [{ address: 'ana@example.com' }],
      from: { address: 'bo@example.com', name: 'Bo' },
      subject: 'Bo shared “Plans” with you',
      text: 'See the plans.',
      html: '<p>See the <b>plans</b>.</p>',
      expiresAt: tomorrow(),
    };
    const { page, errors } = await openPage();
    await page.goto(variable('INBOX_URL'));
    await client(plainClient('mail', JSON.stringify({ v: 1, mail })));
    // The page is told of the arrival; nobody reloads it.
    await page.getByText('Bo shared “Plans” with you').first().click();
    await page.frameLocator('iframe').getByText('See the plans.').waitFor();
    await settled('ana@example.com', 'sent');

    await page.goto(`${variable('POSTERN_URL')}/.auth/login?post_login_redirect_uri=/api/messages`);
    await page.getByRole('button', { name: 'Sign in as master admin', exact: true }).click();
    expect(new URL(page.url()).pathname).toBe('/api/messages');
    const history = JSON.parse((await page.locator('body').textContent()) ?? '');
    expect(history.items).toMatchObject([{ to: 'ana@example.com', state: 'sent' }]);

    // With the browser's own session, as the admin page would ask.
    const origin = variable('POSTERN_URL');
    const tried = await page.request.post(`${origin}/api/test-email`, { headers: { origin }, data: {} });
    expect(await tried.json()).toMatchObject({ sent: true, delivery: { to: { address: 'mara@example.com' } } });
    await page.goto(variable('INBOX_URL'));
    await page.getByText('Test of the mail settings').first().waitFor();
    expect(errors).toEqual([]);
  });
});
