import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ensureCertificates, otherName } from '../../dev/certificates.ts';

const ownFolder = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-certificates-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
};
const read = async (path: string) => new X509Certificate(await readFile(path));

test('the certificate is for every name of loopback, signed by the authority, and readable by its owner alone', async () => {
  const files = await ensureCertificates(await ownFolder());
  const [ca, cert] = [await read(files.ca), await read(files.cert)];
  expect(cert.checkHost('localhost')).toBe('localhost');
  expect(cert.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(cert.checkIP('::1')).toBeDefined();
  expect(cert.verify(ca.publicKey)).toBe(true);
  expect(ca.ca && !cert.ca).toBe(true);
});

test('it is reused while it is good, by all who ask at once, and made anew when a file is broken', async () => {
  const folder = await ownFolder();
  const first = await Promise.all(
    [1, 2, 3].map(async () => (await read((await ensureCertificates(folder)).cert)).fingerprint),
  );
  expect(new Set(first).size).toBe(1);
  const files = await ensureCertificates(folder);
  expect((await read(files.cert)).fingerprint).toBe(first[0]);
  await writeFile(files.cert, '-----BEGIN CERT');
  await ensureCertificates(folder);
  const [ca, cert] = [await read(files.ca), await read(files.cert)];
  expect(cert.verify(ca.publicKey)).toBe(true);
});

test('a certificate for another name is of the same authority, and not for loopback', async () => {
  const folder = await ownFolder();
  const other = await read((await otherName(folder)).cert);
  expect(other.checkHost('other.example.com')).toBeDefined();
  expect(other.checkHost('localhost')).toBeUndefined();
  expect(other.verify((await read((await ensureCertificates(folder)).ca)).publicKey)).toBe(true);
});
