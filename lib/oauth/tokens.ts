import type { Fault } from '../relay/outcome.ts';

/** A bearer token for the relay. Kept in memory only: never logged, stored in a table or answered over HTTP. */
export interface AccessToken {
  /** The user of the XOAUTH2 string: the mailbox that the token stands for. */
  user: string;
  token: string;
}

export interface TokenSource {
  /**
   * @param how.renew get a fresh token although the present one has not run out, after the relay refused it
   * @throws TokenFault where none can be had
   */
  accessToken(how?: { renew?: boolean }): Promise<AccessToken>;
}

/** Why there is no token, classified like a reply of the relay (phase `token`). */
export class TokenFault extends Error {
  readonly fault: Fault;
  constructor(fault: Fault, options?: { cause?: unknown }) {
    super(fault.reply, options);
    this.name = 'TokenFault';
    this.fault = fault;
  }
}
