import { z } from 'zod';
import type { Settings } from './schema.ts';

type DeepPartial<T> = { [K in keyof T]?: T[K] extends object ? DeepPartial<T[K]> : T[K] };

/** What a provider wants, to be laid over the settings in the form before anything is saved. */
export interface Preset {
  id: string;
  name: string;
  /** What is left to do, and where the numbers come from. */
  about: string;
  settings: DeepPartial<Settings>;
}

export const presetSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    about: z.string(),
    settings: z.record(z.string(), z.unknown()).meta({ description: 'Part of a settings document.' }),
  })
  .meta({ id: 'SettingsPreset' });

const exchange = (host: string, cloud: Settings['smtp']['auth']['oauth']['cloud']): DeepPartial<Settings> => ({
  type: 'smtp',
  smtp: {
    host,
    port: 587,
    security: 'tls',
    auth: { enabled: true, type: 'xoauth2', oauth: { provider: 'azure', cloud } },
  },
  // Exchange Online limits: 30 messages a minute and 3 connections for a mailbox.
  limit: { perMinute: 30, connections: 3 },
});

const basic = (host: string): DeepPartial<Settings> => ({
  type: 'smtp',
  smtp: { host, port: 587, security: 'tls', auth: { enabled: true, type: 'basic' } },
});

export const presets: readonly Preset[] = [
  {
    id: 'office-365',
    name: 'Office 365',
    about: 'Give the mailbox as SMTP Auth User and Email From Address. SMTP AUTH must be enabled for that mailbox.',
    settings: exchange('smtp.office365.com', 'global'),
  },
  {
    id: 'office-365-gcc-high',
    name: 'Office 365 GCC High',
    about: 'As Office 365, in the US Government cloud. Microsoft does not document the host for SMTP; check it.',
    settings: exchange('smtp.office365.us', 'gcc-high'),
  },
  {
    id: 'office-365-dod',
    name: 'Office 365 DoD',
    about: 'As Office 365, in the DoD cloud. The host is the one of Exchange there; check that it takes SMTP for you.',
    settings: exchange('outlook-dod.office365.us', 'dod'),
  },
  {
    id: 'office-365-china',
    name: 'Office 365 operated by 21Vianet',
    about: 'As Office 365, in China.',
    settings: exchange('smtp.partner.outlook.cn', 'china'),
  },
  {
    id: 'outlook-com',
    name: 'Outlook.com',
    about: 'A personal account. It refuses Basic; the app registration must allow personal Microsoft accounts.',
    settings: exchange('smtp-mail.outlook.com', 'global'),
  },
  {
    id: 'gmail',
    name: 'Gmail',
    about: 'Give the Google account and an app password, which needs two-step verification.',
    settings: basic('smtp.gmail.com'),
  },
  {
    id: 'amazon-ses',
    name: 'Amazon SES',
    about: 'Put your region in the host. User and password are SMTP credentials of SES, not access keys.',
    settings: basic('email-smtp.us-east-1.amazonaws.com'),
  },
  {
    id: 'azure-communication-services',
    name: 'Azure Communication Services',
    about: 'The user is an SMTP user name of the resource, the password a client secret of its Entra application.',
    settings: basic('smtp.azurecomm.net'),
  },
  {
    id: 'local-relay',
    name: 'Relay in your own network',
    about: 'A mail server that takes mail from this host without sign-in. Put its name in the host.',
    settings: {
      type: 'smtp',
      smtp: { host: 'localhost', port: 25, security: 'none', auth: { enabled: false } },
      limit: { perMinute: 0 },
    },
  },
];
