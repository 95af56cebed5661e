/**
 * Every port of the local stack. `POSTERN_PORT_BASE` moves all of them to base + offset, its own variable moves one.
 */
export const portTable = {
  portal: { usual: 7071, offset: 71, variable: 'POSTERN_PORT', what: 'portal and API' },
  host1: { usual: 7072, offset: 72, variable: 'POSTERN_HOST1_PORT', what: 'first functions host' },
  host2: { usual: 7073, offset: 73, variable: 'POSTERN_HOST2_PORT', what: 'second functions host' },
  inbox: { usual: 8025, offset: 80, variable: 'INBOX_PORT', what: 'inbox' },
  smtp: { usual: 1025, offset: 25, variable: 'SMTP_PORT', what: 'SMTP' },
  smtps: { usual: 1465, offset: 46, variable: 'SMTPS_PORT', what: 'SMTP with TLS from the first byte' },
  startTls: { usual: 1587, offset: 58, variable: 'SMTP_STARTTLS_PORT', what: 'SMTP with STARTTLS and sign-in' },
  exchange: { usual: 1588, offset: 59, variable: 'SMTP_EXCHANGE_PORT', what: 'SMTP as Exchange Online speaks it' },
  blob: { usual: 10000, offset: 0, variable: 'AZURITE_BLOB_PORT', what: 'Azurite blobs' },
  queue: { usual: 10001, offset: 1, variable: 'AZURITE_QUEUE_PORT', what: 'Azurite queues' },
  table: { usual: 10002, offset: 2, variable: 'AZURITE_TABLE_PORT', what: 'Azurite tables' },
  vault: { usual: 8201, offset: 20, variable: 'VAULT_PORT', what: 'Key Vault stand-in' },
  identity: { usual: 8202, offset: 21, variable: 'IDENTITY_PORT', what: 'managed identity endpoint' },
  entra: { usual: 8443, offset: 43, variable: 'ENTRA_PORT', what: 'fake Entra' },
} as const satisfies Record<string, { usual: number; offset: number; variable: string; what: string }>;

export type PortName = keyof typeof portTable;
export type Ports = Record<PortName, number>;

type Env = Record<string, string | undefined>;

/**
 * With `SMTP_HOST` the mail server is somebody else's, and `SMTP_PORT` is that server's port, not ours.
 * @throws Error that names the variable whose value is no port, or two ports that fall on one.
 */
export const portsFrom = (env: Env): Ports => {
  const base = env.POSTERN_PORT_BASE ? portNumber('POSTERN_PORT_BASE', env.POSTERN_PORT_BASE) : undefined;
  const names = Object.keys(portTable) as PortName[];
  const ports = Object.fromEntries(
    names.map((name) => {
      const { usual, offset, variable } = portTable[name];
      const own = name === 'smtp' && env.SMTP_HOST ? undefined : env[variable];
      return [name, own ? portNumber(variable, own) : base === undefined ? usual : base + offset];
    }),
  ) as Ports;
  for (const name of names) {
    const twin = names.find((other) => other !== name && ports[other] === ports[name]);
    if (twin) {
      const [one, other] = [portTable[name].variable, portTable[twin].variable];
      throw new Error(`Port ${ports[name]} is asked for twice: ${one} and ${other} must differ.`);
    }
  }
  return ports;
};

function portNumber(variable: string, text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_400) return port;
  throw new Error(`${variable}="${text}" is no port number (1 to 65399).`);
}
