import { z } from 'zod';
import type { Acceptance, Accepted } from '../../lib/delivery/accept.ts';
import { carrierOf } from '../../lib/delivery/carrier.ts';
import type { Delivery } from '../../lib/delivery/delivery.ts';
import type { Desk } from '../../lib/delivery/desk.ts';
import { parseId } from '../../lib/delivery/id.ts';
import type { Keys } from '../../lib/delivery/keys.ts';
import { type Filter, type Ledger, summaryOf } from '../../lib/delivery/ledger.ts';
import { isFinal } from '../../lib/delivery/states.ts';
import { PosternError } from '../../lib/errors.ts';
import { continuation, continuationOf, pageLimit } from '../../lib/http/paging.ts';
import { isAdmin } from '../../lib/http/principal.ts';
import { type AnyRoute, type Call, type Principal, type Reply, route } from '../../lib/http/route.ts';
import { inlineMail, type Mail } from '../../lib/message/contract.ts';
import { laneOf } from '../../lib/message/kinds.ts';
import { nextPage } from '../../lib/storage/page.ts';
import { delivery, deliverySummary, deliveryView, filterFields } from './delivery-schema.ts';

interface Needs {
  acceptance: Acceptance;
  desk: Desk;
  ledger: Ledger;
  keys: Keys;
}

/** 10 MB of content in Base64, and room for the rest. */
export const maxPosted = 16 * 1024 * 1024;

const listQuery = z.object({
  ...filterFields,
  key: z.string().min(1).max(256).optional(),
  limit: pageLimit(200, 50),
  after: continuation(nextPage).optional(),
});

/**
 * The contract's whole body as on the queue, or what stands under `mail` alone. The content is inline: a caller that
 * could name a blob would have another's content sent to itself.
 */
export const posted = z.union([
  z.strictObject({ v: z.literal(1), mail: inlineMail }),
  inlineMail.transform((it) => ({ v: 1 as const, mail: it })),
]);

const message = z.object({ id: z.string(), deliveries: z.array(delivery) }).meta({ id: 'Message' });

export const messageRoutes = (needs: Needs): AnyRoute[] => [
  route({
    name: 'postMessage',
    method: 'POST',
    path: 'api/messages',
    access: ['Send'],
    summary: 'Accept a message for delivery; with `Prefer: wait=N`, try it at once and answer with the outcome.',
    body: posted,
    maxBody: maxPosted,
    answers: {
      200: { description: 'Settled within the time given by `Prefer`.', schema: message },
      202: { description: 'Accepted; ask at `Location` what became of it.', schema: message },
    },
    handle: (call) => post(needs, call as Call<unknown, unknown, z.output<typeof posted>>),
  }),
  route({
    name: 'listMessages',
    method: 'GET',
    path: 'api/messages',
    access: ['Admin', 'Send'],
    summary: 'What became of mails, newest first: by time, by recipient (`to`) or by idempotency key.',
    query: listQuery,
    answers: {
      200: {
        description: 'Deliveries, and `next` where there may be more: give it as `after`.',
        schema: z.object({ items: z.array(deliverySummary), next: z.string().optional() }),
      },
    },
    handle: ({ query, principal }) => list(needs, query, ownerFor(principal)),
  }),
  route({
    name: 'readMessage',
    method: 'GET',
    path: 'api/messages/{id}',
    access: ['Admin', 'Send'],
    summary: 'One message, by its id or that of one of its deliveries, with every attempt.',
    params: z.object({ id: z.string().max(64) }),
    answers: {
      200: { description: 'The message.', schema: message },
    },
    handle: async ({ params, principal }) => {
      const found = await ofId(needs.ledger, params.id);
      const deliveries = found.filter(visibleTo(ownerFor(principal)));
      const [first] = deliveries;
      if (!first) {
        const reason = 'There is no such message. It may not have been accepted yet, or it has aged out.';
        throw new PosternError('not-found', reason);
      }
      return { status: 200, body: messageOf(first.messageId, deliveries) };
    },
  }),
];

/** The deliveries of a message, or just one where the id is a delivery's. */
const ofId = async (ledger: Ledger, id: string): Promise<Delivery[]> => {
  const parsed = parseId(id);
  if (!parsed) return [];
  const rows = parsed.n === undefined ? await ledger.ofMessage(id) : [await ledger.read(id)];
  return rows.filter((row) => row !== undefined).map(({ delivery }) => delivery);
};

const messageOf = (id: string, deliveries: readonly Delivery[]) => ({ id, deliveries: deliveries.map(deliveryView) });

/** A service sees what it posted itself; an admin sees all. */
const ownerFor = (principal: Principal | undefined): string | undefined =>
  isAdmin(principal) ? undefined : (principal?.id ?? '');

/** What came by the queue has no owner; whoever knows its id or key may ask for it. */
const visibleTo = (owner: string | undefined) => (it: Delivery) =>
  owner === undefined || it.owner === undefined || it.owner === owner;

