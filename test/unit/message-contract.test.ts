import { describe, expect, test } from 'vitest';
import { emailAddress, parseAddress } from '../../lib/message/address.ts';
import { bodyHash, type Mail, maxContentBytes, queueSchema } from '../../lib/message/contract.ts';
import { parseQueueBody } from '../../lib/message/queue-body.ts';

const ana = { address: 'ana@example.com', name: 'Ana' };
const plain = { kind: 'share', to: [ana], subject: 'Plans', text: 'Hello' };
const read = (mail: unknown) => parseQueueBody(JSON.stringify({ v: 1, mail }));
const mailOf = (mail: unknown): Mail => {
  const result = read(mail);
  if ('faults' in result) throw new Error(JSON.stringify(result.faults));
  return result.body.mail;
};
const faultsOf = (body: unknown) => {
  const result = parseQueueBody(body);
  return 'faults' in result ? result.faults.map(({ path, reason }) => `${path}: ${reason}`) : [];
};

describe('a body that is by the contract', () => {
  test('is read with everything that it says', () => {
    const full = {
      kind: 'share',
      key: 'share-8841-ana',
      to: [ana],
      from: { address: 'bo@example.com', name: 'Bo' },
      replyTo: { address: 'bo@example.com' },
      subject: 'Bo shared “Plans” with you',
      text: '…',
      html: '<p>…</p>',
      attachments: [{ name: 'plan.pdf', contentType: 'application/pdf', content: 'JVBERg==', contentId: 'plan' }],
      expiresAt: '2026-11-23T00:00:00Z',
      notBefore: '2026-11-22T00:00:00+01:00',
      ref: { share: '8841' },
    };
    expect(mailOf(full)).toEqual(full);
  });

  test('may have been parsed by the Functions library already', () => {
    expect(parseQueueBody({ v: 1, mail: plain })).toEqual({ body: { v: 1, mail: plain } });
  });

  test('mails one mailbox once, however often and in whatever spelling it is named', () => {
    const to = ['Ana@Example.com', ' ana@example.com', 'bo@example.com', 'ANA@EXAMPLE.COM'].map((address) => ({
      address,
    }));
    expect(mailOf({ ...plain, to }).to).toEqual([{ address: 'Ana@example.com' }, { address: 'bo@example.com' }]);
  });

  test('may have 1,000 recipients', () => {
    const to = Array.from({ length: 1000 }, (_, n) => ({ address: `a${n}@example.com` }));
    expect(mailOf({ ...plain, to }).to).toHaveLength(1000);
  });

  test('may bring its content by a blob', () => {
    const { text: _, ...rest } = plain;
    expect(mailOf({ ...rest, content: { blob: 'share/8841.json' } }).content).toEqual({ blob: 'share/8841.json' });
  });
});

