import { lookup } from 'node:dns/promises';
import { BlockList, connect, isIP, type Socket } from 'node:net';
import { type FailureDetail, givenUp, RelayFailure, unlessGivenUp } from './failure.ts';

/**
 * Addresses that no mail server has and that are worth attacking from inside a cloud: link-local, where the metadata
 * and token services listen (RFC 3927, RFC 4291), and Azure's platform address. Private and loopback addresses stay
 * allowed, since relays do stand there.
 */
const forbidden = new BlockList();
forbidden.addSubnet('169.254.0.0', 16, 'ipv4');
forbidden.addSubnet('0.0.0.0', 8, 'ipv4');
forbidden.addSubnet('224.0.0.0', 3, 'ipv4');
forbidden.addAddress('168.63.129.16', 'ipv4');
forbidden.addSubnet('fe80::', 10, 'ipv6');
forbidden.addSubnet('ff00::', 8, 'ipv6');
forbidden.addAddress('::', 'ipv6');
forbidden.addAddress('fd00:ec2::254', 'ipv6');

export const isForbidden = (address: string): boolean =>
  forbidden.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

/**
 * The addresses of a host, in the order in which they are to be tried.
 * @throws RelayFailure (phase `dns`) where there is none, or where one of them is forbidden
 */
export const addressesOf = async (host: string, signal: AbortSignal): Promise<string[]> => {
  const addresses = (await found(host, signal)).map(({ address }) => address);
  const wrong = addresses.find(isForbidden);
  if (wrong) {
    const cause = Object.assign(new Error(`${host} leads to ${wrong}, where no mail server can be`), { code: 'EDNS' });
    throw new RelayFailure('dns', 'no', cause);
  }
  return addresses;
};

/** A TCP connection to the first address that answers. @throws RelayFailure (phase `connect`) with the last refusal */
export const reach = async (addresses: readonly string[], port: number, signal: AbortSignal): Promise<Socket> => {
  let last: FailureDetail = new Error('There is no address to connect to');
  for (const address of addresses) {
    try {
      return await opened(address, port, signal);
    } catch (error) {
      if (signal.aborted) throw new RelayFailure('connect', 'no', givenUp(signal));
      last = asSocketError(error as FailureDetail);
    }
  }
  throw new RelayFailure('connect', 'no', last);
};

const opened = (host: string, port: number, signal: AbortSignal): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const settle = (then: () => void) => {
      signal.removeEventListener('abort', stop);
      socket.removeListener('error', fail);
      then();
    };
    const fail = (error: Error) => settle(() => reject(error));
    const stop = () => {
      settle(() => reject(signal.reason));
      socket.on('error', () => undefined).destroy();
    };
    socket.once('error', fail);
    socket.once('connect', () => settle(() => resolve(socket)));
    signal.addEventListener('abort', stop, { once: true });
  });

const found = async (host: string, signal: AbortSignal) => {
  try {
    return await unlessGivenUp(lookup(host, { all: true }), signal, 'dns');
  } catch (error) {
    if (error instanceof RelayFailure) throw error;
    throw new RelayFailure('dns', 'no', named(error as FailureDetail, 'EDNS'));
  }
};

/** The codes that nodemailer gives the same errors, so that one classifier knows them all. */
const asSocketError = (error: FailureDetail): FailureDetail => named(error, 'ESOCKET');

function named(error: FailureDetail, code: string): FailureDetail {
  const own = error.code;
  return Object.assign(error, { code, ...(own && { originalCode: own }) });
}
