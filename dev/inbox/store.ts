import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import PostalMime, { type Email } from 'postal-mime';
import type { AcceptedMail } from '../smtp/server.ts';

/** One line of the list. `from` and `rcptTo` are the envelope's; `date` is when the server took the mail (ISO 8601). */
export interface Summary {
  id: string;
  from: string;
  rcptTo: string[];
  subject: string;
  date: string;
  /** Bytes of the mail as it came. */
  size: number;
  /** The user that logged in, if any. */
  user?: string;
  /** Whether it came over TLS. */
  secure: boolean;
}

export interface InboxStore {
  add(mail: AcceptedMail): Promise<Summary>;
  /** Newest first. */
  list(): Summary[];
  raw(id: string): Promise<Buffer | undefined>;
  clear(): Promise<void>;
  /** Calls back for every arrival (`undefined`: all were deleted) until the returned function is called. */
  watch(seen: (arrival: Summary | undefined) => void): () => void;
}

/**
 * Mails as `.eml` files with their envelope beside them, so that any mail program opens them and they survive a
 * restart. @param folder left out: in memory only
 */
export const inboxStore = async (folder?: string): Promise<InboxStore> => {
  const summaries = new Map<string, Summary>();
  const contents = new Map<string, Buffer>();
  const watchers = new Set<(arrival: Summary | undefined) => void>();
  let count = 0;
  if (folder) for (const summary of await readSummaries(folder)) summaries.set(summary.id, summary);

  return {
    add: async (mail) => {
      // Sortable by arrival, also within one millisecond, and never given twice.
      const id = `${mail.at.toString(36)}-${(count++ % 46_656).toString(36).padStart(3, '0')}-${randomUUID().slice(0, 8)}`;
      const summary: Summary = {
        id,
        from: mail.envelope.from,
        rcptTo: mail.envelope.to,
        subject: await subjectOf(mail.raw),
        date: new Date(mail.at).toISOString(),
        size: mail.raw.length,
        ...(mail.user === undefined ? {} : { user: mail.user }),
        secure: mail.secure,
      };
      if (folder) await keep(folder, summary, mail.raw);
      else contents.set(id, mail.raw);
      summaries.set(id, summary);
      for (const seen of watchers) seen(summary);
      return summary;
    },
    list: () => [...summaries.values()].reverse(),
    raw: async (id) => {
      if (!summaries.has(id)) return undefined;
      return folder ? await readFile(join(folder, `${id}.eml`)) : contents.get(id);
    },
    clear: async () => {
      const ids = [...summaries.keys()];
      summaries.clear();
      contents.clear();
      if (folder) {
        for (const id of ids)
          await Promise.all(['json', 'eml'].map((end) => rm(join(folder, `${id}.${end}`), { force: true })));
      }
      for (const seen of watchers) seen(undefined);
    },
    watch: (seen) => {
      watchers.add(seen);
      return () => watchers.delete(seen);
    },
  };
};

/** The envelope is written last and renamed into place: a mail without one was never taken. */
const keep = async (folder: string, summary: Summary, raw: Buffer): Promise<void> => {
  const path = join(folder, summary.id);
  await writeFile(`${path}.eml`, raw);
  await writeFile(`${path}.draft`, JSON.stringify(summary));
  await rename(`${path}.draft`, `${path}.json`);
};

const readSummaries = async (folder: string): Promise<Summary[]> => {
  await mkdir(folder, { recursive: true });
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json'));
  const read: Summary[] = await Promise.all(
    names.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8'))),
  );
  return read.sort((a, b) => (a.date === b.date ? (a.id < b.id ? -1 : 1) : a.date < b.date ? -1 : 1));
};

/** Only the head is parsed: the list must stay quick with large mails. */
const subjectOf = async (raw: Buffer): Promise<string> => {
  const end = raw.indexOf('\r\n\r\n');
  return (await parseMail(end < 0 ? raw : raw.subarray(0, end + 4))).subject ?? '';
};

export const parseMail = (raw: Buffer): Promise<Email> => PostalMime.parse(raw);
