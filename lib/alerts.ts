/**
 * The names of the alert log lines, in one place: code writes them, the alert rules in `infra/` query them. An alert
 * travels by log, never by the mail that may be broken.
 */
export const alerts = {
  relayOpened: 'postern.relay.opened',
  relayClosed: 'postern.relay.closed',
  poison: 'postern.mail.poison',
  deliveryFailed: 'postern.delivery.failed',
  deliveryUncertain: 'postern.delivery.uncertain',
  limitWarning: 'postern.limit.warning',
  limitReached: 'postern.limit.reached',
  tokenExpiring: 'postern.oauth.token-expiring',
  tokenBroken: 'postern.oauth.token-broken',
  secretExpiring: 'postern.oauth.secret-expiring',
  oldestMail: 'postern.mail.oldest',
} as const;

export type AlertName = (typeof alerts)[keyof typeof alerts];
