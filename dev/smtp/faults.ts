import { z } from 'zod';

/** Where in the way of a mail a fault strikes. `accept` is the reply to the final dot. */
export const phases = ['connect', 'ehlo', 'tls', 'auth', 'mail', 'rcpt', 'data', 'accept'] as const;

export type Phase = (typeof phases)[number];

const fault = z
  .strictObject({
    at: z.enum(phases),
    /**
     * Strikes only where this is part of: the client's line (ehlo, mail, rcpt), mechanism and user (auth), the
     * envelope's addresses (data, accept), `address:port` (connect, tls). Upper and lower case are the same.
     */
    match: z.string().min(1).optional(),
    /** The exact line to answer with. From 400 on the step fails; below, it succeeds with this text. */
    reply: z
      .string()
      .max(500)
      .regex(/^[2-5]\d\d(?: [^\p{Cc}]*)?$/u, 'must be a reply of one line such as "451 4.7.1 later"')
      .optional(),
    delayMs: z.int().min(0).max(600_000).optional(),
    /**
     * Closes the connection: `before` the step is taken or `after` it. At `accept`: without storing the mail, or with
     * the mail stored, and in both cases without a reply unless one is given.
     */
    drop: z.enum(['before', 'after']).optional(),
    /** Strikes this often, then never again. */
    times: z.int().min(1).optional(),
    /** Strikes at each n-th time that it could. */
    every: z.int().min(1).optional(),
    /** Strikes with this probability, drawn from a sequence that `seed` fixes. */
    chance: z.number().min(0).max(1).optional(),
    seed: z.int().optional(),
  })
  .refine((one) => one.reply ?? one.delayMs ?? one.drop, 'does nothing: give it a reply, a delayMs or a drop');

export const faultList = z.array(fault).max(1000);

export type Fault = z.output<typeof fault>;
export type FaultInput = z.input<typeof fault>;

/** `seen`: how often it could have struck; `hits`: how often it did. */
export type FaultReport = Fault & { seen: number; hits: number };

export interface Faults {
  /** Replaces the list and its counters. @throws ZodError */
  set(list: readonly FaultInput[]): void;
  clear(): void;
  list(): FaultReport[];
}

/**
 * The list in its order: every fault that fits an event counts it as seen, the first one that is due strikes.
 * Counters and chance are deterministic, so that the same mails meet the same faults.
 */
export const faultScript = (): Faults & { next(at: Phase, about: string): Fault | undefined } => {
  let entries: { fault: Fault; seen: number; hits: number; draw: () => number }[] = [];
  return {
    set: (list) => {
      entries = faultList.parse(list).map((one) => ({ fault: one, seen: 0, hits: 0, draw: sequence(one.seed ?? 1) }));
    },
    clear: () => {
      entries = [];
    },
    list: () => entries.map(({ fault: one, seen, hits }) => ({ ...one, seen, hits })),
    next: (at, about) => {
      const text = about.toLowerCase();
      const due = entries.filter((entry) => {
        const { match, times, every, chance } = entry.fault;
        if (entry.fault.at !== at || (match && !text.includes(match.toLowerCase()))) return false;
        entry.seen++;
        if (times !== undefined && entry.hits >= times) return false;
        if (every !== undefined && entry.seen % every !== 0) return false;
        return chance === undefined || entry.draw() < chance;
      });
      const first = due[0];
      if (!first) return undefined;
      first.hits++;
      return first.fault;
    },
  };
};

/** Mulberry32, a small generator of numbers in [0, 1) that a seed fixes. */
export const sequence = (seed: number): (() => number) => {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};
