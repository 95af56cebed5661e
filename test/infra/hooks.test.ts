import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { masterAdminRole } from '../../infra/hooks/registrations.ts';
import { appRoles } from '../../lib/http/principal.ts';

const project = resolve(import.meta.dirname, '../..');
const azureYaml = readFileSync(join(project, 'azure.yaml'), 'utf8');

/** The command line that azure.yaml gives azd for a hook. */
const commandOf = (name: string): string => {
  const found = new RegExp(`^ {2}${name}:\\n {4}shell: sh\\n {4}run: (.+)$`, 'm').exec(azureYaml);
  if (!found) throw new Error(`azure.yaml has no hook ${name}`);
  return found[1]!;
};

interface Directory {
  applications: Record<string, Record<string, unknown>>;
  // biome-ignore lint/suspicious/noExplicitAny: documents of Microsoft Graph
  [collection: string]: any;
}

interface Stage {
  run(hook: string, env?: Record<string, string>): { status: number | null; output: string };
  directory(): Directory;
  /** Changes the directory, as a person at the portal would. */
  edit(change: (directory: Directory) => void): void;
  /** Calls that changed something, since the last look. */
  writes(): string[];
  azdEnvironment(): Record<string, string>;
}

/** A folder with an `az` and an `azd` in front of the PATH: a small Microsoft Graph with upsert, and azd's environment. */
const stage = (options: { cloud?: string; user?: string } = {}): Stage => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-hooks-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const state = join(folder, 'directory.json');
  const writes = join(folder, 'writes.txt');
  const azd = join(folder, 'azd.json');
  writeFileSync(state, JSON.stringify({ applications: {}, servicePrincipals: {}, federations: {}, assignments: [] }));
  writeFileSync(azd, '{}');
  for (const name of ['az', 'azd']) {
    const script = join(import.meta.dirname, `fake-${name}.mjs`);
    writeFileSync(join(folder, name), `#!/bin/sh\nexec "${process.execPath}" "${script}" "$@"\n`);
    chmodSync(join(folder, name), 0o755);
  }
  const read = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
  return {
    run: (hook, env = {}) => {
      const { status, stdout, stderr } = spawnSync('sh', ['-c', commandOf(hook)], {
        cwd: project,
        encoding: 'utf8',
        env: {
          ...process.env,
          PATH: `${folder}${delimiter}${process.env.PATH}`,
          FAKE_STATE: state,
          FAKE_WRITES: writes,
          FAKE_AZD: azd,
          FAKE_CLOUD: options.cloud ?? 'AzureCloud',
          FAKE_USER: options.user ?? 'user',
          AZURE_ENV_NAME: 'prod',
          ...read(azd),
          ...env,
        },
      });
      return { status, output: stdout + stderr };
    },
    directory: () => read(state),
    edit: (change) => {
      const directory = read(state);
      change(directory);
      writeFileSync(state, JSON.stringify(directory));
    },
    writes: () => {
      const lines = existsSync(writes) ? readFileSync(writes, 'utf8').trim().split('\n') : [];
      rmSync(writes, { force: true });
      return lines;
    },
    azdEnvironment: () => read(azd),
  };
};

/** What Bicep hands back to azd, as main.bicep names it. */
const outputs = {
  AZURE_TENANT_ID: '99999999-9999-4999-8999-999999999999',
  POSTERN_IDENTITY_PRINCIPAL_ID: '77777777-7777-4777-8777-777777777777',
  POSTERN_APP_URL: 'https://func-postern-x.azurewebsites.net',
  POSTERN_PUBLIC_URL: 'https://mail.example.com',
  POSTERN_REDIRECT_URI: 'https://mail.example.com/api/getoauthtoken',
};

test('before Bicep, both app registrations are made, and their client ids are where Bicep reads them', {
  timeout: 60_000,
}, () => {
  const world = stage();
  expect(world.run('preprovision')).toMatchObject({ status: 0 });
  const { applications } = world.directory();
  const signIn = applications['postern-prod-sign-in']!;
  const mail = applications['postern-prod-mail']!;
  expect(signIn).toMatchObject({ signInAudience: 'AzureADMyOrg', api: { requestedAccessTokenVersion: 2 } });
  expect((signIn.appRoles as { value: string }[]).map(({ value }) => value)).toEqual(Object.values(appRoles));
  expect(mail).toMatchObject({ requiredResourceAccess: [{ resourceAccess: [{ id: 'smtp-send-id', type: 'Scope' }] }] });
  expect(world.azdEnvironment()).toEqual({ POSTERN_AUTH_CLIENT_ID: signIn.appId, POSTERN_MAIL_CLIENT_ID: mail.appId });
  const parameters = readFileSync(join(project, 'infra/main.bicepparam'), 'utf8');
  for (const name of Object.keys(world.azdEnvironment())) expect(parameters).toContain(`'${name}'`);
});

