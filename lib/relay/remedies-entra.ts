import type { Remedy } from '../http/remedy.ts';

const generate = 'Settings > Email > Generate OAuth Token, and sign in as the SMTP user.';
const registration = 'Microsoft Entra admin center > App registrations > the application';

/** Microsoft Entra, by the AADSTS codes of learn.microsoft.com, "Microsoft Entra authentication and authorization error codes". */
export const entraRemedies = {
  reconnect: {
    title: 'The connection to Microsoft must be renewed',
    means: 'Entra no longer accepts the stored sign-in, or there is none yet.',
    doThis: [generate],
    takes: 'A minute. The mail waits and goes on by itself.',
  },
  'grant-expired': {
    title: 'The sign-in is too old',
    means: 'The refresh token was not used for 90 days, or the sign-in was not finished in time.',
    doThis: [
      generate,
      'Postern renews the token each day. If the app was stopped for longer, this is normal.',
      `If it ends after a day: ${registration} > Authentication. The redirect URI must be of the platform Web, not Single-page application.`,
    ],
    takes: 'A minute. The mail waits and goes on by itself.',
  },
  'grant-revoked': {
    title: 'The sign-in was revoked',
    means: 'The password was reset by an administrator, or all sessions of the account were ended.',
    doThis: [generate, 'Application access (client credentials) is not affected by passwords. Consider it.'],
    takes: 'A minute. The mail waits and goes on by itself.',
  },
  'password-changed': {
    title: 'The password has changed or run out',
    means: "The stored sign-in ended with the account's password.",
    doThis: ['Sign in once at https://office.com as the SMTP user and set a password if you are asked.', generate],
    takes: 'A minute.',
  },
  'account-disabled': {
    title: 'The account is disabled or locked',
    means: 'The account cannot sign in: it is disabled, locked, or its password has run out.',
    doThis: [
      'Microsoft 365 admin center > Users > Active users > the account: allow sign-in, or reset the password.',
      'A locked account opens by itself after a while. Look at the sign-in logs for who caused it.',
      generate,
    ],
    takes: 'Minutes to an hour.',
  },
  'sign-in-again': {
    title: 'The account must confirm the sign-in',
    means: 'Entra asks for multifactor authentication again.',
    doThis: [
      generate,
      'To avoid it for good, use application access, or exclude the mailbox from the policy that asks.',
    ],
    takes: 'A minute.',
  },
  'sign-in-frequency': {
    title: 'A policy ends sign-ins after some time',
    means: 'A Conditional Access policy sets a sign-in frequency. It ends the stored sign-in again and again.',
    doThis: [
      'Microsoft Entra admin center > Conditional Access: exclude the mailbox from the policy with "Sign-in frequency".',
      'Or use application access (client credentials), which the policy does not touch.',
      generate,
    ],
    takes: 'An hour after the policy is changed.',
  },
  'secret-wrong': {
    title: 'The client secret is wrong',
    means: 'Entra does not know the secret. Often the Secret ID was pasted instead of the Value.',
    doThis: [
      `${registration} > Certificates & secrets: make a new client secret and copy its Value at once; it is shown only then.`,
      'az ad app credential reset --id <client id> --append --display-name postern --years 1',
      'Type it as oAuth Client Secret, with its end date. The token need not be generated again.',
    ],
    takes: 'A minute. The mail waits and goes on by itself.',
  },
  'secret-expired': {
    title: 'The client secret has expired',
    means: 'The end date of the secret has passed.',
    doThis: [
      `${registration} > Certificates & secrets: make a new client secret and copy its Value.`,
      'az ad app credential reset --id <client id> --append --display-name postern --years 1',
      'Type it as oAuth Client Secret, with its new end date, so that Postern can warn in time.',
      'A managed identity as federated credential needs no secret at all.',
    ],
    takes: 'A minute. The mail waits and goes on by itself.',
  },
  'app-is-public': {
    title: 'The application is registered as a public client',
    means: 'Entra does not take a secret from an application of this type.',
    doThis: [
      `${registration} > Authentication: add the platform Web with the redirect URI, and remove it under Single-page application and Mobile and desktop.`,
    ],
    takes: 'A minute.',
  },
  'federated-credential': {
    title: 'The assertion of the managed identity was refused',
    means: 'The federated credential does not fit the managed identity, or the identity gave no token.',
    doThis: [
      `${registration} > Certificates & secrets > Federated credentials: issuer https://login.microsoftonline.com/<tenant id>/v2.0, subject = principal id of the managed identity, audience api://AzureADTokenExchange.`,
      'The identity must be user-assigned and assigned to the app: az functionapp identity assign --name <app> --resource-group <group> --identities <identity id>',
    ],
    takes: 'Some minutes.',
  },
  'redirect-uri': {
    title: 'The redirect URI is not registered',
    means: 'Entra sends the browser only to addresses that the application has registered, letter by letter.',
    doThis: [
      `${registration} > Authentication > Web: add the redirect URI exactly as it stands in the settings, for example https://files.example.com/api/getoauthtoken`,
    ],
    takes: 'A minute.',
  },
  'application-unknown': {
    title: 'The tenant does not know the application',
    means: 'oAuth Client ID and oAuth Tenant ID do not belong together.',
    doThis: [
      `${registration} > Overview: copy Application (client) ID and Directory (tenant) ID again.`,
      'An application of another organisation must be given admin consent in this one first.',
    ],
    takes: 'A minute.',
  },
  'tenant-unknown': {
    title: 'The tenant is not found',
    means: 'oAuth Tenant ID is wrong, or the tenant is in another cloud.',
    doThis: [
      'Microsoft Entra admin center > Overview: copy the tenant id.',
      'Check Cloud in the settings: global (with GCC), GCC High, DoD or China.',
    ],
    takes: 'A minute.',
  },
  'tenant-needed': {
    title: 'The tenant id is missing',
    means: 'The application belongs to one organisation, so the sign-in must name it.',
    doThis: ['Type the Directory (tenant) ID as oAuth Tenant ID, not "common" or "organizations".'],
    takes: 'A minute.',
  },
  'consent-needed': {
    title: 'Nobody has agreed that the application may send mail',
    means: 'The permission SMTP.Send was not consented to.',
    doThis: [
      generate,
      'If users may not consent: an administrator opens https://login.microsoftonline.com/<tenant id>/adminconsent?client_id=<client id> once.',
    ],
    takes: 'A minute.',
  },
  'admin-consent': {
    title: 'An administrator must agree',
    means: 'The organisation does not let users consent, or the consent was declined.',
    doThis: [
      `${registration} > API permissions > Grant admin consent.`,
      'az ad app permission admin-consent --id <client id>',
      `Then: ${generate}`,
    ],
    takes: 'A minute after the administrator has agreed.',
  },
  'exchange-permission': {
    title: 'The application has no permission for Exchange Online',
    means: 'The permission is missing from the registration, or the organisation has no Exchange Online.',
    doThis: [
      `${registration} > API permissions > Add: Microsoft Graph > Delegated > SMTP.Send for a sign-in, or APIs my organization uses > Office 365 Exchange Online > Application > SMTP.SendAsApp for application access.`,
      'Check that the organisation has a licence with Exchange Online.',
      'Then grant admin consent.',
    ],
    takes: 'Some minutes.',
  },
  'scope-wrong': {
    title: 'Entra does not know the permission asked for',
    means: 'The scope does not fit the cloud of the organisation.',
    doThis: [
      'Check Cloud in the settings: global (with GCC), GCC High, DoD or China.',
      'Check the grant: delegated asks for SMTP.Send, application for the .default scope of Exchange Online.',
    ],
    takes: 'A minute.',
  },
  'assign-user': {
    title: 'The account is not assigned to the application',
    means: 'The application is open to assigned users only.',
    doThis: [
      'Microsoft Entra admin center > Enterprise applications > the application > Users and groups: add the SMTP user.',
      'Or Properties > Assignment required: No.',
    ],
    takes: 'Some minutes.',
  },
  'wrong-account': {
    title: 'The wrong account signed in',
    means:
      'The account that signed in is not the SMTP Auth User of this tenant. The browser was perhaps signed in as somebody else.',
    doThis: ['Open a private window.', generate],
    takes: 'A minute.',
  },
  declined: {
    title: 'The consent was declined',
    means: 'Whoever signed in did not agree that the application may send mail in the name of the account.',
    doThis: [
      generate,
      'Sign in as the SMTP Auth User and accept. If there is no Accept button, an administrator must agree.',
    ],
    takes: 'A minute.',
  },
  'start-again': {
    title: 'The sign-in was not finished as it was begun',
    means: 'The page was loaded twice, took too long, or was opened in another browser. Each sign-in works once.',
    doThis: ['Close the page.', generate],
    takes: 'A minute.',
  },
  'request-malformed': {
    title: 'Entra did not understand the request',
    means: 'A field of the settings is perhaps wrong. If not, it is a fault of Postern.',
    doThis: [
      'Check oAuth Client ID, Tenant ID and Redirect URI for stray characters.',
      'Then report it with the code and the correlation id.',
    ],
    takes: 'Unknown.',
  },
  'too-many-requests': {
    title: 'Entra was asked too often',
    means: 'Entra saw the same request again and again and refuses it for a while.',
    doThis: [
      'Nothing to do: Postern waits longer from time to time.',
      'If it lasts, look for another program with the same client id.',
    ],
    takes: 'Minutes to an hour.',
  },
  'entra-busy': {
    title: 'Entra is not available',
    means: 'Entra has a passing fault or is busy. The stored sign-in stays as it is.',
    doThis: ['Nothing to do: the mail waits and goes on by itself.', 'https://status.azure.com tells of outages.'],
    takes: 'Minutes.',
  },
  'entra-unreachable': {
    title: 'Entra cannot be reached',
    means: 'No connection to the sign-in host came about. The stored sign-in stays as it is.',
    doThis: [
      'If the app is in a virtual network, allow outbound HTTPS to login.microsoftonline.com (or the host of your cloud).',
      'Check the DNS servers of the virtual network.',
    ],
    takes: 'At once after it is reachable.',
  },
} satisfies Record<string, Remedy>;
