import { states } from '../../lib/delivery/states.ts';
import type { RunReport } from './run.ts';
import type { Finding } from './verdict.ts';

/** The table of a run, laws last. */
export const tableOf = (report: RunReport): string => {
  const { mode, seed, seconds, twice } = report;
  const rows: [string, string | number][] = [
    ['seed', seed],
    ['hosts killed (SIGKILL)', report.kills],
    ['times the relay was given up for a while', report.relayOpened],
    ['messages accepted', report.accepted],
    ['deliveries (message × recipient)', report.deliveries],
    ...states.flatMap((state): [string, number][] =>
      report.states[state] ? [[`  ${state}`, report.states[state]]] : [],
    ),
    ['mails in the inbox', report.arrived],
    ['attempts that died with their process', report.died],
    ['attempts whose reply was lost', report.noReply],
    ['mailed twice after a kill', twice.afterKill],
    ['mailed twice after a lost reply', twice.afterNoReply],
    ['seconds', `${seconds.all} (handing in ${seconds.handingIn}, draining ${seconds.draining})`],
    ...(report.folder ? ([['kept in', report.folder]] as [string, string][]) : []),
  ];
  const laws: [string, Finding[]][] = [
    ['lost', report.lost],
    ['mailed twice without an unknown outcome', twice.unexplained],
    ['rows or answers that are not true', report.untrue],
    ['tries burnt by faults of the connection', report.burnt],
  ];
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

const findingLine = ({ what, token, to }: Finding): string => `      ${what} (${token} to ${to})`;
