import { alerts } from '../alerts.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Mail } from '../message/contract.ts';
import type { Settings } from '../settings/schema.ts';
import { resendsByItself } from './aftermath.ts';
import { type Delivery, keepsMail, type Move, moved } from './delivery.ts';
import type { Ledger, Stored } from './ledger.ts';
import type { State } from './states.ts';

/** A move; made now and by the engine, unless it says otherwise. */
export type Step = Omit<Move, 'at' | 'by'> & Partial<Pick<Move, 'at' | 'by'>>;

/**
 * The desk's ways to write a state: the row keeps the mail as long as it may be needed, and is found by its recipient.
 * Both answer `undefined` where somebody else was first.
 */
export interface Transitions {
  write(standing: Stored, step: Step, writer: string, mail?: Mail): Promise<Stored | undefined>;
  /** For what has no row yet. */
  open(delivery: Delivery, from: State | 'new', step: Step, writer: string, mail: Mail): Promise<Stored | undefined>;
  /** Tells the log, and the operators where a person is needed. */
  announce(delivery: Delivery, settings: Settings): void;
}

interface Parts {
  ledger: Pick<Ledger, 'open' | 'move' | 'index'>;
  clock: Clock;
  log: Log;
}

export const transitions = ({ ledger, clock, log }: Parts): Transitions => ({
  write: async (standing, step, writer, mail) => {
    const next = moved(standing.delivery, standing.delivery.state, { at: clock.now(), by: 'engine', ...step });
    const stored = await ledger.move(standing, next, writer, keepsMail(next) ? (mail ?? standing.mail) : undefined);
    if (stored) await ledger.index(next);
    return stored;
  },
  open: async (delivery, from, step, writer, mail) => {
    const next = moved(delivery, from, { at: clock.now(), by: 'engine', ...step });
    const stored = await ledger.open(next, writer, keepsMail(next) ? mail : undefined);
    if (stored) await ledger.index(next);
    return stored;
  },
  announce: (delivery, settings) => {
    const fields = { delivery: delivery.id, kind: delivery.kind, state: delivery.state, code: delivery.reason.code };
    log.info('postern.delivery', fields);
    if (delivery.state === 'failed') log.alert(alerts.deliveryFailed, fields);
    if (delivery.state === 'uncertain' && !resendsByItself(delivery, settings)) {
      log.alert(alerts.deliveryUncertain, fields);
    }
  },
});
