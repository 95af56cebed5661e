import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { ensureCertificates } from '../../dev/certificates.ts';

/** Every test trusts the stand-ins' authority, and so does every process that a test starts. */
const { ca } = await ensureCertificates(join(import.meta.dirname, '../../.dev/test-certs'));
setDefaultCACertificates([...getCACertificates('default'), await readFile(ca, 'utf8')]);
process.env.NODE_EXTRA_CA_CERTS = ca;
