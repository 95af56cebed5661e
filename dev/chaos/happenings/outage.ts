import { setTimeout as delay } from 'node:timers/promises';
import { patiently, type RelayView } from '../api.ts';
import { faultsFor } from '../faults.ts';
import type { Happening, Scene } from './happening.ts';

/** Longer than the first interval between two probes, a minute and a tenth at the most. */
const lasts = 80_000;
const interval = 60_000;
const hosts = 2;
/** When a pause of the same run has ended, so that each is seen alone. */
const afterPause = 22_000;

/** The relay knows the login no more: what is connected is thrown out, and every new login is refused. */
export const outage = ({ options, api, spread, handsOff }: Scene): Happening => {
  let openedAfter = 0;
  let atOpening = 0;
  let whileOpen = 0;
  let drained = 0;
  const logins = async () => (await api.faults()).find((it) => it.at === 'auth')?.hits ?? 0;

  return {
    during: async (stop) => {
      await delay(Math.max(spread * 0.45, options.pause ? afterPause : 0), undefined, { signal: stop });
      handsOff.yes = true;
      const start = Date.now();
      await api.setFaults([
        { at: 'auth', reply: '535 5.7.8 Authentication credentials invalid' },
        { at: 'mail', reply: '530 5.7.0 Authentication required' },
      ]);
      while ((await view()).state === 'closed') await delay(200, undefined, { signal: stop });
      openedAfter = Date.now() - start;
      // Until every process has heard of it.
      await delay(3000, undefined, { signal: stop });
      atOpening = await logins();
      await delay(start + lasts - Date.now(), undefined, { signal: stop });
      whileOpen = (await logins()) - atOpening;
      await api.setFaults(faultsFor(options));
      handsOff.yes = false;
      await patiently(() => api.admin('POST', '/api/relay/probe'));
      const mended = Date.now();
      while ((await view()).state !== 'closed') await delay(200, undefined, { signal: stop });
      drained = Date.now() - mended;
    },
    judge: ({ rows }) => {
      const waited = rows.filter(({ delivery }) => delivery.trail.some(({ reason }) => reason.code === 'relay-auth'));
      const intervals = Math.ceil(lasts / interval);
      const tooMany = whileOpen - intervals * hosts;
      return {
        facts: {
          'outage: seconds until the relay was given up': openedAfter / 1000,
          'outage: logins until every process knew': atOpening,
          [`outage: logins in the ${lasts / 1000} s after`]: whileOpen,
          'outage: mails that waited': waited.length,
          'outage: seconds from the mended relay to its use': drained / 1000,
        },
        laws: {
          'logins beyond one for each probe interval and process':
            tooMany > 0 ? [{ what: `${tooMany} too many`, token: '-', to: '-' }] : [],
        },
      };
    },
  };

  function view(): Promise<RelayView> {
    return patiently(() => api.admin<RelayView>('GET', '/api/relay'));
  }
};
