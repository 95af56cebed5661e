import { expect, test } from 'vitest';
import { type PortName, portsFrom, portTable } from '../../dev/start/ports.ts';

test('without a variable the ports are the documented ones', () => {
  expect(portsFrom({})).toMatchObject({
    portal: 7071,
    inbox: 8025,
    smtp: 1025,
    blob: 10000,
    queue: 10001,
    table: 10002,
  });
});

test('POSTERN_PORT_BASE moves every port by its offset, and no two fall together', () => {
  const ports = portsFrom({ POSTERN_PORT_BASE: '17000' });
  for (const name of Object.keys(portTable) as PortName[]) expect(ports[name]).toBe(17_000 + portTable[name].offset);
  expect(new Set(Object.values(ports)).size).toBe(Object.keys(portTable).length);
});

test('one variable moves one port, also together with the base', () => {
  const ports = portsFrom({ POSTERN_PORT_BASE: '17000', INBOX_PORT: '9000' });
  expect([ports.inbox, ports.portal]).toEqual([9000, 17_071]);
});

test('with SMTP_HOST, SMTP_PORT is the other server’s and moves nothing of ours', () => {
  expect(portsFrom({ SMTP_HOST: 'mail.example.com', SMTP_PORT: '2525' }).smtp).toBe(1025);
  expect(portsFrom({ SMTP_PORT: '2525' }).smtp).toBe(2525);
});

test.each([
  [{ INBOX_PORT: 'eight' }, 'INBOX_PORT="eight"'],
  [{ POSTERN_PORT_BASE: '70000' }, 'POSTERN_PORT_BASE="70000"'],
  [{ INBOX_PORT: '7071' }, 'POSTERN_PORT and INBOX_PORT must differ'],
])('%j is refused by the name of the variable', (env, words) => {
  expect(() => portsFrom(env)).toThrow(words);
});
