// Runs stages beside each other: as many as there are slots, in the order of the list, each after those that it needs.

/**
 * Runs `stages`; `slots` at once. A stage with `background` takes no slot. What needs a failed stage does not run.
 * Calls `ended(stage, result)` for each, with `{ seconds, cpu, tests }` or `{ seconds, error }`.
 */
export async function schedule(stages, slots, start, ended) {
  const waiting = [...stages];
  const state = new Map();
  let free = slots;
  const running = new Set();
  const ready = (stage) => (stage.after ?? []).every((name) => !stages.some((other) => other.name === name) || state.get(name) === 'passed');
  const doomed = (stage) => (stage.after ?? []).some((name) => state.get(name) === 'failed');

  const begin = async (stage) => {
    const cost = stage.background ? 0 : Math.min(stage.slots ?? 1, slots);
    free -= cost;
    const began = performance.now();
    let result;
    try {
      result = await start(stage);
    } catch (error) {
      result = { error };
    }
    result.seconds = (performance.now() - began) / 1000;
    free += cost;
    state.set(stage.name, result.error && !stage.goesOn ? 'failed' : 'passed');
    ended(stage, result);
  };

  while (waiting.length > 0 || running.size > 0) {
    for (const stage of [...waiting]) {
      if (doomed(stage)) {
        waiting.splice(waiting.indexOf(stage), 1);
        state.set(stage.name, 'failed');
        ended(stage, { seconds: 0, error: new Error('not run: what it needs has failed') });
        continue;
      }
      const cost = stage.background ? 0 : Math.min(stage.slots ?? 1, slots);
      if (!ready(stage) || cost > free) continue;
      waiting.splice(waiting.indexOf(stage), 1);
      const run = begin(stage).finally(() => running.delete(run));
      running.add(run);
    }
    if (running.size > 0) await Promise.race(running);
    else if (waiting.length > 0) throw new Error(`stages wait for each other: ${waiting.map((stage) => stage.name)}`);
  }
}
