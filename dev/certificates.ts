import { randomUUID, X509Certificate } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { generate } from 'selfsigned';

/** Paths of PEM files. `cert` holds the server's certificate followed by the authority's. */
export interface CertificateFiles {
  ca: string;
  cert: string;
  key: string;
}

const validDays = 365;
/** A certificate that ends sooner than this is made anew, so that no run of the stack outlives it. */
const renewBefore = 14 * 86_400_000;

/**
 * A certificate authority of this machine's local stack and a server certificate for loopback, made once and reused
 * while they are valid. Clients trust it by NODE_EXTRA_CA_CERTS = `ca`.
 */
export const ensureCertificates = async (folder: string): Promise<CertificateFiles> => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const files = { ca: join(folder, 'ca.pem'), cert: join(folder, 'localhost.pem'), key: join(folder, 'localhost.key') };
  if (await stillGood(files)) return files;
  await alone(join(folder, 'lock'), async () => {
    if (!(await stillGood(files))) await make(folder, files);
  });
  return files;
};

const make = async (folder: string, files: CertificateFiles): Promise<void> => {
  const ca = await newAuthority();
  await write(join(folder, 'ca.key'), ca.private);
  await write(files.ca, ca.cert);
  const leaf = await newLeaf(ca, 'localhost', ['127.0.0.1', '::1']);
  await write(files.key, leaf.private);
  await write(files.cert, [leaf.cert, ca.cert].join('\n'));
};

/** Processes that start at once must not each make an authority: the later would break the certificates of the earlier. */
const alone = async (lock: string, work: () => Promise<void>): Promise<void> => {
  for (;;) {
    try {
      await mkdir(lock);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      // Making them takes well under a second; a lock that is older was left behind by a process that was killed.
      const since = await stat(lock).then(
        ({ mtimeMs }) => mtimeMs,
        () => Date.now(),
      );
      if (Date.now() - since > 20_000) await rm(lock, { recursive: true, force: true });
      else await delay(50);
    }
  }
  try {
    await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
};

/** A server certificate of the same authority for another host than loopback: TLS to `localhost` must refuse it. */
export const otherName = async (folder: string, name = 'other.example.com'): Promise<CertificateFiles> => {
  const { ca } = await ensureCertificates(folder);
  const authority = { cert: await readFile(ca, 'utf8'), private: await readFile(join(folder, 'ca.key'), 'utf8') };
  const leaf = await newLeaf(authority, name, []);
  const files = { ca, cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  await write(files.key, leaf.private);
  await write(files.cert, [leaf.cert, authority.cert].join('\n'));
  return files;
};

interface KeyPair {
  private: string;
  cert: string;
}

const lifetime = () => ({
  notBeforeDate: new Date(Date.now() - 86_400_000),
  notAfterDate: new Date(Date.now() + validDays * 86_400_000),
});

/** Of a name of its own: a client that trusts two authorities of one name may check with the wrong one's key. */
const newAuthority = (): Promise<KeyPair> =>
  generate([{ name: 'commonName', value: `Postern local stack ${randomUUID()}` }], {
    ...lifetime(),
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });

const newLeaf = (authority: KeyPair, name: string, addresses: string[]): Promise<KeyPair> =>
  generate([{ name: 'commonName', value: name }], {
    ...lifetime(),
    keyType: 'ec',
    algorithm: 'sha256',
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [{ type: 2, value: name }, ...addresses.map((ip) => ({ type: 7 as const, ip }))],
      },
    ],
  });

const stillGood = async (files: CertificateFiles): Promise<boolean> => {
  try {
    const [ca, leaf] = await Promise.all([readFile(files.ca), readFile(files.cert), readFile(files.key)]);
    const [authority, server] = [new X509Certificate(ca), new X509Certificate(leaf)];
    const end = Math.min(authority.validToDate.getTime(), server.validToDate.getTime());
    return server.verify(authority.publicKey) && end - Date.now() > renewBefore;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    // A file cut off by a crash is no certificate: make new ones.
    if ((error as NodeJS.ErrnoException).code?.startsWith('ERR_OSSL')) return false;
    throw error;
  }
};

/** By way of another name, so that two processes that start at once never read half a file. */
const write = async (path: string, text: string): Promise<void> => {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, text, { mode: 0o600 });
  await rename(draft, path);
};
