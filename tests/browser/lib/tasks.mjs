// What a page's main thread did, by the processor time that each task took: on the clock a task takes as long as whatever
// else the machine does meanwhile.
import { once } from 'node:events';

/** Watches until it is asked what it saw: how many tasks there were, and the milliseconds of the longest, longest first. */
export async function watchTasks(session) {
  const events = [];
  const collect = ({ value }) => events.push(...value.filter(({ name }) => name === 'RunTask' || name === 'thread_name'));
  session.on('Tracing.dataCollected', collect);
  const traceConfig = { includedCategories: ['disabled-by-default-devtools.timeline'], excludedCategories: ['*'], recordMode: 'recordContinuously' };
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig });
  return async () => {
    const complete = once(session, 'Tracing.tracingComplete');
    await session.send('Tracing.end');
    await complete;
    session.off('Tracing.dataCollected', collect);
    const thread = ({ pid, tid }) => `${pid}:${tid}`;
    const mains = new Set(events.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain').map(thread));
    const times = events.filter((event) => event.tdur !== undefined && mains.has(thread(event))).map(({ tdur }) => tdur / 1000);
    return { count: times.length, longest: times.sort((a, b) => b - a).slice(0, 20) };
  };
}
