import { command, hook, required } from './command.ts';
import { currentCloud } from './graph.ts';
import {
  ensureApplication,
  ensureFederation,
  ensureMasterAdmin,
  ensureServicePrincipal,
  mailApp,
  pathOf,
  signInApp,
} from './registrations.ts';

/**
 * After Bicep has run: gives the app registrations the addresses of the app, and lets the identity of the app vouch for
 * them in place of a secret. The person who deploys becomes master administrator, or whom POSTERN_MASTER_ADMIN names by
 * object id.
 */
await hook(() => {
  if (process.env.POSTERN_ENTRA === 'existing') return;
  const environment = required('AZURE_ENV_NAME');
  const tenantId = required('AZURE_TENANT_ID');
  const principalId = required('POSTERN_IDENTITY_PRINCIPAL_ID');
  const urls = [...new Set([required('POSTERN_APP_URL'), required('POSTERN_PUBLIC_URL')])];
  const cloud = currentCloud();
  const { graph } = cloud;

  const signIn = ensureApplication(graph, pathOf('sign-in', environment), (existing) =>
    signInApp(environment, existing, urls),
  );
  const mail = ensureApplication(graph, pathOf('mail', environment), (existing) =>
    mailApp(environment, existing, [required('POSTERN_REDIRECT_URI')], graph),
  );
  for (const app of [signIn, mail]) ensureFederation(cloud, app, tenantId, principalId);
  const face = ensureServicePrincipal(graph, signIn.appId, { appRoleAssignmentRequired: true });
  ensureServicePrincipal(graph, mail.appId, { appRoleAssignmentRequired: false });

  const admin = process.env.POSTERN_MASTER_ADMIN || signedInUser();
  if (admin) ensureMasterAdmin(graph, face.id, admin);
  else console.log('Nobody was made master administrator: set POSTERN_MASTER_ADMIN to an object id.');
  console.log(`Sign in at ${required('POSTERN_PUBLIC_URL')}/portal/ and enter as oAuth Client ID ${mail.appId}.`);
});

/** `undefined` in a pipeline, where a service principal deploys: it shall not become master administrator. */
function signedInUser(): string | undefined {
  const type = command('az', ['account', 'show', '--query', 'user.type', '--output', 'tsv']);
  if (type !== 'user') return undefined;
  return command('az', ['ad', 'signed-in-user', 'show', '--query', 'id', '--output', 'tsv']);
}
