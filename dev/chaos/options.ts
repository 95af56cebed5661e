import { parseArgs } from 'node:util';

export const usage = `npm run chaos -- [options]

  --mails 2000        messages that are handed in; some have several recipients
  --kills 10          how often each of the two functions hosts is killed (SIGKILL)
  --seed 1            repeats a run: the same mails, the same faults and waits drawn
  --mode both         after an unknown outcome: hold, resend, or a run of each
  --faults all        all, some (without lost replies), or none
  --limit N           a 24-hour limit of N mails: none more may arrive, the rest waits parked; 0: none.
                      Unless told: four for five messages
  --no-outage         else the relay refuses the login for a while in the middle
  --no-pause          else ordinary mail is paused for a while in the middle
  --no-do-not-email   else a fifth of the recipients is on the list, and entries come and go
  --plain             none of these four unless it is named
  --patience 120      seconds without any move after which mail that is still on its way counts as lost
  --keep              keeps the folder with the log, the storage and the mails
  --json              prints JSON instead of tables`;

export type Mode = 'hold' | 'resend';

export interface ChaosOptions {
  mails: number;
  kills: number;
  seed: number;
  modes: Mode[];
  faults: 'all' | 'some' | 'none';
  /** 0: no limit. */
  limit: number;
  outage: boolean;
  pause: boolean;
  doNotEmail: boolean;
  /** Milliseconds. */
  patience: number;
  keep: boolean;
  json: boolean;
  help: boolean;
}

/** @throws Error with a sentence that names the option that is wrong. */
export const readOptions = (args: string[]): ChaosOptions => {
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      mails: { type: 'string', default: '2000' },
      kills: { type: 'string', default: '10' },
      seed: { type: 'string', default: '1' },
      mode: { type: 'string', default: 'both' },
      faults: { type: 'string', default: 'all' },
      limit: { type: 'string' },
      outage: { type: 'boolean' },
      pause: { type: 'boolean' },
      'do-not-email': { type: 'boolean' },
      plain: { type: 'boolean', default: false },
      patience: { type: 'string', default: '120' },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const modes: Record<string, Mode[]> = { hold: ['hold'], resend: ['resend'], both: ['hold', 'resend'] };
  const mails = count('mails', values.mails);
  const unlessPlain = !values.plain;
  return {
    mails,
    kills: count('kills', values.kills),
    seed: count('seed', values.seed),
    modes: oneOf('mode', modes, values.mode),
    faults: oneOf('faults', { all: 'all', some: 'some', none: 'none' } as const, values.faults),
    limit: values.limit === undefined ? (unlessPlain ? Math.ceil(mails * 0.8) : 0) : count('limit', values.limit),
    outage: values.outage ?? unlessPlain,
    pause: values.pause ?? unlessPlain,
    doNotEmail: values['do-not-email'] ?? unlessPlain,
    patience: count('patience', values.patience) * 1000,
    keep: values.keep,
    json: values.json,
    help: values.help,
  };
};

const count = (name: string, text: string): number => {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Error(`--${name} ${text}: give a whole number.`);
};

const oneOf = <T>(name: string, choices: Record<string, T>, text: string): T => {
  const choice = choices[text];
  if (choice !== undefined) return choice;
  throw new Error(`--${name} ${text}: give one of ${Object.keys(choices).join(', ')}.`);
};
