import type { AlertName } from './alerts.ts';

export type Fields = Record<string, string | number | boolean | undefined>;

/**
 * Structured log. One JSON object a line: `{ "event": name, ...fields }`. Never pass a secret, a token, a mail body or
 * a whole request: what is logged is kept for months and read by many.
 */
export interface Log {
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
  /** A line that an alert rule in `infra/` watches for. */
  alert(name: AlertName, fields?: Fields): void;
}

type Write = (line: string) => void;

/**
 * @param out where lines go: `console` in production, where the Functions host adds the invocation and forwards them
 * to Application Insights; a list in tests.
 */
export const logTo = (out: { info: Write; warn: Write; error: Write }): Log => {
  const line = (event: string, fields: Fields = {}) => JSON.stringify({ event, ...fields });
  return {
    info: (event, fields) => out.info(line(event, fields)),
    warn: (event, fields) => out.warn(line(event, fields)),
    error: (event, fields) => out.error(line(event, fields)),
    alert: (name, fields) => out.error(line(name, { alert: true, ...fields })),
  };
};

export const consoleLog: Log = logTo(console);
