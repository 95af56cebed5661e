import { describe, expect, test } from 'vitest';
import { kindNames, traitsOf } from '../../lib/message/kinds.ts';
import { effectiveSender, hasSender, senderReasons } from '../../lib/message/sender.ts';
import { defaultSettings, type Settings } from '../../lib/settings/schema.ts';

/** Everything that the sender fields depend on, with every value that makes a difference. */
const dimensions = {
  kind: kindNames,
  from: ['none', 'address', 'named', 'house'],
  replyTo: ['none', 'address', 'named'],
  concealFrom: ['off', 'on'],
  concealReplyTo: ['off', 'on'],
  relay: ['basic', 'no-auth', 'xoauth2', 'xoauth2-send-as', 'sendmail'],
  houseReplyTo: ['none', 'set'],
} as const;
type Dimension = keyof typeof dimensions;
type Case = { [D in Dimension]: (typeof dimensions)[D][number] };
/** What is not named may be anything. */
type Rule = { [D in Dimension]?: readonly Case[D][] } & { shows: string };

const shares = kindNames.filter((kind) => traitsOf(kind).shareMail);
const systems = kindNames.filter((kind) => !traitsOf(kind).shareMail);
const freeRelays = ['basic', 'no-auth', 'xoauth2-send-as', 'sendmail'] as const;

const fromRules: Rule[] = [
  { kind: systems, shows: 'Files <files@example.com>' },
  { kind: shares, from: ['none'], shows: 'Files <files@example.com>' },
  { kind: shares, from: ['address', 'named', 'house'], concealFrom: ['on'], shows: 'Files <files@example.com>' },
  { kind: shares, from: ['address'], concealFrom: ['off'], relay: freeRelays, shows: 'Files <bo@example.org>' },
  { kind: shares, from: ['named'], concealFrom: ['off'], relay: freeRelays, shows: 'Bo <bo@example.org>' },
  { kind: shares, from: ['house'], concealFrom: ['off'], shows: 'Bo <Files@example.com>' },
  { kind: shares, from: ['address'], concealFrom: ['off'], relay: ['xoauth2'], shows: 'Files <files@example.com>' },
  {
    kind: shares,
    from: ['named'],
    concealFrom: ['off'],
    relay: ['xoauth2'],
    shows: 'Bo (via Files) <files@example.com>',
  },
];

const replyToRules: Rule[] = [
  { kind: systems, houseReplyTo: ['set'], shows: 'Help <help@example.com>' },
  { kind: systems, houseReplyTo: ['none'], shows: '' },
  { kind: shares, concealReplyTo: ['on'], houseReplyTo: ['set'], shows: 'Help <help@example.com>' },
  // Concealed, and no address to conceal it with: never the user's, so the settings' From where a user's From is shown.
  { kind: shares, concealReplyTo: ['on'], houseReplyTo: ['none'], from: ['none', 'house'], shows: '' },
  {
    kind: shares,
    concealReplyTo: ['on'],
    houseReplyTo: ['none'],
    from: ['address', 'named'],
    concealFrom: ['on'],
    shows: '',
  },
  {
    kind: shares,
    concealReplyTo: ['on'],
    houseReplyTo: ['none'],
    from: ['address', 'named'],
    concealFrom: ['off'],
    relay: ['xoauth2'],
    shows: '',
  },
  {
    kind: shares,
    concealReplyTo: ['on'],
    houseReplyTo: ['none'],
    from: ['address', 'named'],
    concealFrom: ['off'],
    relay: freeRelays,
    shows: 'Files <files@example.com>',
  },
  { kind: shares, concealReplyTo: ['off'], replyTo: ['named'], shows: 'Re <re@example.org>' },
  {
    kind: shares,
    concealReplyTo: ['off'],
    replyTo: ['address'],
    houseReplyTo: ['set'],
    shows: 'Help <re@example.org>',
  },
  { kind: shares, concealReplyTo: ['off'], replyTo: ['address'], houseReplyTo: ['none'], shows: '<re@example.org>' },
  // The user who cannot be From.
  {
    kind: shares,
    concealReplyTo: ['off'],
    replyTo: ['none'],
    from: ['named'],
    concealFrom: ['off'],
    relay: ['xoauth2'],
    shows: 'Bo <bo@example.org>',
  },
  {
    kind: shares,
    concealReplyTo: ['off'],
    replyTo: ['none'],
    from: ['address'],
    concealFrom: ['off'],
    relay: ['xoauth2'],
    shows: '<bo@example.org>',
  },
  // Nothing of the user's to show: the settings'.
  ...(['set', 'none'] as const).flatMap((houseReplyTo): Rule[] => {
    const rest = { kind: shares, concealReplyTo: ['off'], replyTo: ['none'], houseReplyTo: [houseReplyTo] } as const;
    const shows = houseReplyTo === 'set' ? 'Help <help@example.com>' : '';
    return [
      { ...rest, from: ['none', 'house'], shows },
      { ...rest, from: ['address', 'named'], concealFrom: ['on'], shows },
      { ...rest, from: ['address', 'named'], concealFrom: ['off'], relay: freeRelays, shows },
    ];
  }),
];

