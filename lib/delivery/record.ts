import { type Clock, type Random, seconds } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Mail } from '../message/contract.ts';
import type { Outcome } from '../relay/outcome.ts';
import type { Settings } from '../settings/schema.ts';
import { type Aftermath, aftermathOf } from './aftermath.ts';
import { carrierOf, type Lanes } from './carrier.ts';
import { leaseEndOf } from './claim.ts';
import { type Delivery, laneOfDelivery } from './delivery.ts';
import type { Ledger, Stored } from './ledger.ts';
import type { Parking } from './parking.ts';
import type { Transitions } from './transition.ts';

interface Parts {
  ledger: Pick<Ledger, 'read'>;
  transitions: Transitions;
  lanes: Lanes;
  parking: Pick<Parking, 'park'>;
  clock: Clock;
  random: Random;
  /** Waits so many milliseconds. */
  wait(milliseconds: number): Promise<unknown>;
  log: Log;
}

/** What a hand-over came to. */
export interface Result {
  claimed: Stored;
  outcome: Outcome;
  settings: Settings;
  mail: Mail;
  writer: string;
}

/** Waits before a result that could not be recorded is tried again, in milliseconds. */
const recordAgain = [seconds(1), seconds(2), seconds(4), seconds(8)];

/**
 * Records an outcome and arranges what follows from it. What the relay said is known only here: storage gets some time
 * to come back before it is lost to `uncertain`.
 * @returns the delivery as it then is
 */
export const recording = ({ ledger, transitions, lanes, parking, clock, random, wait, log }: Parts) => {
  const recordSurely = async (result: Result): Promise<Delivery> => {
    const { delivery } = result.claimed;
    for (const pause of recordAgain) {
      try {
        return await record(result);
      } catch (error) {
        if (clock.now() + pause > leaseEndOf(delivery)) throw error;
        log.warn('postern.delivery.unrecorded', { delivery: delivery.id, error: String(error).slice(0, 300) });
        await wait(pause);
      }
    }
    return await record(result);
  };

  const record = async (result: Result): Promise<Delivery> => {
    const { claimed, outcome, settings } = result;
    let standing = claimed;
    for (let round = 0; round < 3; round++) {
      const aftermath = aftermathOf(standing.delivery, outcome, { settings, now: clock.now(), random });
      const done = await carryOut(standing, aftermath, result);
      if (done) return done;
      // The lease ran out and somebody declared this attempt dead. Its result is still news, unless another attempt began.
      const present = await ledger.read(claimed.delivery.id);
      if (present?.delivery.state !== 'uncertain' || present.delivery.attempt !== claimed.delivery.attempt) break;
      standing = present;
    }
    log.warn('postern.delivery.late', { delivery: claimed.delivery.id, attempt: claimed.delivery.attempt });
    return (await ledger.read(claimed.delivery.id))?.delivery ?? claimed.delivery;
  };

  const carryOut = async (standing: Stored, { move, again, park }: Aftermath, { settings, mail, writer }: Result) => {
    const stored = await transitions.write(standing, move, writer, mail);
    if (!stored) return undefined;
    const { delivery } = stored;
    if (park) await parking.park(delivery, park.waitsFor, park.until);
    if (again !== undefined) {
      await lanes.send(laneOfDelivery(delivery), carrierOf(delivery.id, delivery.attempt + 1), again / 1000);
    }
    transitions.announce(delivery, settings);
    return delivery;
  };

  return recordSurely;
};
