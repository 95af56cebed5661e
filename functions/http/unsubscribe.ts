import { z } from 'zod';
import type { AuditAction, AuditLog } from '../../lib/audit/audit.ts';
import { type Clock, iso } from '../../lib/clock.ts';
import type { Entry } from '../../lib/do-not-email/entry.ts';
import type { DoNotEmailList } from '../../lib/do-not-email/list.ts';
import { askPage, donePage, pageHeaders, trouble, undonePage } from '../../lib/do-not-email/page.ts';
import { acceptedLanguage } from '../../lib/do-not-email/texts.ts';
import { type UnsubscribeLink, type UnsubscribeTokens, undoable } from '../../lib/do-not-email/token.ts';
import { type AnyRoute, type Reply, route } from '../../lib/http/route.ts';
import type { Log } from '../../lib/log.ts';

export interface UnsubscribeNeeds {
  list: Pick<DoNotEmailList, 'add' | 'undo'>;
  tokens: UnsubscribeTokens;
  audit: Pick<AuditLog, 'record'>;
  clock: Clock;
  log: Log;
}

/** In the audit and the list. The link tells whose mailbox it came to, not who clicked. */
const recipient = { id: 'recipient', name: 'recipient' };

const params = z.object({ token: z.string().max(2048) });
const answer = (description: string) => ({ description, type: 'text/html' });

/**
 * The page behind the link in the mail, without script, cookie or redirect. Only POST acts (law 7). The same address
 * takes the one-click POST of a mail provider (RFC 8058 section 3.2), as a form of either encoding.
 */
export const unsubscribeRoutes = ({ list, tokens, audit, clock, log }: UnsubscribeNeeds): AnyRoute[] => {
  const undoTokenFor = async (entry: Entry): Promise<string | undefined> => {
    const ofRecipient = entry.reason === 'unsubscribed' && iso(clock.now() - undoable) < entry.time;
    return ofRecipient ? tokens.signUndo({ recipient: entry.address, time: entry.time }) : undefined;
  };

  /** Written after the act, and not at its cost: who asked to be left alone must not be told that it failed. */
  const noted = async (action: AuditAction, subject: string, detail: Record<string, string>): Promise<void> => {
    try {
      await audit.record({ actor: recipient, action, subject, detail });
    } catch (error) {
      log.error('do-not-email.unaudited', { action, message: String(error).slice(0, 300) });
    }
  };

  const stop = async (link: UnsubscribeLink, source: 'one-click' | 'unsubscribe-page'): Promise<Entry> => {
    const scope = link.scope === 'all' ? 'all' : [link.scope];
    const { entry, change } = await list.add({
      ...{ address: link.recipient, scope, source, note: '' },
      ...{ reason: 'unsubscribed', actor: recipient.name },
    });
    if (change !== 'known')
      await noted('do-not-email.unsubscribe', link.recipient, { source, scope: link.scope, change });
    log.info('do-not-email.unsubscribed', { source, scope: link.scope, change });
    return entry;
  };

  /** A failure is said, never taken for success; the log gets what the reader is spared. */
  const orFailed = async (
    language: 'en' | 'de',
    what: 'failed' | 'away',
    act: () => Promise<Reply>,
  ): Promise<Reply> => {
    try {
      return await act();
    } catch (error) {
      log.error('do-not-email.unsubscribe-failed', { message: error instanceof Error ? error.message : String(error) });
      const reply = html(503, trouble(what, language));
      return { ...reply, headers: { ...reply.headers, 'retry-after': '60' } };
    }
  };

  return [
    route({
      name: 'showUnsubscribe',
      method: 'GET',
      path: 'unsubscribe/{token}',
      access: 'public',
      summary: 'The page that asks what should stop. Changes nothing.',
      params,
      answers: { 200: answer('The page.'), 404: answer('The link is not valid.') },
      handle: ({ params: { token }, headers }) => {
        const language = acceptedLanguage(headers.get('accept-language'));
        return orFailed(language, 'away', async () => {
          const link = await tokens.read(token);
          return link ? html(200, askPage(link, language)) : html(404, trouble('invalid', language));
        });
      },
    }),
    route({
      name: 'unsubscribe',
      method: 'POST',
      path: 'unsubscribe/{token}',
      access: 'public',
      summary: 'Puts the recipient on the Do Not Email list: from the page, or by one click (RFC 8058).',
      params,
      body: z.string().optional(),
      bodyType: '*',
      answers: {
        200: answer('Done, or done before.'),
        400: answer('The form says neither what should stop nor List-Unsubscribe=One-Click.'),
        404: answer('The link is not valid.'),
        503: answer('Nothing was saved.'),
      },
      handle: ({ params: { token }, body, headers }) => {
        const language = acceptedLanguage(headers.get('accept-language'));
        return orFailed(language, 'failed', async () => {
          const link = await tokens.read(token);
          if (!link) return html(404, trouble('invalid', language));
          const wish = wishOf(await formOf(body, headers), link);
          if (!wish) return html(400, askPage(link, language));
          const entry = await stop(wish.link, wish.source);
          return html(200, donePage(wish.link, await undoTokenFor(entry), language));
        });
      },
    }),
    route({
      name: 'undoUnsubscribe',
      method: 'POST',
      path: 'unsubscribe/{token}/undo',
      access: 'public',
      summary: 'Takes an unsubscribing back, within 30 days and as long as nobody changed the entry since.',
      params,
      body: z.string().optional(),
      bodyType: '*',
      answers: {
        200: answer('Undone, or undone before.'),
        404: answer('The link is not valid, or too old.'),
        409: answer('The entry has changed since; nothing was undone.'),
        503: answer('Nothing was saved.'),
      },
      handle: ({ params: { token }, headers }) => {
        const language = acceptedLanguage(headers.get('accept-language'));
        return orFailed(language, 'failed', async () => {
          const link = await tokens.readUndo(token);
          if (!link) return html(404, trouble('invalid', language));
          const result = await list.undo(link.recipient, link.time, 'unsubscribed');
          log.info('do-not-email.undo', { result });
          if (result === 'undone') await noted('do-not-email.undo', link.recipient, { unsubscribed: link.time });
          if (result === 'changed') return html(409, trouble('changed', language));
          return html(200, undonePage(link.recipient, language));
        });
      },
    }),
  ];
};

const html = (status: number, body: string): Reply => ({ status, headers: pageHeaders, body });

/** What the form asks for: the page's choice, or the provider's one click, which means what the link names. */
function wishOf(form: FormData | undefined, link: UnsubscribeLink) {
  if (form?.get('List-Unsubscribe') === 'One-Click') return { link, source: 'one-click' } as const;
  const scope = form?.get('scope');
  if (scope === 'all') return { link: { ...link, scope: 'all' }, source: 'unsubscribe-page' } as const;
  if (scope === 'kind') return { link, source: 'unsubscribe-page' } as const;
  return undefined;
}

/** @returns `undefined` where the body is no form of either encoding. */
async function formOf(body: string | undefined, headers: Headers): Promise<FormData | undefined> {
  const type = headers.get('content-type') ?? '';
  if (body === undefined || !/^(?:multipart\/form-data|application\/x-www-form-urlencoded)\b/i.test(type))
    return undefined;
  try {
    return await new Response(body, { headers: { 'content-type': type } }).formData();
  } catch {
    return undefined;
  }
}
