import { CsvError, parse } from 'csv-parse/sync';
import { PosternError } from '../errors.ts';
import { hasControl } from '../message/text.ts';
import { type Entry, parseScope, parseTarget, type Reason, reasons, type Scope, scopeText } from './entry.ts';

export interface CsvLine {
  /** Line of the file, from 1; the header row counts. */
  line: number;
  address: string;
  scope: Scope;
  /** `imported` where the file names none. */
  reason: Reason;
  note: string;
}

export interface InvalidLine {
  line: number;
  reason: string;
}

export interface ReadCsv {
  lines: CsvLine[];
  invalid: InvalidLine[];
}

/** Most lines of one file: what one import writes within the time that a request has. */
export const maxLines = 250_000;

/**
 * Reads a CSV file (RFC 4180) with a header row that names `address`, and `scope`, `reason` and `note` where wanted, in
 * any order; further columns are passed over, so that an export can be imported and a complaint stays one. Takes a byte order mark, CRLF or LF, quotes.
 * @throws PosternError `invalid-request` where the file as a whole cannot be read
 */
export const readCsv = (text: string): ReadCsv => {
  const records = parsed(text);
  const [head, ...rest] = records;
  const columns = (head?.record ?? []).map((name) => name.trim().toLowerCase());
  if (!columns.includes('address')) {
    throw new PosternError('invalid-request', 'The first line must name the columns: address,scope,note.');
  }
  if (rest.length > maxLines) {
    throw new PosternError('invalid-request', `The file has more than ${maxLines} lines. Split it.`);
  }
  const read: ReadCsv = { lines: [], invalid: [] };
  const cell = (record: string[], name: string) => {
    const at = columns.indexOf(name);
    return unguarded(at < 0 ? '' : (record[at] ?? ''));
  };
  for (const { record, info } of rest) {
    const line = lineOf((name) => cell(record, name));
    if ('fault' in line) read.invalid.push({ line: info.lines, reason: line.fault });
    else read.lines.push({ line: info.lines, ...line });
  }
  return read;
};

function lineOf(cell: (name: string) => string): { fault: string } | Omit<CsvLine, 'line'> {
  const target = parseTarget(cell('address'));
  if (!('address' in target)) return { fault: `address ${target.reason}` };
  const stops = parseScope(cell('scope'));
  if (!('scope' in stops)) return { fault: `scope ${stops.reason}` };
  const reason = cell('reason').trim().toLowerCase() || 'imported';
  if (!isReason(reason)) return { fault: `reason must be one of ${reasons.join(', ')}, or empty` };
  const note = cell('note').trim();
  if (note.length > 500) return { fault: 'note is longer than 500 characters' };
  if (hasControl(note)) return { fault: 'note has a line break or control character' };
  return { address: target.address, scope: stops.scope, reason, note };
}

const isReason = (text: string): text is Reason => (reasons as readonly string[]).includes(text);

interface CsvRecord {
  record: string[];
  info: { lines: number };
}

function parsed(text: string): CsvRecord[] {
  try {
    return parse(text, {
      bom: true,
      info: true,
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
      max_record_size: 64 * 1024,
    }) as unknown as CsvRecord[];
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new PosternError(
      'invalid-request',
      `The file is not CSV near line ${String(error.lines ?? '?')} (${error.code}).`,
    );
  }
}

const header = ['address', 'scope', 'reason', 'source', 'actor', 'time', 'note'];

export const csvHeader = `${header.join(',')}\r\n`;

/** One line of the export; no cell that a spreadsheet would run as a formula. */
export const csvLine = (entry: Entry): string =>
  `${[entry.address, scopeText(entry.scope), entry.reason, entry.source, entry.actor, entry.time, entry.note].map(cellOf).join(',')}\r\n`;

/**
 * A spreadsheet takes a cell that begins so for a formula, and a formula can fetch addresses and start programs. An
 * apostrophe before it makes it text (OWASP, "CSV Injection"). Whole domains begin with @, so imports take it off again.
 */
const dangerous = /^[=+\-@\t\r\n]/;

const cellOf = (text: string): string => {
  const guarded = dangerous.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
};

const unguarded = (text: string): string =>
  text.startsWith("'") && dangerous.test(text.slice(1)) ? text.slice(1) : text;