const list = async (
  { ledger, keys }: Needs,
  query: z.output<typeof listQuery>,
  owner: string | undefined,
): Promise<Reply> => {
  const { to, key, limit, after, ...span } = query;
  if (key !== undefined) return await byKey({ ledger, keys }, key, owner);
  const filter: Filter = { ...span, owner };
  const page = to ? await ledger.byRecipient(to, filter, limit, after) : await ledger.byTime(filter, limit, after);
  return { status: 200, body: { items: page.items, ...(page.next && { next: continuationOf(page.next) }) } };
};

const byKey = async (
  { ledger, keys }: Pick<Needs, 'ledger' | 'keys'>,
  key: string,
  owner: string | undefined,
): Promise<Reply> => {
  const { accepted, refused } = (await keys.find(key)) ?? {};
  // Of a message in which only some addresses were bad, both are one.
  const ids = [...new Set([accepted, refused])].filter((id) => id !== undefined);
  const rows = (await Promise.all(ids.map((id) => ledger.ofMessage(id)))).flat();
  const items = rows
    .map((row) => row.delivery)
    .filter(visibleTo(owner))
    .map(summaryOf)
    .sort((a, b) => b.acceptedAt.localeCompare(a.acceptedAt));
  return { status: 200, body: { items } };
};

const post = async (
  needs: Needs,
  { body, headers, principal }: Call<unknown, unknown, z.output<typeof posted>>,
): Promise<Reply> => {
  const message = withKey(body.mail, headers.get('idempotency-key'));
  const wait = preferredWait(headers.get('prefer'));
  const owner = principal?.id ?? '';
  // Nothing is tried at once for more than these, so nothing is held back for it either.
  if (wait === undefined || message.to.length > mostAtOnce) {
    return pending(await needs.acceptance.overHttp(message, owner));
  }
  const accepted = await needs.acceptance.overHttp(message, owner, wait + holdBack);
  const settled = accepted.replayed ? accepted.deliveries : await tryNow(needs, accepted, wait);
  // Whatever was decided has a carrier or an entry of its own by now; only what is under way needs the one held back.
  const decided = settled.every(({ state }) => state !== 'queued' && state !== 'submitting');
  if (decided && !accepted.replayed) await accepted.settled();
  if (!settled.every(({ state }) => isFinal(state))) return pending({ ...accepted, deliveries: settled }, wait);
  return {
    status: 200,
    headers: { location: `/api/messages/${accepted.messageId}`, 'preference-applied': `wait=${wait}` },
    body: messageOf(accepted.messageId, settled),
  };
};

/** Seconds that the queue waits longer than the caller, so that it does not meet the attempt under way. */
const holdBack = 5;
/** The platform's front end ends a request after 230 s; and a caller that waits for long is better off asking later. */
const longestWait = 60;
/** A caller with many recipients is not waiting for a code to arrive. */
const mostAtOnce = 10;

/**
 * Brings the deliveries to the desk in this invocation. Their carriers are on the queue already, held back, and go on
 * if this process dies; the claim lets only one of both hand a mail over.
 */
const tryNow = async (needs: Needs, accepted: Accepted, wait: number): Promise<Delivery[]> => {
  const lane = laneOf(accepted.mail.kind);
  const attempts = accepted.deliveries.map(async (it) => {
    const one = { ...accepted.mail, to: [it.to] };
    // Where storage does not answer now, the outcome is not known now; its carrier goes on with it.
    return await needs.desk
      .deliver({ lane, carrier: carrierOf(it.id, it.attempt + 1, one, it.owner) })
      .catch(() => undefined);
  });
  const patience = AbortSignal.timeout(wait * 1000);
  const impatient = new Promise<undefined>((resolve) => patience.addEventListener('abort', () => resolve(undefined)));
  return await Promise.all(
    // Whatever is under way goes on after the answer.
    attempts.map(
      async (attempt, i) => (await Promise.race([attempt, impatient])) ?? (accepted.deliveries[i] as Delivery),
    ),
  );
};

const pending = ({ messageId, deliveries }: Accepted, wait?: number): Reply => ({
  status: 202,
  headers: {
    location: `/api/messages/${messageId}`,
    ...(wait === undefined ? {} : { 'preference-applied': `wait=${wait}` }),
  },
  body: messageOf(messageId, deliveries),
});

/** The header field `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) and `mail.key` are one thing. */
const withKey = (message: Mail, header: string | null): Mail => {
  if (header === null) return message;
  const key = header.replace(/^"(.*)"$/, '$1');
  if (message.key !== undefined && message.key !== key) {
    throw new PosternError('invalid-request', 'The Idempotency-Key header and mail.key differ; give one of them.', {
      faults: [{ path: 'mail.key', reason: 'differs from the Idempotency-Key header' }],
    });
  }
  const checked = inlineMail.safeParse({ ...message, key });
  if (checked.success) return checked.data;
  throw new PosternError('invalid-request', 'The Idempotency-Key header must be 1 to 256 printable characters.');
};

/** `Prefer: wait=N` (RFC 7240 section 4.3), in seconds. A preference that makes no sense is ignored, as the RFC says. */
const preferredWait = (prefer: string | null): number | undefined => {
  const found = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,5})"?(?=$|[,;\s])/i.exec(prefer ?? '');
  if (!found) return undefined;
  return Math.min(Number(found[1]), longestWait);
};