describe('a body that is not by the contract is refused with the place and the reason', () => {
  test.each<[string, unknown, string[]]>([
    ['an empty text', '', [': The text is empty; JSON was expected.']],
    ['no JSON', 'hello', [': The text is not valid JSON at line 1, column 1.']],
    ['JSON cut off', '{"v": 1,\n "mail": {"kind"', [': The text ends too early at line 2, column 17.']],
    ['a comma too many', '{"v": 1,}', [': The text is not valid JSON at line 1, column 9.']],
    ['a number', '7', [': must be an object']],
    ['nothing', null, [': must be an object']],
    ['no version', { mail: plain }, ['v: is required']],
    ['another version', { v: 2, mail: plain }, ['v: must be 1']],
    ['properties beside mail', { v: 1, mail: plain, dequeueCount: 0 }, ['dequeueCount: is not a known field']],
  ])('%s', (_, body, faults) => {
    expect(faultsOf(body)).toEqual(faults);
  });

  const kinds = 'share, file-change, error, notice, password-recovery, two-factor, test';
  test.each<[string, Record<string, unknown>, string[]]>([
    ['an unknown kind', { kind: 'spam' }, [`mail.kind: must be one of ${kinds}`]],
    ['no recipients', { to: [] }, ['mail.to: must have at least 1 entry']],
    ['no list of recipients', { to: undefined }, ['mail.to: is required']],
    [
      '1,001 recipients',
      { to: Array.from({ length: 1001 }, (_, n) => ({ address: `a${n}@example.com` })) },
      ['mail.to: must have at most 1000 recipients; split the message'],
    ],
    [
      'a line break in the subject',
      { subject: 'a\r\nBcc: x@example.com' },
      ['mail.subject: must be a single line without control characters'],
    ],
    [
      'a Unicode line separator in the subject',
      { subject: 'a\u2028b' },
      ['mail.subject: must be a single line without control characters'],
    ],
    [
      'a line break in a name',
      { to: [{ ...ana, name: 'Ana\nBcc: x' }] },
      ['mail.to.0.name: must be a single line without control characters'],
    ],
    [
      'a subject beyond a header line',
      { subject: 'x'.repeat(999) },
      ['mail.subject: must have at most 998 characters'],
    ],
    ['an unknown field', { bcc: [ana] }, ['mail.bcc: is not a known field']],
    [
      'an unknown field of a recipient',
      { to: [{ ...ana, path: '/etc/passwd' }] },
      ['mail.to.0.path: is not a known field'],
    ],
    ['no body', { text: undefined }, ['mail.text: is required where there is neither html nor content']],
    [
      'content twice',
      { content: { blob: 'a' } },
      ['mail.content: must stand alone: give content by blob or inline, not both'],
    ],
    [
      'a blob of another container',
      { text: undefined, content: { blob: 'a/../../secret/b' } },
      ['mail.content.blob: must not have empty or dot-only parts'],
    ],
    [
      'an attachment by path',
      { attachments: [{ name: 'a', path: '/etc/passwd' }] },
      ['mail.attachments.0.content: is required', 'mail.attachments.0.path: is not a known field'],
    ],
    [
      'an attachment that is not Base64',
      { attachments: [{ name: 'a', content: '*' }] },
      ['mail.attachments.0.content: must be Base64'],
    ],
    [
      'an attachment whose name is a path',
      { attachments: [{ name: '../a', content: '' }] },
      ['mail.attachments.0.name: give a file name without a path'],
    ],
    [
      'a header in a media type',
      { attachments: [{ name: 'a', content: '', contentType: 'a/b\r\nX: y' }] },
      ['mail.attachments.0.contentType: give a media type such as application/pdf'],
    ],
    [
      'a time without zone',
      { expiresAt: '2026-11-23T00:00:00' },
      ['mail.expiresAt: must be a time with its zone, such as 2026-11-30T12:00:00Z'],
    ],
    [
      'too many references',
      { ref: Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`k${n}`, 'v'])) },
      ['mail.ref: must have at most 20 entries'],
    ],
  ])('%s', (_, change, faults) => {
    expect(faultsOf({ v: 1, mail: { ...plain, ...change } })).toEqual(faults);
  });

  test('more content than 10 MB, attachments counted by their bytes and not by their Base64', () => {
    const most = Buffer.alloc(maxContentBytes - Buffer.byteLength(plain.text)).toString('base64');
    expect(mailOf({ ...plain, attachments: [{ name: 'a', content: most }] }).attachments).toHaveLength(1);
    expect(faultsOf({ v: 1, mail: { ...plain, html: '!', attachments: [{ name: 'a', content: most }] } })).toEqual([
      'mail.content: must be at most 10000000 bytes, attachments included',
    ]);
  });

  test('every fault is told, not the first alone', () => {
    expect(
      faultsOf({ v: 1, mail: { ...plain, kind: 'x', to: [{ address: 'a b@example.com' }, { address: '' }] } }),
    ).toEqual([`mail.kind: must be one of ${kinds}`, 'mail.to.0.address: has a space', 'mail.to.1.address: is empty']);
  });

  test('the visible row still learns who and what it was about, in printable form', () => {
    const to = [{ address: 'ana@example.com\r\nRCPT TO:<x@example.com>' }, 'bo@example.com', 7, { name: 'nobody' }];
    expect(parseQueueBody({ v: 1, mail: { kind: 'notice', key: 'k', subject: 'a\nb', to } })).toMatchObject({
      kind: 'notice',
      key: 'k',
      subject: 'a b',
      to: ['ana@example.com RCPT TO:<x@example.com>', 'bo@example.com'],
    });
    expect(parseQueueBody('{"v":1,')).toMatchObject({ to: [] });
    expect(parseQueueBody({ v: 1, mail: { kind: 'toString', to: 'x' } })).not.toHaveProperty('kind');
  });

  test('a refusal never quotes what was sent', () => {
    expect(JSON.stringify(faultsOf('{"password": hunter2}'))).not.toContain('hunter2');
  });
});

