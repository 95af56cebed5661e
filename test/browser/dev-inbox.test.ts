import { createTransport } from 'nodemailer';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MailStack, startMail } from '../../dev/mail.ts';
import { closeBrowser, openPage, withoutBrowser } from '../helpers/browser.ts';
import { trustedCertificates } from '../helpers/relay.ts';

let mail: MailStack;

beforeAll(async () => {
  const { cert, key } = await trustedCertificates();
  mail = await startMail({ cert, key });
});
afterAll(() => Promise.all([mail.close(), closeBrowser()]));

const send = async (subject: string, html?: string) => {
  const mailer = createTransport({ host: 'localhost', port: mail.smtp.ports.smtp });
  const body = { text: `Text of ${subject}`, ...(html === undefined ? {} : { html }) };
  await mailer.sendMail({ from: 'bo@example.com', to: 'ana@example.com', subject, ...body });
  mailer.close();
};

describe.skipIf(withoutBrowser)('the inbox page', () => {
  test('shows a mail as it arrives, in all its views, and runs nothing of it', async () => {
    const { page, errors } = await openPage();
    await page.goto(mail.inboxUrl);
    await page.getByText('No mail yet').waitFor();
    await page.getByText('live', { exact: true }).waitFor();
    await send(
      '<b>Bold</b> & more',
      '<p>Shown</p><script>top.document.title = "taken"</script><img src=x onerror="top.taken=1">',
    );
    await page.getByRole('listitem').getByText('<b>Bold</b> & more').click();
    await frameOf(page).getByText('Shown').waitFor();
    expect(await page.title()).toBe('Inbox');
    expect(await page.evaluate('window.taken')).toBeUndefined();

    await page.getByRole('tab', { name: 'Text' }).click();
    await page.getByRole('tabpanel').getByText('Text of <b>Bold</b> & more').waitFor();
    await page.keyboard.press('ArrowRight');
    await page.getByRole('tabpanel').getByText('from: bo@example.com').waitFor();
    await page.getByRole('tab', { name: 'Raw' }).click();
    await page.getByRole('tabpanel').getByText('MIME-Version: 1.0').waitFor();
    expect(await page.locator('#reader b').count()).toBe(0);
    // The browser tells of what it did not let the mail do, and of nothing else.
    expect(errors.filter((it) => !/^(Blocked script|Loading the image)/.test(it))).toEqual([]);
  });

  test('filters, and deletes all', async () => {
    const { page, errors } = await openPage();
    await send('Apples');
    await send('Pears');
    await page.goto(mail.inboxUrl);
    await page.getByRole('searchbox').fill('pear');
    await expect.poll(() => page.getByRole('listitem').count()).toBe(1);
    await page.getByRole('searchbox').fill('');
    await page.getByRole('listitem').getByText('Apples').click();
    await page.getByRole('heading', { name: 'Apples' }).waitFor();
    expect(await page.getByRole('tab', { name: 'HTML' }).isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Delete all' }).click();
    await page.getByText('No mail yet').waitFor();
    expect(mail.store.list()).toEqual([]);
    expect(await page.locator('#reader').isVisible()).toBe(false);
    expect(errors).toEqual([]);
  });
});

const frameOf = (page: Page): FrameLocator => page.frameLocator('iframe');
