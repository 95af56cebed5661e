/** How the server speaks: as a plain mail server, or with the rules and texts of Exchange Online's SMTP AUTH. */
export type Profile = 'plain' | 'exchange';

/**
 * Texts of Exchange Online (learn.microsoft.com, "Fix issues with printers, scanners, and LOB applications that send
 * email using Microsoft 365" and "Improvements in SMTP AUTH client submission"). The host part is made up.
 */
const host = 'AM0PR02CA0001.eurprd02.prod.outlook.com';

export const exchange = {
  authMethods: ['LOGIN', 'XOAUTH2'],
  banner: 'Microsoft ESMTP MAIL Service ready',
  size: 157_286_400,
  /** Open connections of one mailbox that may hand over mail at the same time. */
  connections: 3,
  notAuthenticated: `5.7.57 Client not authenticated to send mail. [${host}]`,
  authenticationUnsuccessful: `535 5.7.3 Authentication unsuccessful [${host}]`,
  wrongPassword: `535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. [${host}]`,
  tooManyConnections: `432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information. [Hostname=${host}]`,
  sendAsDenied: (user: string, from: string) =>
    `554 5.2.252 SendAsDenied; ${user} not allowed to send as ${from}; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a permanent exception with message [BeginDiagnosticData]Cannot submit message. [Hostname=${host}]`,
  accepted: (id: string) => `250 2.0.0 OK <${id}@${host}> [Hostname=${host}]`,
};
