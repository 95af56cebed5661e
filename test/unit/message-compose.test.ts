import { expect, test } from 'vitest';
import { compose } from '../../lib/message/compose.ts';
import { effectiveSender } from '../../lib/message/sender.ts';
import { defaultSettings } from '../../lib/settings/schema.ts';

const settings = { ...defaultSettings, from: { address: 'files@example.com', name: 'Files', always: false } };
const sender = effectiveSender({ kind: 'notice', settings });
const parts = {
  mail: { subject: 'Plans' },
  content: { text: 'Hello' },
  recipient: { address: 'ana@example.com', name: 'Ana' },
  sender,
  messageId: '<1@example.com>',
};

test('a submission is complete, and says that a machine wrote it', () => {
  expect(compose({ ...parts, headers: { 'List-Unsubscribe': '<https://example.com/u>' } })).toEqual({
    messageId: '<1@example.com>',
    from: { address: 'files@example.com', name: 'Files' },
    to: { address: 'ana@example.com', name: 'Ana' },
    envelopeFrom: 'files@example.com',
    subject: 'Plans',
    text: 'Hello',
    attachments: [],
    headers: {
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'All',
      'List-Unsubscribe': '<https://example.com/u>',
    },
  });
});

test('no further header can take the place of the automatic ones', () => {
  expect(compose({ ...parts, headers: { 'Auto-Submitted': 'no' } }).headers['Auto-Submitted']).toBe('auto-generated');
});
