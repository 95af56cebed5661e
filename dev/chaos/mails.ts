import type { Mail } from '../../lib/message/contract.ts';
import { type Kind, laneOf } from '../../lib/message/kinds.ts';
import { sequence } from '../smtp/faults.ts';

/** How a producer hands a message in. */
export type Way = 'queue' | 'http' | 'http-wait';

/** One message that is handed in, and what has to become of it. */
export interface Planned {
  /** Unique; it stands in the subject and in `ref`, so that the inbox and the rows can be told. */
  token: string;
  mail: Mail;
  by: Way;
  /** Handed in so often, as a producer does that is not sure whether the first time worked. */
  copies: number;
  /** Its key is that of this other message, whose body differs: one of the two must be refused visibly. */
  rivalOf?: string;
  /** It is not by the contract, so it must end as a visible `failed` row. */
  invalid?: true;
}

export interface PlanOptions {
  mails: number;
  seed: number;
  /** Marks the run, so that two runs share no token. */
  run: string;
}

const ordinary: Kind[] = ['share', 'share', 'notice', 'file-change', 'error'];
const priority: Kind[] = ['two-factor', 'password-recovery'];
const people = 400;

export const personOf = (n: number): string => `person${n}@example.com`;
export const everybody: readonly string[] = Array.from({ length: people }, (_, n) => personOf(n));

/** The messages of a run: what they are follows from the seed alone. */
export const planMails = ({ mails, seed, run }: PlanOptions): Planned[] => {
  const draw = sequence(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(draw() * from.length)] as T;
  const planned: Planned[] = [];

  const recipients = (): Mail['to'] => {
    const count = draw() < 0.1 ? 2 + Math.floor(draw() * 4) : 1;
    const chosen = new Set<string>();
    while (chosen.size < count) chosen.add(pick(everybody));
    return [...chosen].map((address) => ({ address }));
  };

  for (let n = 0; n < mails; n++) {
    const token = `${run}-${n}-end`;
    const kind = pick(draw() < 0.15 ? priority : ordinary);
    const way = draw();
    const by: Way = way < 0.75 ? 'queue' : way < 0.88 ? 'http' : 'http-wait';
    const keyed = by !== 'queue' || draw() < 0.4;
    const mail: Mail = {
      kind,
      to: recipients(),
      subject: `Chaos ${token}`,
      text: `The ${n + 1}th message of run ${run}.`,
      ref: { token },
      ...(keyed ? { key: `key-${token}` } : {}),
    };
    const copies = keyed && draw() < 0.25 ? 2 : 1;
    planned.push({ token, mail, by, copies });
    const mischief = draw();
    if (mischief < 0.01 && mail.key && by === 'queue' && copies === 1 && ordinary.includes(kind)) {
      const rival = `${token}-rival`;
      const other: Mail = { ...mail, subject: `Chaos ${rival}`, ref: { token: rival } };
      planned.push({ token: rival, mail: other, by: 'queue', copies: 1, rivalOf: token });
    } else if (mischief > 0.99) {
      const bad = `${token}-bad`;
      const other = { kind: 'nonsense', to: mail.to, subject: `Chaos ${bad}`, text: '-' } as unknown as Mail;
      planned.push({ token: bad, mail: other, by: 'queue', copies: 1, invalid: true });
    }
  }
  return planned;
};

/** The queue that a producer puts it on. */
export const queueOf = ({ mail, invalid }: Planned): string => (invalid ? 'mail' : laneOf(mail.kind));

/** The token of a text that holds one. */
export const tokenIn = (text: string, run: string): string | undefined =>
  new RegExp(`${run}-\\d+-end(?:-rival|-bad)?`).exec(text)?.[0];
