/** What happens at one of the calls that a process makes to the world outside it. */
export type Fate =
  /** The process ends before the call has any effect, or after it had. */
  | 'dies before'
  | 'dies after'
  /** The service does not answer: nothing happened, or it happened and the answer got lost. */
  | 'fails before'
  | 'fails after';

export interface Blow {
  /** Which call of this process, from 1. */
  call: number;
  fate: Fate;
}

/**
 * A process that can end between any two calls to storage or the relay. From then on none of its calls has an effect or
 * comes back, as if it had never been: what it was about to do is lost, what it did stays.
 * @param turn awaited before each call, so that a model can interleave its processes
 */
export const mortal = (blows: readonly Blow[], turn: () => Promise<void> = async () => undefined) => {
  let dead = false;
  let calls = 0;
  let die: () => void = () => undefined;
  const death = new Promise<'died'>((resolve) => {
    die = () => {
      dead = true;
      resolve('died');
    };
  });
  const never = new Promise<never>(() => undefined);

  const call = <T>(act: () => Promise<T>): Promise<T> =>
    struck(act, ['dies before', 'dies after', 'fails before', 'fails after']);
  /** A hand-over tells by its outcome that a reply was lost; it never rejects for that. */
  const hand = <T>(act: () => Promise<T>): Promise<T> => struck(act, ['dies before', 'dies after', 'fails before']);

  const struck = async <T>(act: () => Promise<T>, possible: readonly Fate[]): Promise<T> => {
    if (dead) return never;
    await turn();
    if (dead) return never;
    calls += 1;
    const fate = blows.find((blow) => blow.call === calls && possible.includes(blow.fate))?.fate;
    if (fate === 'fails before') throw new Error('503 the service does not answer');
    if (fate !== 'dies before') {
      const result = await act().then(
        (value) => () => value,
        (error: unknown) => () => {
          throw error;
        },
      );
      if (dead) return never;
      if (fate === 'fails after') throw new Error('ECONNRESET before the answer');
      if (fate !== 'dies after') return result();
    }
    die();
    return never;
  };

  /** The same client, with each of its asynchronous methods a call that the process may not live through. */
  const through = <C extends object>(client: C): C =>
    new Proxy(client, {
      get: (target, name) => {
        const member = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => {
          if (name === 'listEntities') return paged(member.apply(target, args));
          const result = () => member.apply(target, args) as unknown;
          if (name === 'getBlockBlobClient') return through(result() as object);
          return call(async () => result());
        };
      },
    });

  const paged = (list: AsyncIterable<unknown> & { byPage(options?: object): AsyncIterator<unknown> }) => ({
    [Symbol.asyncIterator]: () => stepping(list[Symbol.asyncIterator]()),
    byPage: (options?: object) => stepping(list.byPage(options)),
  });
  const stepping = (inner: AsyncIterator<unknown>) => ({
    next: () => call(() => inner.next()),
    [Symbol.asyncIterator]() {
      return this;
    },
  });

  return {
    through,
    call,
    hand,
    calls: () => calls,
    dead: () => dead,
    /** Runs one invocation. @returns `died` where the process ended in it */
    live: <T>(invocation: () => Promise<T>): Promise<T | 'died'> => Promise.race([invocation(), death]),
  };
};
