import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SecretClient } from '@azure/keyvault-secrets';
import { onTestFinished } from 'vitest';
import { ensureCertificates } from '../../dev/certificates.ts';
import { startVault, type Vault } from '../../dev/vault/server.ts';
import { type SecretStore, vaultSecrets } from '../../lib/storage/secrets.ts';

/** A vault of the test's own behind Azure's real client over TLS; it goes when the test ends. */
export const ownVault = async (): Promise<{ vault: Vault; client: SecretClient; secrets: SecretStore }> => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-vault-'));
  const { ca, cert, key } = await ensureCertificates(folder);
  const vault = await startVault({ cert, key, token: 'test' });
  onTestFinished(async () => {
    await vault.close();
    await rm(folder, { recursive: true });
  });
  const credential = { getToken: async () => ({ token: 'test', expiresOnTimestamp: Number.MAX_SAFE_INTEGER }) };
  const client = new SecretClient(vault.url, credential, {
    disableChallengeResourceVerification: true,
    tlsOptions: { ca: readFileSync(ca) },
    retryOptions: { maxRetries: 0 },
  });
  return { vault, client, secrets: vaultSecrets(() => client) };
};
