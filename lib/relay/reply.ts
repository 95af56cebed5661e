import type { Phase } from './outcome.ts';

/** An SMTP reply taken apart (RFC 5321, section 4.2; RFC 2034 for the enhanced code). */
export interface Reply {
  /** 200 to 599. */
  code: number;
  /** Enhanced status code of RFC 3463 as it stands, e.g. `5.7.139`. Its class may contradict the code: servers do that. */
  enhanced?: string | undefined;
  /** What follows the codes, all lines in one. */
  text: string;
}

const replyLine = /^([2-5]\d{2})(?:(?:[ -](\d\.\d{1,3}\.\d{1,3}))(?![\d.]))?(?:[ -]|$)(.*)$/;

/**
 * Parses a reply of one or several lines. Codes are read in their own place only: a number elsewhere in the text means
 * nothing.
 *
 * @returns undefined where it is not an SMTP reply
 */
export const parseReply = (reply: string): Reply | undefined => {
  const lines = reply
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const parsed = lines.map((line) => replyLine.exec(line));
  const first = parsed[0];
  if (!first) return undefined;
  const text = lines.map((line, at) => (parsed[at] ? (parsed[at][3] ?? '') : line)).join(' ');
  return {
    code: Number(first[1]),
    enhanced: parsed.find((line) => line?.[2])?.[2],
    text: text.trim(),
  };
};

const bearerToken = /\beyJ[\w-]{8,}(?:\.[\w-]+)*/g;
const echoedCommand = /\b(AUTH\s+[A-Z0-9-]+\s+)[A-Za-z0-9+/=_-]+/gi;
const base64 = /(?<![\w+/])(?:[A-Za-z0-9+/]{40,}={0,2}|[A-Za-z0-9+/]{6,}={1,2})(?![\w=])/g;

/**
 * A relay's words fit to be stored and shown: one line, at most 1,000 characters. A server that does not understand a
 * command may repeat it, and at AUTH the command is the secret; so whatever could be one is left out.
 */
export const presentable = (words: string, phase?: Phase): string => {
  const line = words
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .replace(bearerToken, '[…]')
    .replace(echoedCommand, '$1[…]');
  const safe = phase === 'auth' ? line.replace(base64, '[…]') : line;
  return safe.length > 1000 ? `${safe.slice(0, 999)}…` : safe;
};

const units: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000 };
const spelled =
  /\b(?:in|after|for|within)\s+(?:about\s+)?(\d{1,5})\s*(s|sec|secs|seconds?|m|min|mins|minutes?|h|hrs?|hours?)\b/i;
const clock = /\b(?:in|after)\s+(\d{1,2}):(\d{2}):(\d{2})\b/i;
const longest = 24 * 3_600_000;

/** How long the reply asks to wait, in milliseconds (greylisting says so), at most a day. */
export const toldWait = (text: string): number | undefined => {
  const atClock = clock.exec(text);
  if (atClock) {
    const [, h, m, s] = atClock.map(Number);
    return Math.min(((h ?? 0) * 3600 + (m ?? 0) * 60 + (s ?? 0)) * 1000, longest) || undefined;
  }
  const inWords = spelled.exec(text);
  if (!inWords) return undefined;
  return Math.min(Number(inWords[1]) * (units[inWords[2]!.charAt(0).toLowerCase()] ?? 0), longest) || undefined;
};
