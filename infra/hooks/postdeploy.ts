import { HookFailure, hook, required } from './command.ts';
import { smokeTest } from './smoke.ts';

/**
 * After a deployment: the tools say that it went well even where the host came up with no functions at all, so the app
 * is asked.
 */
await hook(async () => {
  const url = required('POSTERN_PUBLIC_URL');
  const wait = () => new Promise((resolve) => setTimeout(resolve, 10_000));
  const faults = await smokeTest(url, { fetch, wait, tries: 18 });
  if (faults.length > 0) throw new HookFailure(faults.join('\n'));
  console.log(`${url} works, its closed routes are closed, and people can sign in.`);
});
