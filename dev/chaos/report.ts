import { states } from '../../lib/delivery/states.ts';
import type { RunReport } from './run.ts';
import type { Finding } from './verdict.ts';

/** The table of a run, laws last. */
export const tableOf = (report: RunReport): string => {
  const { mode, seconds, verdict, facts, storageRequests } = report;
  const requests = Object.entries(storageRequests).filter(([name]) => !idle.test(name));
  const rows: [string, string | number][] = [
    ['seed', report.seed],
    ['hosts killed (SIGKILL)', report.kills],
    ['times the relay was given up for a while', report.relayOpened],
    ['messages accepted', verdict.accepted],
    ['deliveries (message × recipient)', verdict.deliveries],
    ...states.flatMap((state): [string, number][] =>
      verdict.states[state] ? [[`  ${state}`, verdict.states[state]]] : [],
    ),
    ['mails in the inbox', verdict.arrived],
    ['attempts that died with their process', verdict.died],
    ['attempts whose reply was lost', verdict.noReply],
    ['mailed twice after a kill', verdict.twice.afterKill],
    ['mailed twice after a lost reply', verdict.twice.afterNoReply],
    ...Object.entries(facts),
    ['storage requests without idle polls', requests.reduce((sum, [, count]) => sum + count, 0)],
    ['seconds', `${seconds.all} (handing in ${seconds.handingIn}, draining ${seconds.draining})`],
    ...(report.folder ? ([['kept in', report.folder]] as [string, string][]) : []),
  ];
  const laws = Object.entries(report.laws);
  const width = Math.max(...[...rows, ...laws].map(([name]) => name.length));
  const line = (name: string, value: string | number) => `  ${name.padEnd(width)}  ${value}`;
  return [
    '',
    `Chaos, ${mode} mode`,
    ...rows.map(([name, value]) => line(name, value)),
    '  must be 0:',
    ...laws.flatMap(([name, findings]) => [line(name, findings.length), ...findings.slice(0, 20).map(findingLine)]),
    '',
  ].join('\n');
};

/** What no mail causes. */
export const idle = /nothing there|own lock|refused on purpose/;

const findingLine = ({ what, token, to }: Finding): string => `      ${what} (${token} to ${to})`;
