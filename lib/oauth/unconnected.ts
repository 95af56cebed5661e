import { TokenFault, type TokenSource } from './tokens.ts';

/** Where nobody has connected an account, there is no token. */
export const unconnected: TokenSource = {
  accessToken: async () => {
    throw new TokenFault({
      class: 'auth',
      phase: 'token',
      rule: 'not-connected',
      reply: 'No OAuth account is connected.',
    });
  },
};
