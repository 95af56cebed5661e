import { createTransport } from 'nodemailer';
import PostalMime from 'postal-mime';
import { describe, expect, test } from 'vitest';
import { carriesLink, linkHeaders, linkTo, unsubscribeLinks, withLink } from '../../lib/do-not-email/link.ts';
import { kindNames, traitsOf } from '../../lib/message/kinds.ts';

const url = 'https://postern.example.com/unsubscribe/abc.def?x=1&y=2';

describe('the link in the body', () => {
  test('stands where the content asks for it, escaped in HTML', () => {
    const body = withLink({ text: 'Stop: {{unsubscribe_url}}', html: '<a href="{{ unsubscribe_url }}">stop</a>' }, url);
    expect(body.text).toBe(`Stop: ${url}`);
    expect(body.html).toBe('<a href="https://postern.example.com/unsubscribe/abc.def?x=1&amp;y=2">stop</a>');
  });

  test('is a footer in each part that does not ask for it', () => {
    const body = withLink({ text: 'Hello', html: '<html><body><p>Hello</p></body></html>' }, url);
    expect(body.text).toContain(`Hello\n\n-- \n`);
    expect(body.text).toContain(url);
    expect(body.html).toMatch(/<p>Hello<\/p><p lang="en".*<\/p><\/body><\/html>$/);
  });

  test('comes before the last end of the body, or at the end where there is none', () => {
    expect(withLink({ html: '<pre></body></pre></BODY></html>' }, url).html).toMatch(/<\/pre><p .*<\/p><\/BODY>/);
    expect(withLink({ html: '<p>Hello' }, url).html).toMatch(/^<p>Hello<p .*<\/p>$/);
  });

  test('speaks the language that the HTML declares', () => {
    const body = withLink({ text: 'Hallo', html: '<html lang="de-AT"><body>Hallo</body></html>' }, url);
    expect(body.text).toContain('abbestellen');
    expect(body.html).toContain('Abbestellen');
  });

  test('comes into no part that the mail has not', () => {
    expect(withLink({ text: 'Hello' }, url)).not.toHaveProperty('html');
    expect(withLink({ html: 'Hello' }, url)).not.toHaveProperty('text');
  });

  test('is not read as a pattern of the replacement', () => {
    expect(withLink({ text: '{{unsubscribe_url}}' }, "https://x.example/$&$'").text).toBe("https://x.example/$&$'");
  });
});

describe('which kinds carry it', () => {
  const links = unsubscribeLinks({
    publicUrl: 'https://postern.example.com',
    tokens: {
      sign: async ({ recipient, scope }) => `${Buffer.from(`${recipient} ${scope}`).toString('base64url')}.mac`,
      ...{ read: async () => undefined, signUndo: async () => '', readUndo: async () => undefined },
    },
  });

  test.each(kindNames)('%s', async (kind) => {
    const { body, headers } = await links(kind, 'Ana@example.com', { text: 'Hello {{unsubscribe_url}}' });
    expect(carriesLink[kind]).toBe(traitsOf(kind).class === 'ordinary');
    if (carriesLink[kind]) {
      const token = `${Buffer.from(`ana@example.com ${kind}`).toString('base64url')}.mac`;
      expect(body.text).toBe(`Hello https://postern.example.com/unsubscribe/${token}`);
      expect(headers['List-Unsubscribe']).toBe(`<https://postern.example.com/unsubscribe/${token}>`);
    } else {
      expect(body.text).toBe('Hello ');
      expect(headers).toEqual({});
    }
  });
});

describe('the header fields, as a real mail has them', () => {
  const sent = async (headers: Record<string, string>) => {
    const transport = createTransport({ streamTransport: true, buffer: true });
    const mail = { from: 'a@example.com', to: 'b@example.com', subject: 'x', text: 'x', headers };
    const { message } = await transport.sendMail(mail);
    const parsed = await PostalMime.parse(message as Buffer);
    const fields = (name: string) => parsed.headers.filter(({ key }) => key === name).map(({ value }) => value);
    return { fields, raw: String(message) };
  };

  test('are one field each, with one address in angle brackets', async () => {
    const long = linkTo('https://postern.example.com', `${'a'.repeat(700)}.${'b'.repeat(43)}`);
    const { fields } = await sent(linkHeaders(long));
    expect(fields('list-unsubscribe')).toEqual([`<${long}>`]);
    expect(fields('list-unsubscribe-post')).toEqual(['List-Unsubscribe=One-Click']);
  });

  test('stay ASCII where the public address is not, so that they are not encoded (trap 23)', async () => {
    const { fields, raw } = await sent(linkHeaders(linkTo('https://postfächer.example/grün', 'abc.def')));
    expect(fields('list-unsubscribe')).toEqual(['<https://xn--postfcher-z2a.example/gr%C3%BCn/unsubscribe/abc.def>']);
    expect(raw).not.toContain('=?');
  });
});
