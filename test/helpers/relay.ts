import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { ensureCertificates, otherName } from '../../dev/certificates.ts';
import type { Submission } from '../../lib/message/submission.ts';
import { type Settings, settingsSchema } from '../../lib/settings/schema.ts';

/** Certificates in a folder of this test's own; this process does not trust their authority. */
export const ownCertificates = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-certificates-'));
  const files = await ensureCertificates(folder);
  const other = await otherName(folder);
  return { ...files, folder, other, remove: () => rm(folder, { recursive: true }) };
};
export type Certificates = Awaited<ReturnType<typeof ownCertificates>>;

/** As `ownCertificates`, and this process trusts their authority from now on. */
export const trustedCertificates = async (): Promise<Certificates> => {
  const files = await ownCertificates();
  setDefaultCACertificates([...getCACertificates('default'), await readFile(files.ca, 'utf8')]);
  return files;
};

/** A complete mail; what a test cares about it gives itself. */
export const submission = (own: Partial<Submission> = {}): Submission => ({
  messageId: '<one@files.example.com>',
  from: { address: 'files@example.com', name: 'Files' },
  to: { address: 'ana@example.com', name: 'Ana' },
  envelopeFrom: 'files@example.com',
  subject: 'Plans',
  text: 'See the plans.',
  attachments: [],
  headers: { 'Auto-Submitted': 'auto-generated' },
  ...own,
});

type SmtpSettings = Parameters<(typeof settingsSchema.shape.smtp)['parse']>[0];

/** Settings for a server of this machine. */
export const smtpSettings = (smtp: SmtpSettings, connections = 3): Settings =>
  settingsSchema.parse({
    from: { address: 'files@example.com' },
    smtp: { host: 'localhost', security: 'none', ...(smtp as object) },
    limit: { connections },
  });

/** A token source that hands out `first`, and `second` when asked to renew; it counts how often it was asked to. */
export const tokens = (user: string, first: string, second = first) => {
  const source = {
    renewals: 0,
    accessToken: async (how?: { renew?: boolean }) => {
      if (how?.renew) source.renewals += 1;
      return { user, token: source.renewals > 0 ? second : first };
    },
  };
  return source;
};
