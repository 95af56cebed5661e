import { randomBytes } from 'node:crypto';
import { alerts } from '../alerts.ts';
import { type Clock, iso, minutes, type Random } from '../clock.ts';
import type { Log } from '../log.ts';
import { sentence } from '../sentence.ts';
import type { Change } from '../storage/row.ts';
import type { Fault, FaultClass } from './outcome.ts';
import type { Cause, RelayState, SharedRelayState } from './state.ts';

/** Leave to try one mail; handed back with what became of it. */
export interface Pass {
  generation: number;
  /** Set where the mail is the probe of an open breaker. */
  probe?: string;
}

export type Gate =
  | { open: false; pass: Pass }
  | {
      open: true;
      /** Whether this one mail may go all the same, to find out; then `pass` is set. No other mail may. */
      probe: boolean;
      pass?: Pass;
      cause: Cause;
      /** Milliseconds since 1970. */
      since: number;
      nextProbe: number;
      /** Key of the remedy text. */
      remedy: string | undefined;
    };

export interface Breaker {
  /**
   * Asked before each attempt. While open, a mail waits and its attempts stay untouched (law 4); when the next probe is
   * due, exactly one asker across all processes is told to be it.
   * @throws RestError of the storage: the mail waits.
   */
  gate(): Promise<Gate>;
  /** What `gate` would find, without taking the right to probe; for dry runs and for whoever releases waiting mail. */
  look(): Promise<{ open: false } | { open: true; cause: Cause; since: number; nextProbe: number }>;
  /** The mail came through. @returns whether this closed the breaker, so that waiting mail may go. */
  success(pass: Pass): Promise<{ released: boolean }>;
  /** The mail did not come through. A fault of the mail itself tells that the relay works, like a success. */
  fault(fault: Fault, pass: Pass): Promise<{ released: boolean }>;
  /** The mail was not tried after all (another gate stopped it): somebody else may probe at once. */
  handBack(pass: Pass): Promise<void>;
  /** Settings or credentials changed, or an admin asks: the next mail is the probe. @returns whether it was open. */
  probeNow(): Promise<{ released: boolean }>;
}

/** Minutes from one probe to the next; the last stays. */
const probeIntervals = [1, 2, 5, 10, 15, 30];

/** Connection faults in a row that open the breaker, each told once however many mails it stopped. Auth and sender faults open it at once. */
const faultsToOpen = 3;

/** What a fault says about the relay, as data. `answered`: it took part in the dialogue, so its state is as good as a success. */
const meaning: Record<FaultClass, 'opens' | 'counts' | 'answered' | 'unclear'> = {
  auth: 'opens',
  sender: 'opens',
  connection: 'counts',
  temporary: 'unclear',
  recipient: 'answered',
  message: 'answered',
  quota: 'answered',
  unknown: 'unclear',
};

/** A relay that answers about the mail is reached and has let us in, even if it says "later". */
const aboutTheMail = new Set<Fault['phase']>(['mail', 'rcpt', 'data', 'accept']);

const says = (fault: Fault): 'opens' | 'counts' | 'answered' | 'unclear' =>
  fault.class === 'temporary' && aboutTheMail.has(fault.phase) ? 'answered' : meaning[fault.class];

/**
 * The relay's breaker on one shared row. Opening and closing are each one write that exactly one process wins, so each
 * is one alert line, never one a mail. A report counts only in the generation in which its mail was let through: the
 * mails that were on their way when it opened can neither open it again nor close it.
 * @param probeTime the longest that a probe may take until its outcome is reported, in milliseconds; after that another
 * process may probe
 */
