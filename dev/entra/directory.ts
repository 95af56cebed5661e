/** What the fake Entra knows: one tenant, its accounts, its app registrations. */
export interface Account {
  /** User principal name, with which somebody signs in. */
  username: string;
  /** Object id, a GUID. */
  oid: string;
  name: string;
  /** The tenant that the account's tokens name; left out: the directory's. Real Entra refuses strangers with AADSTS50020. */
  tenantId?: string;
}

export interface AppSecret {
  value: string;
  /** Milliseconds since 1970; left out: it never ends. */
  ends?: number;
}

export interface Registration {
  clientId: string;
  secrets: AppSecret[];
  /** Of the platform Web, compared letter by letter. */
  redirectUris: string[];
  /** Subjects of managed identities whose assertion stands for the application's secret; `*`: any. */
  federated: string[];
  /** Delegated permissions consented to, and application permissions granted, both of Office 365 Exchange Online. */
  delegated: string[];
  application: string[];
  /** Mailboxes that the service principal was given by Add-MailboxPermission. */
  mailboxes: string[];
}

export interface Directory {
  tenantId: string;
  /** Verified domains, which name the tenant too. */
  domains: string[];
  accounts: Account[];
  registrations: Registration[];
}

/** The directory of the local stack. The secret is published here, as it opens nothing. */
export const localDirectory = (redirectUris: string[]): Directory => ({
  tenantId: '0a1b2c3d-0000-4000-8000-00000000e17a',
  domains: ['example.com'],
  accounts: [
    { username: 'files@example.com', oid: '0a1b2c3d-0000-4000-8000-000000000001', name: 'Files' },
    { username: 'admin@example.com', oid: '0a1b2c3d-0000-4000-8000-000000000002', name: 'Admin' },
    { username: 'bo@example.com', oid: '0a1b2c3d-0000-4000-8000-000000000003', name: 'Bo' },
  ],
  registrations: [
    {
      clientId: '0a1b2c3d-0000-4000-8000-0000000000c1',
      secrets: [{ value: 'local~client~secret' }],
      redirectUris,
      federated: ['*'],
      delegated: ['SMTP.Send'],
      application: ['SMTP.SendAsApp'],
      mailboxes: ['files@example.com'],
    },
  ],
});

export const findAccount = (directory: Directory, username: string): Account | undefined =>
  directory.accounts.find((it) => it.username.toLowerCase() === username.toLowerCase());

export const findRegistration = (directory: Directory, clientId: string): Registration | undefined =>
  directory.registrations.find((it) => it.clientId.toLowerCase() === clientId.toLowerCase());
