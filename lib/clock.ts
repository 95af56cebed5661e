/** Time and chance, passed in so that a test can hold both still. */
export interface Clock {
  /** The time now, in milliseconds since 1970-01-01T00:00:00Z. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** A number in [0, 1), like `Math.random`. */
export type Random = () => number;

export const seconds = (n: number): number => n * 1000;
export const minutes = (n: number): number => n * 60_000;
export const hours = (n: number): number => n * 3_600_000;
export const days = (n: number): number => n * 86_400_000;

/** ISO 8601 in UTC with milliseconds, the one way times are stored and shown. */
export const iso = (ms: number): string => new Date(ms).toISOString();