export const breaker = ({
  state,
  clock,
  random,
  log,
  probeTime = minutes(3),
}: {
  state: SharedRelayState;
  clock: Clock;
  random: Random;
  log: Log;
  probeTime?: number;
}): Breaker => {
  const process = randomBytes(6).toString('base64url');
  let probes = 0;
  const counted = new WeakSet<object>();

  const untilProbe = (failed: number): number => {
    const interval = minutes(probeIntervals[Math.min(failed, probeIntervals.length - 1)] ?? 30);
    return Math.round(clock.now() + interval * (1 + random() / 10));
  };

  const opened = (before: RelayState, fault: Fault): RelayState => ({
    ...before,
    generation: before.generation + 1,
    faults: 0,
    open: { cause: causeOf(fault), since: clock.now(), probes: 0, nextProbe: untilProbe(0) },
  });

  const closed = ({ open: _, ...before }: RelayState): RelayState => ({
    ...before,
    generation: before.generation + 1,
    faults: 0,
  });

  const probeSucceeded = async (probe: string): Promise<{ released: boolean }> => {
    const { result } = await state.change<RelayState['open']>((before) =>
      before.open?.probing?.id === probe ? { value: closed(before), result: before.open } : { result: undefined },
    );
    if (!result) return { released: false };
    const openSeconds = Math.round((clock.now() - result.since) / 1000);
    log.alert(alerts.relayClosed, { cause: result.cause.class, openSeconds, probes: result.probes });
    return { released: true };
  };

  const answered = async (pass: Pass): Promise<{ released: boolean }> => {
    if (pass.probe !== undefined) return probeSucceeded(pass.probe);
    const seen = state.remembered();
    if (seen?.faults === 0) return { released: false };
    await state.change((before) =>
      isNews(before, pass) && before.faults > 0
        ? { value: { ...before, faults: 0 }, result: undefined }
        : { result: undefined },
    );
    return { released: false };
  };

  const probeFailed = async (fault: Fault, pass: Pass): Promise<void> => {
    await state.change((before) => {
      if (!before.open || before.open.probing?.id !== pass.probe) return { result: undefined };
      const { probing: _, ...open } = before.open;
      const probes = open.probes + 1;
      return {
        value: { ...before, open: { ...open, probes, cause: causeOf(fault), nextProbe: untilProbe(probes) } },
        result: undefined,
      };
    });
  };

  const failed = async (fault: Fault, pass: Pass): Promise<void> => {
    const seen = state.remembered();
    // Old news without an operation: the row has moved on already, and generations only grow.
    if (seen && seen.generation > pass.generation) return;
    // Mails that waited for the same login or token tell of one and the same failure.
    const { failure } = fault;
    if (failure && counted.has(failure)) return;
    if (failure) counted.add(failure);
    let wrote = false;
    let opens = false;
    try {
      ({ wrote, result: opens } = await state.change((before): Change<RelayState, boolean> => {
        if (!isNews(before, pass)) return { result: false };
        const opens = says(fault) === 'opens' || before.faults + 1 >= faultsToOpen;
        return { value: opens ? opened(before, fault) : { ...before, faults: before.faults + 1 }, result: opens };
      }));
    } finally {
      // Untold, or told too late: the next mail that it stops has to tell of it.
      if (failure && !wrote) counted.delete(failure);
    }
    if (!opens) return;
    const { class: cause, phase, code, enhanced, reply, remedy } = fault;
    log.alert(alerts.relayOpened, { cause, phase, code, enhanced, reply, remedy });
  };

  return {
    gate: async () => {
      const seen = await state.recent();
      if (!seen.open) return { open: false, pass: { generation: seen.generation } };
      if (clock.now() < seen.open.nextProbe) return stopped(seen.open);
      const id = `${process}.${probes++}`;
      const { result } = await state.change((before) => {
        if (!before.open || clock.now() < before.open.nextProbe) return { result: before };
        const until = clock.now() + probeTime;
        const next = { ...before, open: { ...before.open, nextProbe: until, probing: { id, until } } };
        return { value: next, result: next };
      });
      if (!result.open) return { open: false, pass: { generation: result.generation } };
      if (result.open.probing?.id !== id) return stopped(result.open);
      return { ...stopped(result.open), probe: true, pass: { generation: result.generation, probe: id } };
    },

    look: async () => {
      const { open } = await state.recent();
      return open ? { open: true, cause: open.cause, since: open.since, nextProbe: open.nextProbe } : { open: false };
    },

    success: answered,

    fault: async (fault, pass) => {
      const said = says(fault);
      if (said === 'answered') return answered(pass);
      if (pass.probe !== undefined) await probeFailed(fault, pass);
      else if (said !== 'unclear') await failed(fault, pass);
      return { released: false };
    },

    handBack: async (pass) => {
      if (pass.probe === undefined) return;
      await state.change((before) => {
        if (!before.open || before.open.probing?.id !== pass.probe) return { result: undefined };
        const { probing: _, ...open } = before.open;
        return { value: { ...before, open: { ...open, nextProbe: clock.now() } }, result: undefined };
      });
    },

    probeNow: async () => {
      const { result } = await state.change((before) => {
        if (!before.open) return { result: false };
        const { probing: _, ...open } = before.open;
        return { value: { ...before, open: { ...open, probes: 0, nextProbe: clock.now() } }, result: true };
      });
      return { released: result };
    },
  };
};

const isNews = (state: RelayState, pass: Pass): boolean => !state.open && state.generation === pass.generation;

const stopped = (open: NonNullable<RelayState['open']>): Extract<Gate, { open: true }> => ({
  open: true,
  probe: false,
  cause: open.cause,
  since: open.since,
  nextProbe: open.nextProbe,
  remedy: open.cause.remedy,
});

const causeOf = ({ class: faultClass, phase, code, enhanced, reply, remedy }: Fault): Cause => ({
  class: faultClass as Cause['class'],
  phase,
  ...(code !== undefined && { code }),
  ...(enhanced !== undefined && { enhanced }),
  reply,
  ...(remedy !== undefined && { remedy }),
});

/** For logs and rows: why a mail waits. "Paused" is another matter: that is the admin's switch. */
export const sentenceFor = ({ since, cause, nextProbe }: { since: number; cause: Cause; nextProbe: number }): string =>
  `Mail waits for the relay, which is out of order since ${iso(since)}: ${sentence(cause.reply)} One mail is tried at ${iso(nextProbe)}.`;
