// What has been started is undone, newest first, however the run ends.
const undo = [];

/** Registers `action`, a synchronous function; returns a function that runs it now instead of at the end. */
export function onExit(action) {
  undo.push(action);
  return () => {
    const index = undo.lastIndexOf(action);
    if (index >= 0) undo.splice(index, 1);
    action();
  };
}

export function cleanUp() {
  for (let action = undo.pop(); action; action = undo.pop()) {
    try {
      action();
    } catch (error) {
      process.stderr.write(`bench: while cleaning up: ${error.message}\n`);
    }
  }
}

for (const [signal, code] of [
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.on(signal, () => {
    cleanUp();
    process.exit(code);
  });
}

process.on('uncaughtException', (error) => {
  process.stderr.write(`bench: ${error.stack}\n`);
  cleanUp();
  process.exit(1);
});
