// As much of `az` as the hooks use: `az rest` on a Microsoft Graph that knows upserts by alternate key, `az cloud show`,
// `az account show` and `az ad signed-in-user show`. State is in a file; each call that changes something is noted.
import { randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';

const args = process.argv.slice(2);
const option = (name) => args[args.indexOf(name) + 1];
const state = JSON.parse(readFileSync(process.env.FAKE_STATE, 'utf8'));

const clouds = {
  AzureCloud: {
    microsoftGraphResourceId: 'https://graph.microsoft.com/',
    activeDirectory: 'https://login.microsoftonline.com',
  },
  AzureUSGovernment: {
    microsoftGraphResourceId: 'https://graph.microsoft.us/',
    activeDirectory: 'https://login.microsoftonline.us',
  },
};
const endpoints = clouds[process.env.FAKE_CLOUD];

const fail = (message) => {
  console.error(`ERROR: ${message}`);
  process.exit(1);
};
const notFound = () =>
  fail('Not Found({"error":{"code":"Request_ResourceNotFound","message":"Resource does not exist"}})');
const answer = (value) => console.log(JSON.stringify(value));

const save = (what) => {
  if (process.env.FAKE_DENY) {
    fail('Forbidden({"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges"}})');
  }
  appendFileSync(process.env.FAKE_WRITES, `${what}\n`);
  writeFileSync(process.env.FAKE_STATE, JSON.stringify(state));
};

const graphsOwn = {
  '00000003-0000-0000-c000-000000000000': {
    id: 'graph-itself',
    oauth2PermissionScopes: [
      { id: 'mail-send-id', value: 'Mail.Send' },
      { id: 'smtp-send-id', value: 'SMTP.Send' },
    ],
  },
};

/** Each: path, where its documents lie, and what a new one has. */
const kinds = [
  {
    path: /^\/applications\(uniqueName='([\w-]+)'\)$/,
    all: state.applications,
    fresh: (uniqueName) => ({
      id: randomUUID(),
      appId: randomUUID(),
      uniqueName,
      identifierUris: [],
      appRoles: [],
      web: { redirectUris: [] },
    }),
  },
  {
    path: /^\/applications\/([\w-]+)\/federatedIdentityCredentials\(name='([\w-]+)'\)$/,
    all: state.federations,
    fresh: () => ({ id: randomUUID() }),
  },
  {
    path: /^\/servicePrincipals\(appId='([\w-]+)'\)$/,
    all: state.servicePrincipals,
    fresh: (appId) => ({ id: randomUUID(), appId }),
  },
];

const rest = () => {
  const url = new URL(option('--url'));
  const base = `${endpoints.microsoftGraphResourceId}v1.0`;
  if (!url.href.startsWith(base)) fail(`the host of ${url.href} is not this cloud's Graph`);
  const path = decodeURIComponent(url.pathname.slice('/v1.0'.length));
  const method = option('--method');
  const body = args.includes('--body') ? JSON.parse(readFileSync(option('--body').slice(1), 'utf8')) : undefined;

  if (/^\/servicePrincipals\/[\w-]+\/appRoleAssignedTo$/.test(path)) {
    if (method === 'get') return answer({ value: state.assignments });
    state.assignments.push(body);
    save(`post ${path}`);
    return answer(body);
  }
  for (const { path: pattern, all, fresh } of kinds) {
    const match = pattern.exec(path);
    if (!match) continue;
    const key = match.slice(1).join('/');
    if (method === 'get') {
      const found = all[key] ?? graphsOwn[key];
      return found ? answer(found) : notFound();
    }
    if (method !== 'patch') return fail(`${method} is not known for ${path}`);
    // Without this header, a PATCH of what is not there is refused.
    if (!all[key] && !args.includes('Prefer=create-if-missing')) return notFound();
    all[key] = { ...(all[key] ?? fresh(key)), ...body };
    return save(`patch ${path}`);
  }
  return fail(`the path ${path} is not known`);
};

const commands = {
  'cloud show': () => answer({ name: process.env.FAKE_CLOUD, endpoints }),
  'account show': () => console.log(process.env.FAKE_USER),
  'ad signed-in-user': () => console.log('the-signed-in-user'),
};

if (args[0] === 'rest') rest();
else (commands[`${args[0]} ${args[1]}`] ?? (() => fail(`unknown az command: ${args.join(' ')}`)))();
