import { type Log, logTo } from '../../lib/log.ts';

/** A log whose lines a test can read; `alerts` are those that an alert rule would see. */
export const memoryLog = (): Log & { lines: Record<string, unknown>[]; alerts(): Record<string, unknown>[] } => {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => lines.push(JSON.parse(line));
  return {
    ...logTo({ info: write, warn: write, error: write }),
    lines,
    alerts: () => lines.filter((line) => line.alert === true),
  };
};