const cases = Object.entries(dimensions).reduce<Partial<Case>[]>(
  (some, [name, values]) => some.flatMap((it) => values.map((value) => ({ ...it, [name]: value }))),
  [{}],
) as Case[];

const settingsOf = ({ concealFrom, concealReplyTo, relay, houseReplyTo }: Case): Settings => ({
  ...defaultSettings,
  from: { address: 'files@example.com', name: 'Files', always: concealFrom === 'on' },
  replyTo: {
    ...(houseReplyTo === 'set' ? { address: 'help@example.com', name: 'Help' } : { address: '', name: '' }),
    always: concealReplyTo === 'on',
  },
  type: relay === 'sendmail' ? 'sendmail' : 'smtp',
  smtp: {
    ...defaultSettings.smtp,
    auth: {
      ...defaultSettings.smtp.auth,
      enabled: relay !== 'no-auth',
      // The sendmail case keeps what was once set up for SMTP: it must not matter there.
      type: relay === 'basic' ? 'basic' : 'xoauth2',
      sendAs: relay === 'xoauth2-send-as',
    },
  },
});

const froms = {
  none: undefined,
  address: { address: 'bo@example.org' },
  named: { address: 'bo@example.org', name: 'Bo' },
  house: { address: 'Files@example.com', name: 'Bo' },
};
const replyTos = {
  none: undefined,
  address: { address: 're@example.org' },
  named: { address: 're@example.org', name: 'Re' },
};

const senderOf = (it: Case) =>
  effectiveSender({ kind: it.kind, from: froms[it.from], replyTo: replyTos[it.replyTo], settings: settingsOf(it) });

const written = (mailbox: { address: string; name?: string | undefined } | undefined): string =>
  mailbox ? `${mailbox.name ? `${mailbox.name} ` : ''}<${mailbox.address}>` : '';

const ruleFor = (rules: Rule[], it: Case): Rule => {
  const fitting = rules.filter((rule) =>
    (Object.keys(dimensions) as Dimension[]).every((name) => {
      const allowed = rule[name] as readonly string[] | undefined;
      return allowed === undefined || allowed.includes(it[name]);
    }),
  );
  expect(fitting, `rules for ${JSON.stringify(it)}`).toHaveLength(1);
  return fitting[0]!;
};

describe('the effective sender, in every combination', () => {
  test('there are as many cases as combinations', () => {
    expect(cases).toHaveLength(7 * 4 * 3 * 2 * 2 * 5 * 2);
  });

  test('From is what the table says', () => {
    for (const it of cases) expect(written(senderOf(it).from), JSON.stringify(it)).toBe(ruleFor(fromRules, it).shows);
  });

  test('Reply-To is what the table says', () => {
    for (const it of cases) {
      expect(written(senderOf(it).replyTo), JSON.stringify(it)).toBe(ruleFor(replyToRules, it).shows);
    }
  });

  test('the envelope sender is always the settings’ address', () => {
    expect(new Set(cases.map((it) => senderOf(it).envelopeFrom))).toEqual(new Set(['files@example.com']));
  });

  test('with both conceal switches on, nothing of the user appears anywhere', () => {
    const concealed = cases.filter(
      ({ concealFrom, concealReplyTo }) => concealFrom === 'on' && concealReplyTo === 'on',
    );
    for (const it of concealed) {
      const { from, replyTo } = senderOf(it);
      expect(`${written(from)} ${written(replyTo)}`, JSON.stringify(it)).not.toMatch(/example\.org|Bo|Re/);
    }
  });

  test('two reasons are given with each, and each reason has its use', () => {
    const given = cases.map((it) => senderOf(it).why);
    for (const why of given) expect(why.map((key) => key.split('-')[0])).toEqual(['from', 'reply']);
    expect(new Set(given.flat())).toEqual(new Set(Object.keys(senderReasons)));
  });
});

test('a platform without a name is told by its domain in the name of a user who could not be From', () => {
  const settings = settingsOf({ ...cases[0]!, relay: 'xoauth2' });
  const from = { address: 'bo@example.org', name: 'Bo' };
  const nameless = { ...settings, from: { ...settings.from, name: '' } };
  expect(effectiveSender({ kind: 'share', from, settings: nameless }).from).toEqual({
    address: 'files@example.com',
    name: 'Bo (via example.com)',
  });
});

test('settings without a From address have no sender', () => {
  expect(hasSender(defaultSettings)).toBe(false);
  expect(hasSender(settingsOf(cases[0]!))).toBe(true);
});
