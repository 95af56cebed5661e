import { expect, test } from 'vitest';
import { aadsts, classifyRefusal } from '../../lib/oauth/aadsts.ts';
import { type RemedyKey, remedies } from '../../lib/relay/remedies.ts';
import { replies } from '../../lib/relay/replies.ts';
import { complaints, exits } from '../../lib/relay/sysexits.ts';
import { transportFaults } from '../../lib/relay/transport-faults.ts';

/** What MSAL and the OAuth protocol themselves refuse with, without an AADSTS code. */
const bare = ['invalid_grant', 'network_error', 'server_error'].map((error) => classifyRefusal({ error }).remedy);
const used = new Set(
  [
    ...[...replies, ...transportFaults, ...exits, ...complaints, ...Object.values(aadsts)].map((row) => row.remedy),
    ...bare,
    // Found by the classifier itself, where what answers is no mail server.
    'not-smtp' as const,
  ].filter((key) => key !== undefined),
);

test('every remedy that a row names exists, and every remedy is named by a row', () => {
  expect([...used].sort()).toEqual(Object.keys(remedies).sort());
});

test.each(Object.entries(remedies))('%s says what it means, what to do and how long it takes', (_, remedy) => {
  expect(remedy.title).toMatch(/^\S.{5,70}[^.]$/);
  expect(remedy.means).toMatch(/\.$/);
  expect(remedy.takes).toMatch(/\.$/);
  expect(remedy.doThis.length).toBeGreaterThan(0);
  for (const step of remedy.doThis) expect(step).not.toMatch(/^\s|\s$|\n/);
});

const words = (key: RemedyKey) => remedies[key].doThis.join(' ');

test('SMTP AUTH: the check box that is ticked means off', () => {
  expect(words('smtp-auth-off-for-tenant')).toContain('UNTICK "Turn off SMTP AUTH protocol for your organization"');
  expect(words('smtp-auth-off-for-tenant')).toContain('Set-CASMailbox');
  expect(words('smtp-auth-off-for-mailbox')).toContain('-SmtpClientAuthenticationDisabled $false');
});

test('no remedy asks for more rights than sending needs', () => {
  expect(JSON.stringify(remedies)).not.toMatch(/global admin|Cloud Application Administrator/i);
});

test('From may be another address where the mailbox has Send As on it', () => {
  expect(words('send-as')).toContain('Add-RecipientPermission');
});
