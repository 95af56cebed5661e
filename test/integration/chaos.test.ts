import { describe, expect, test } from 'vitest';
import { type ChaosOptions, readOptions } from '../../dev/chaos/options.ts';
import { runChaos } from '../../dev/chaos/run.ts';
import { builtApp } from '../helpers/built-app.ts';

/** `npm run chaos`, small: real processes, killed by SIGKILL while the relay fails. */
const small = (...more: string[]): ChaosOptions => readOptions(['--mails', '120', '--kills', '2', ...more]);

describe.concurrent('two hosts, each killed twice, over a relay that fails', () => {
  test('law 1 and law 5: in hold mode, with a pause in the middle, nothing is lost and nothing is mailed twice', {
    timeout: 240_000,
  }, async () => {
    // An outage, a limit whose units come back, and a list that fails take minutes by the clock: see `npm run chaos`.
    const options = small('--seed', '3', '--plain', '--pause');
    const { laws, verdict, kills } = await runChaos(options, 'hold', await builtApp());
    expect(laws).toEqual(Object.fromEntries(Object.keys(laws).map((name) => [name, []])));
    expect(kills).toBe(4);
    expect(verdict.accepted).toBeGreaterThanOrEqual(120);
    const { afterKill, afterNoReply } = verdict.twice;
    expect(afterKill + afterNoReply).toBe(0);
    const ended = Object.values(verdict.states).reduce((sum, count) => sum + count, 0);
    expect(ended).toBe(verdict.deliveries);
  });

  // Without lost replies, which are sent again a minute later.
  test('in resend mode nothing is lost, and only what was in flight at a kill is mailed twice', {
    timeout: 240_000,
  }, async () => {
    const { laws, verdict } = await runChaos(
      small('--seed', '4', '--faults', 'some', '--plain'),
      'resend',
      await builtApp(),
    );
    expect(laws).toEqual(Object.fromEntries(Object.keys(laws).map((name) => [name, []])));
    expect(verdict.twice.afterKill).toBeLessThanOrEqual(verdict.died);
    expect(verdict.twice.afterNoReply).toBeLessThanOrEqual(verdict.noReply);
  });
});
