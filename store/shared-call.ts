/**
 * Turns an action that covers everything done before it started (fsync, syncfs) into one that many can share:
 * a call while one is running waits for the next run, which serves all that came meanwhile.
 */
export function shareCalls(action: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const run = (): Promise<void> => {
    running = action().finally(() => (running = undefined));
    return running;
  };
  return () => {
    if (running === undefined) return run();
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return run();
      });
    return next;
  };
}
