/** What the fake Entra does instead of answering as asked. */
export interface EntraFault {
  at: 'discovery' | 'authorize' | 'token';
  /** Only for this grant at `token`, e.g. `refresh_token`. */
  grant?: string;
  /** Refuses by this AADSTS code: JSON at `token`, by the callback at `authorize`. */
  code?: number;
  /** Alone: a page instead of JSON, as a broken proxy gives it. With `code`: that status instead of the usual one. */
  status?: number;
  /** Seconds, as the header Retry-After. */
  retryAfter?: number;
  /** Closes the connection without a word. */
  drop?: boolean;
  /** Left out: until it is cleared. */
  times?: number;
}

export interface EntraFaults {
  set(list: readonly EntraFault[]): void;
  clear(): void;
  list(): (EntraFault & { struck: number })[];
  next(at: EntraFault['at'], grant?: string): EntraFault | undefined;
}

export const entraFaults = (): EntraFaults => {
  let scripted: { fault: EntraFault; struck: number }[] = [];
  return {
    set: (list) => {
      scripted = list.map((fault) => ({ fault, struck: 0 }));
    },
    clear: () => {
      scripted = [];
    },
    list: () => scripted.map(({ fault, struck }) => ({ ...fault, struck })),
    next: (at, grant) => {
      const hit = scripted.find(
        ({ fault, struck }) =>
          fault.at === at &&
          (fault.grant === undefined || fault.grant === grant) &&
          struck < (fault.times ?? Number.POSITIVE_INFINITY),
      );
      if (!hit) return undefined;
      hit.struck++;
      return hit.fault;
    },
  };
};