test('after Bicep, addresses, federation and the first master administrator follow; a second run writes nothing', {
  timeout: 60_000,
}, () => {
  const world = stage();
  world.run('preprovision');
  expect(world.run('postprovision', outputs)).toMatchObject({ status: 0 });
  const { applications, federations, servicePrincipals, assignments } = world.directory();
  const signIn = applications['postern-prod-sign-in']!;
  const mail = applications['postern-prod-mail']!;
  expect(signIn).toMatchObject({
    identifierUris: [`api://${signIn.appId}`],
    web: {
      redirectUris: [
        'https://func-postern-x.azurewebsites.net/.auth/login/aad/callback',
        'https://mail.example.com/.auth/login/aad/callback',
      ],
    },
  });
  expect(mail).toMatchObject({ web: { redirectUris: ['https://mail.example.com/api/getoauthtoken'] } });
  for (const app of [signIn, mail]) {
    expect(federations[`${app.id}/postern-app`]).toMatchObject({
      issuer: `https://login.microsoftonline.com/${outputs.AZURE_TENANT_ID}/v2.0`,
      subject: outputs.POSTERN_IDENTITY_PRINCIPAL_ID,
      audiences: ['api://AzureADTokenExchange'],
    });
  }
  expect(servicePrincipals[String(signIn.appId)]).toMatchObject({ appRoleAssignmentRequired: true });
  expect(assignments).toMatchObject([{ principalId: 'the-signed-in-user', appRoleId: masterAdminRole }]);

  expect(world.writes()).not.toEqual([]);
  world.run('preprovision');
  world.run('postprovision', outputs);
  expect(world.writes()).toEqual([]);
  expect(world.directory().assignments).toHaveLength(1);
});

test('what a person has added by hand stays, and what is missing comes back', { timeout: 60_000 }, () => {
  const world = stage();
  world.run('preprovision');
  world.run('postprovision', outputs);
  world.edit(({ applications }) => {
    const app = applications['postern-prod-sign-in'] as { web: { redirectUris: string[] }; appRoles: unknown[] };
    app.web.redirectUris = ['https://own.example.com/.auth/login/aad/callback'];
    app.appRoles.push({ id: 'own', value: 'Own.Role' });
  });
  expect(world.run('postprovision', outputs)).toMatchObject({ status: 0 });
  const app = world.directory().applications['postern-prod-sign-in'] as {
    web: { redirectUris: string[] };
    appRoles: { value: string }[];
  };
  expect(app.web.redirectUris).toHaveLength(3);
  expect(app.appRoles.map(({ value }) => value)).toContain('Own.Role');
});

test('in another cloud, sign-in and audience are that cloud’s', { timeout: 60_000 }, () => {
  const world = stage({ cloud: 'AzureUSGovernment' });
  world.run('preprovision');
  world.run('postprovision', outputs);
  expect(Object.values(world.directory().federations)[0]).toMatchObject({
    issuer: `https://login.microsoftonline.us/${outputs.AZURE_TENANT_ID}/v2.0`,
    audiences: ['api://AzureADTokenExchangeUSGov'],
  });
});

test('a pipeline does not become master administrator; POSTERN_MASTER_ADMIN names who does', {
  timeout: 60_000,
}, () => {
  const world = stage({ user: 'servicePrincipal' });
  world.run('preprovision');
  expect(world.run('postprovision', outputs).output).toContain('Nobody was made master administrator');
  expect(world.directory().assignments).toEqual([]);
  world.run('postprovision', { ...outputs, POSTERN_MASTER_ADMIN: 'a-group' });
  expect(world.directory().assignments).toMatchObject([{ principalId: 'a-group' }]);
});

test('with POSTERN_ENTRA=existing nothing in Entra is touched, and a missing client id is named', {
  timeout: 60_000,
}, () => {
  const world = stage();
  const ids = { POSTERN_ENTRA: 'existing', POSTERN_AUTH_CLIENT_ID: '11111111-1111-4111-8111-111111111111' };
  expect(world.run('preprovision', ids)).toMatchObject({ status: 0 });
  expect(world.run('postprovision', { ...ids, ...outputs })).toMatchObject({ status: 0 });
  expect(world.writes()).toEqual([]);
  const { status, output } = world.run('preprovision', { POSTERN_ENTRA: 'existing' });
  expect(status).toBe(1);
  expect(output).toContain('POSTERN_AUTH_CLIENT_ID is not set');
});

test('without the right to make registrations the hook fails with the directory’s own words', {
  timeout: 60_000,
}, () => {
  const world = stage();
  const { status, output } = world.run('preprovision', { FAKE_DENY: '1' });
  expect(status).toBe(1);
  expect(output).toContain('Authorization_RequestDenied');
  expect(output).not.toContain('at file://');
  expect(world.azdEnvironment()).toEqual({});
});
