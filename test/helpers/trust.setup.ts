import { getCACertificates, setDefaultCACertificates } from 'node:tls';

/**
 * Test files run one after the other in few processes. Each begins with trust in the stand-ins' authority and in no
 * other, whatever a file before it added.
 */
setDefaultCACertificates(getCACertificates('extra'));