describe('an address', () => {
  test.each([
    ['a@b.de\r\nRCPT TO:<x@y.z>', 'has a line break or control character'],
    ['a@b.de\n', 'has a line break or control character'],
    ['a@b.de\0', 'has a line break or control character'],
    ['a@b.de,c@d.de', 'has a comma or semicolon; give one address each'],
    ['a@b.de;c@d.de', 'has a comma or semicolon; give one address each'],
    ['"a b"@c.de', 'has a space'],
    ['"ab"@c.de', 'has quotes, brackets or a colon; give the bare address'],
    ['Ana<a@b.de>', 'has quotes, brackets or a colon; give the bare address'],
    ['a@b@c.de', 'is not of the form name@domain'],
    ['@b.de', 'is not of the form name@domain'],
    ['a@', 'has no valid domain'],
    ['a@b_c.de', 'has no valid domain'],
    ['a@[127.0.0.1]', 'has quotes, brackets or a colon; give the bare address'],
    ['-oQ/tmp@b.de', 'begins with a hyphen'],
    ['a..b@c.de', 'has a misplaced dot'],
    [`${'a'.repeat(65)}@b.de`, 'has more than 64 bytes before the @'],
    ['', 'is empty'],
  ])('%j is refused', (text, reason) => {
    expect(parseAddress(text)).toEqual({ reason });
    expect(emailAddress.safeParse(text).error?.issues[0]?.message).toBe(reason);
  });

  test.each([
    [' Ana@Example.COM ', 'Ana@example.com'],
    ['a+b@example.com', 'a+b@example.com'],
    ['jürgen@müller.example', 'jürgen@xn--mller-kva.example'],
  ])('%j is taken as %j', (text, address) => {
    expect(parseAddress(text)).toEqual({ address });
    expect(emailAddress.parse(text)).toBe(address);
  });
});

describe('the hash of a body', () => {
  test('is the same whatever the key and the order of the fields', () => {
    const reordered = {
      text: 'Hello',
      subject: 'Plans',
      to: [{ name: 'Ana', address: 'ana@example.com' }],
      kind: 'share',
    };
    expect(bodyHash(mailOf({ ...plain, key: 'a' }))).toBe(bodyHash(mailOf({ ...reordered, key: 'b' })));
  });

  test.each([
    { subject: 'Plan' },
    { text: 'Hello ' },
    { kind: 'notice' },
    { to: [{ address: 'ana@example.com' }] },
    { to: [ana, { address: 'bo@example.com' }] },
    { ref: { a: '1' } },
    { html: 'x' },
  ])('is another with %j', (change) => {
    expect(bodyHash(mailOf({ ...plain, ...change }))).not.toBe(bodyHash(mailOf(plain)));
  });
});

test('the published JSON Schema names every field, and none that the contract does not have', () => {
  const schema = queueSchema() as {
    required: string[];
    additionalProperties: boolean;
    $defs: Record<string, { properties: object }>;
  };
  expect(schema.required).toEqual(['v', 'mail']);
  expect(schema.additionalProperties).toBe(false);
  expect(Object.keys(schema.$defs.Mail?.properties ?? {}).sort()).toEqual([
    'attachments',
    'content',
    'expiresAt',
    'from',
    'html',
    'key',
    'kind',
    'notBefore',
    'ref',
    'replyTo',
    'subject',
    'text',
    'to',
  ]);
});
