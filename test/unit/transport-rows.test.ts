import { createTransport } from 'nodemailer';
import { describe, expect, test } from 'vitest';
import { classifyError } from '../../lib/relay/classify.ts';
import { transportFaultOf, transportFaults } from '../../lib/relay/transport-faults.ts';

describe("nodemailer's own mail command", () => {
  const commandError = (path: string) =>
    createTransport({ sendmail: true, path })
      .sendMail({ from: 'files@example.com', to: 'ana@example.net', text: 'Bo shared Plans with you' })
      .then(
        () => undefined,
        (error: unknown) => error,
      );

  test('a command that is not there', async () => {
    const fault = classifyError(await commandError('/nonexistent/sendmail'), { phase: 'spawn', handedOver: 'no' });
    expect(fault).toMatchObject({ class: 'connection', phase: 'spawn', remedy: 'command-missing' });
  });

  test('a command that fails', async () => {
    const fault = classifyError(await commandError('/bin/false'), { phase: 'spawn', handedOver: 'whole' });
    expect(fault).toMatchObject({ class: 'temporary', phase: 'spawn', remedy: 'command-failed' });
  });
});

test('a mistake in the program is no fault of the relay: it is thrown on, and so is what is no error', () => {
  const mistake = new TypeError('x is not a function');
  expect(() => classifyError(mistake, { phase: 'mail', handedOver: 'no' })).toThrow(mistake);
  expect(() => classifyError('words', { phase: 'mail', handedOver: 'no' })).toThrow('words');
});

test.each(transportFaults)('the row $id is not hidden behind an earlier one ($code $system $timeout)', (row) => {
  const words = row.message?.source.replace(/^\^/, '').replace(/\(.*?\)\?/g, '') ?? 'whatever';
  for (const code of row.system ?? [row.code ?? 'ENONE'].flat()) {
    const error = row.system ? { code: 'ESOCKET', originalCode: code } : { code };
    expect(transportFaultOf(Object.assign(new Error(words), error, { timeoutType: row.timeout }))).toBe(row);
  }
});
