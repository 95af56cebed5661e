import { z } from 'zod';
import type { AuditLog } from '../../lib/audit/audit.ts';
import type { Acceptance } from '../../lib/delivery/accept.ts';
import type { Delivery } from '../../lib/delivery/delivery.ts';
import type { Ledger } from '../../lib/delivery/ledger.ts';
import { PosternError } from '../../lib/errors.ts';
import { remedySchema } from '../../lib/http/remedy.ts';
import { type AnyRoute, route } from '../../lib/http/route.ts';
import { emailAddress } from '../../lib/message/address.ts';
import type { Mail } from '../../lib/message/contract.ts';
import { type RemedyKey, remedies } from '../../lib/relay/remedies.ts';
import type { SettingsRoom } from '../../lib/settings/room.ts';
import { delivery, deliveryView } from './delivery-schema.ts';

interface Needs {
  acceptance: Acceptance;
  ledger: Ledger;
  settings: Pick<SettingsRoom, 'read' | 'markVerified'>;
  audit: Pick<AuditLog, 'record'>;
  /** Waits so many milliseconds. */
  wait(milliseconds: number): Promise<unknown>;
}

/** How often the history is asked for the outcome, and for how long in all: 30 seconds. */
const looks = 60;
const between = 500;

/** "Send Email" of the settings page: a real mail by the real queue and gates, so that what it proves is true. */
export const testEmailRoutes = (needs: Needs): AnyRoute[] => [
  route({
    name: 'sendTestEmail',
    method: 'POST',
    path: 'api/test-email',
    access: ['Admin'],
    summary: 'Send a test mail through the queue and all gates, and tell what became of it.',
    body: z.strictObject({ to: emailAddress.optional() }).prefault({}),
    answers: {
      200: {
        description: 'Settled: `sent`, or not, with the reason and what to do about it.',
        schema: z.object({
          sent: z.boolean(),
          id: z.string(),
          delivery,
          phase: z.string().optional(),
          remedy: remedySchema.optional(),
        }),
      },
      202: {
        description: 'Still under way; ask at `Location`.',
        schema: z.object({ sent: z.boolean(), id: z.string() }),
      },
    },
    handle: async ({ body, principal }) => {
      const to = body.to ?? principal?.email;
      if (!principal || !to) {
        const reason = 'your sign-in tells no e-mail address, so say where the test should go';
        throw new PosternError('invalid-request', 'There is no address to send the test to.', {
          faults: [{ path: 'to', reason }],
        });
      }
      const { etag } = await needs.settings.read();
      const actor = { id: principal.id, name: principal.name };
      // Before the act; how it ended shows in the history of mail, as of any other one.
      await needs.audit.record({ actor, action: 'test-email', subject: to });
      const { messageId } = await needs.acceptance.overHttp(testMail(to, principal.name), principal.id);
      const done = await outcomeOf(needs, messageId);
      const location = { location: `/api/messages/${messageId}` };
      if (!done) return { status: 202, headers: location, body: { sent: false, id: messageId } };
      const sent = done.state === 'sent';
      if (sent) await needs.settings.markVerified({ by: principal.name, etag });
      const key = done.reason.remedy as RemedyKey | undefined;
      const phase = done.attempts.at(-1)?.phase;
      return {
        status: 200,
        headers: location,
        body: {
          sent,
          id: messageId,
          delivery: deliveryView(done),
          ...(phase && { phase }),
          ...(key && { remedy: remedies[key] }),
        },
      };
    },
  }),
];

/** The delivery once something was decided about it. */
const outcomeOf = async ({ ledger, wait }: Needs, messageId: string): Promise<Delivery | undefined> => {
  for (let look = 0; look < looks; look++) {
    await wait(between);
    const found = await ledger.read(`${messageId}-0`);
    if (found && !['queued', 'submitting'].includes(found.delivery.state)) return found.delivery;
  }
  return undefined;
};

const testMail = (to: string, by: string): Mail => ({
  kind: 'test',
  to: [{ address: to }],
  subject: 'Test of the mail settings',
  text: `The mail settings work. ${by} asked for this test.\n`,
  html: `<p>The mail settings work. ${escaped(by)} asked for this test.</p>`,
});

const escaped = (text: string): string => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
