import { command, hook, required } from './command.ts';
import { currentCloud } from './graph.ts';
import { ensureApplication, mailApp, pathOf, signInApp } from './registrations.ts';

/**
 * Before Bicep runs: makes the two app registrations, so that Bicep gets their client ids. Their addresses and
 * credentials follow in `postprovision.ts`, when the app exists. Without rights in Entra, have them made by somebody
 * who has, and set POSTERN_ENTRA=existing and both client ids.
 */
await hook(() => {
  if (process.env.POSTERN_ENTRA === 'existing') {
    console.log(`App registrations: taken as they are, ${required('POSTERN_AUTH_CLIENT_ID')}.`);
    return;
  }
  const environment = required('AZURE_ENV_NAME');
  const { graph } = currentCloud();
  const signIn = ensureApplication(graph, pathOf('sign-in', environment), (existing) =>
    signInApp(environment, existing, []),
  );
  const mail = ensureApplication(graph, pathOf('mail', environment), (existing) =>
    mailApp(environment, existing, [], graph),
  );
  command('azd', ['env', 'set', 'POSTERN_AUTH_CLIENT_ID', signIn.appId]);
  command('azd', ['env', 'set', 'POSTERN_MAIL_CLIENT_ID', mail.appId]);
  console.log(`App registrations: ${signIn.displayName} ${signIn.appId}, ${mail.displayName} ${mail.appId}.`);
});
