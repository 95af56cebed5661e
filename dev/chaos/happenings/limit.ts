import type { Happening, Scene } from './happening.ts';
import { findingOf } from './happening.ts';

/** A 24-hour limit that is smaller than the mail of the run (law 3). The setting is saved before the run. */
export const limit = ({ options }: Scene): Happening => ({
  during: async () => {},
  judge: ({ rows, arrivals }) => {
    const over = Math.max(0, arrivals.length - options.limit);
    const parked = rows.filter(({ delivery }) => delivery.state === 'parked' && delivery.waitsFor === 'limit');
    return {
      facts: {
        'limit in 24 hours': options.limit,
        'units of it that no mail used': Math.max(0, options.limit - arrivals.length),
        'parked for the limit, with the time until when': parked.filter(({ delivery }) => delivery.due).length,
      },
      laws: {
        'mails over the limit': over > 0 ? [{ what: `${over} mails too many`, token: '-', to: '-' }] : [],
        'parked for the limit without a time': parked
          .filter(({ delivery }) => !delivery.due)
          .map((row) => findingOf(row, 'no time')),
      },
    };
  },
});
