import type { Cloud } from '../settings/schema.ts';

interface CloudHosts {
  /** Origin of Entra's sign-in in this cloud; the client secret and refresh tokens go there and nowhere else. */
  authority: string;
  /** Permission to send as the user who signed in. */
  delegatedScope: string;
  /** Everything that the application was granted at Exchange Online. */
  applicationScope: string;
  /** Host of SMTP AUTH. */
  smtpHost: string;
  /** Audience of a managed identity's token that stands for the client secret. */
  assertionScope: string;
}

/**
 * Microsoft's national clouds. A table and never a text field: what stands here receives secrets.
 *
 * Sources: learn.microsoft.com, "National clouds" (authorities), "Authenticate an IMAP, POP or SMTP connection using
 * OAuth" (scopes of the global cloud), "Configure an app to trust a managed identity" (assertions). Microsoft documents
 * the SMTP scopes of the other clouds nowhere; those here are the ones that mail programs use there. GCC is `global`.
 */
export const clouds: Readonly<Record<Cloud, CloudHosts>> = {
  global: {
    authority: 'https://login.microsoftonline.com',
    delegatedScope: 'https://outlook.office.com/SMTP.Send',
    applicationScope: 'https://outlook.office365.com/.default',
    smtpHost: 'smtp.office365.com',
    assertionScope: 'api://AzureADTokenExchange/.default',
  },
  'gcc-high': {
    authority: 'https://login.microsoftonline.us',
    delegatedScope: 'https://outlook.office365.us/SMTP.Send',
    applicationScope: 'https://outlook.office365.us/.default',
    smtpHost: 'smtp.office365.us',
    assertionScope: 'api://AzureADTokenExchangeUSGov/.default',
  },
  dod: {
    authority: 'https://login.microsoftonline.us',
    delegatedScope: 'https://outlook-dod.office365.us/SMTP.Send',
    applicationScope: 'https://outlook-dod.office365.us/.default',
    smtpHost: 'outlook-dod.office365.us',
    assertionScope: 'api://AzureADTokenExchangeUSGov/.default',
  },
  china: {
    authority: 'https://login.partner.microsoftonline.cn',
    delegatedScope: 'https://partner.outlook.cn/SMTP.Send',
    applicationScope: 'https://partner.outlook.cn/.default',
    smtpHost: 'smtp.partner.outlook.cn',
    assertionScope: 'api://AzureADTokenExchangeChina/.default',
  },
};
