// @vitest-environment happy-dom
// The hooks, under StrictMode: nothing twice, nothing torn, nothing left behind.
import { act, cleanup, render, renderHook } from '@testing-library/react';
import { StrictMode, startTransition, useState, type ReactNode } from 'react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Client } from '../src/index.ts';
import {
  FanfareProvider,
  useAgent,
  useAvailability,
  useChat,
  useClient,
  useConnection,
  useEvent,
  useLocations,
  useLocationsRef,
  useMessages,
  usePeople,
  usePerson,
  usePresence,
  useStats,
} from '../src/react/index.ts';
import { message, settle, World } from './fake.ts';

let frames: (() => void)[] = [];
beforeEach(() => {
  frames = [];
  vi.stubGlobal('requestAnimationFrame', (then: () => void) => frames.push(then));
  vi.stubGlobal('cancelAnimationFrame', (frame: number) => (frames[frame - 1] = () => {}));
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const frame = () => act(async () => frames.splice(0).forEach((then) => then()));
const within = (client: Client) => ({ children }: { children: ReactNode }) => (
  <StrictMode>
    <FanfareProvider client={client}>{children}</FanfareProvider>
  </StrictMode>
);

async function world() {
  const world = new World();
  const { client, link } = await world.connected();
  const agents = (...list: [string, number][]) => ({
    view: 3,
    epoch: 5,
    agents: list.map(([agent_id, lat], alias) => ({ alias, agent_id, fix: { counter: 1, time: lat, lat, lon: 0 } })),
  });
  const live = () => {
    link.reply('subscribe', { subscriptions: [{ channel: 'locations', view: 3, epoch: 5 }] });
    link.say({ event: 'location:snapshot', data: { ...agents(['bob', 1], ['carol', 1]), more: false } });
  };
  const move = (...list: [string, number][]) => link.say({ event: 'location:agents', data: agents(...list) });
  return { world, client, link, live, move, wrapper: within(client) };
}

test('a hook without a provider says so', () => {
  const silent = vi.spyOn(console, 'error').mockImplementation(() => {});
  expect(() => renderHook(() => useClient())).toThrow('FanfareProvider');
  silent.mockRestore();
});

test('useConnection follows the state', async () => {
  const { client, world: w, wrapper } = await world();
  const { result } = renderHook(() => useConnection(), { wrapper });
  expect(result.current.name).toBe('open');
  act(() => client.interrupt());
  expect(result.current.name).toBe('backoff');
  await act(() => w.clock.pass(5_000));
  expect(result.current.name).toBe('open');
});

test('many who look are one subscription, and it ends with the last', async () => {
  const { link, live, wrapper } = await world();
  const Both = () => {
    useLocations();
    useLocations();
    useAgent('bob');
    useLocationsRef();
    return null;
  };
  const view = render(<Both />, { wrapper });
  expect(link.asked('subscribe').length).toBe(1);
  live();
  await frame();
  // The next page looks at the same: nothing is asked again.
  view.rerender(<Both key="another" />);
  await settle();
  expect([link.asked('subscribe').length, link.asked('unsubscribe').length]).toEqual([1, 0]);
  view.unmount();
  await vi.waitFor(() => expect(link.asked('unsubscribe').length).toBe(1));
});

test('positions render at most once a frame, each agent alone where it is asked for alone', async () => {
  const { live, move, wrapper } = await world();
  const renders = { all: 0, bob: 0, ref: 0 };
  const All = () => {
    renders.all += 1;
    const { agents, state } = useLocations();
    return <p>{`${state} ${[...agents.values()].map(({ agentId, fix }) => `${agentId} ${fix?.lat}`).join(', ')}`}</p>;
  };
  const Bob = () => {
    renders.bob += 1;
    return <b>{useAgent('bob')?.fix?.lat ?? 'nowhere'}</b>;
  };
  const Canvas = () => {
    renders.ref += 1;
    const ref = useLocationsRef();
    return <i onClick={() => ref.current?.agents.size} />;
  };
  const { container } = render(<><All /><Bob /><Canvas /></>, { wrapper });
  const text = (name: string) => container.querySelector(name)?.textContent;
  expect([text('p'), text('b')]).toEqual(['waiting ', 'nowhere']);
  live();
  await frame();
  expect([text('p'), text('b')]).toEqual(['live bob 1, carol 1', '1']);
  const before = { ...renders };
  for (let i = 2; i < 50; i += 1) move(['bob', 1], ['carol', i]);
  expect(renders).toEqual(before);
  await frame();
  expect(text('p')).toBe('live bob 1, carol 49');
  // Twice, as StrictMode renders twice.
  expect(renders.all - before.all).toBe(2);
  expect(renders.bob).toBe(before.bob);
  expect(renders.ref).toBe(before.ref);
});

test('positions that are refused say why', async () => {
  const { client, world: w, live, wrapper } = await world();
  const { result } = renderHook(() => useLocations(), { wrapper });
  live();
  await frame();
  expect([result.current.state, result.current.error]).toEqual(['live', undefined]);
  act(() => client.interrupt());
  await act(() => w.clock.pass(5_000));
  w.link.refuse('subscribe', 'UNAUTHORIZED');
  await frame();
  expect(result.current).toMatchObject({ state: 'waiting', error: { code: 'UNAUTHORIZED' } });
  expect(result.current.agents.size).toBe(0);
});

test('no render sees two versions: what is being rendered does not change beneath it', async () => {
  const { live, move, wrapper } = await world();
  const torn: string[] = [];
  const seen: (number | undefined)[] = [];
  const Look = ({ onRender }: { onRender?: () => void }) => {
    const lat = useLocations().agents.get('bob')?.fix?.lat;
    onRender?.();
    seen.push(lat);
    return <b>{lat}</b>;
  };
  let show: (many: boolean) => void = () => {};
  const App = () => {
    const [many, setMany] = useState(false);
    show = setMany;
    seen.length = 0;
    // Between the first and the second child a position arrives, as it may in a render that yields.
    return (
      <>
        <Look {...(many && { onRender: () => move(['bob', 99]) })} />
        {many && Array.from({ length: 20 }, (_, i) => <Look key={i} />)}
      </>
    );
  };
  const { container } = render(<App />, { wrapper });
  live();
  await frame();
  await act(async () => startTransition(() => show(true)));
  const texts = new Set([...container.querySelectorAll('b')].map(({ textContent }) => textContent));
  if (texts.size > 1 || new Set(seen).size > 1) torn.push([...texts, ...seen].join());
  expect(torn).toEqual([]);
  await frame();
  expect(new Set([...container.querySelectorAll('b')].map(({ textContent }) => textContent))).toEqual(new Set(['99']));
});

test('useLocationsRef gives what draws by itself, and lets go of it', async () => {
  const { live, move, wrapper } = await world();
  const { result, unmount } = renderHook(() => useLocationsRef(), { wrapper });
  live();
  move(['bob', 7]);
  const ref = result.current;
  expect(ref.current?.agents.get('bob')?.fix?.lat).toBe(7);
  unmount();
  expect(ref.current).toBeNull();
});

test('useEvent calls the newest handler once for each event, and none after', async () => {
  const { link, wrapper } = await world();
  const calls: string[] = [];
  const { rerender, unmount } = renderHook(
    ({ name }: { name: string }) => useEvent('message:new', ({ seq }) => calls.push(`${name} ${seq}`)),
    { wrapper, initialProps: { name: 'a' } },
  );
  link.say(message(1));
  rerender({ name: 'b' });
  link.say(message(2));
  unmount();
  link.say(message(3));
  expect(calls).toEqual(['a 1', 'b 2']);
});

test('useChat and useMessages: list, page, live, and the page is let go', async () => {
  const { link, wrapper } = await world();
  const { result, unmount } = renderHook(() => ({ chat: useChat(), messages: useMessages('c1') }), { wrapper });
  expect(link.asked('conversation:list').length).toBe(1);
  const about = { conversation_id: 'c1', kind: 'private', member_count: 2, members: ['alice', 'bob'], epoch: 1 };
  await act(async () => {
    link.reply('conversation:list', { conversations: [{ ...about, head: 1, read: 0, unread: 1 }] });
    await settle();
  });
  expect(link.asked('message:history').length).toBe(1);
  await act(async () => {
    link.reply('message:history', { events: [message(1)], more: false, head: 1, marks: [] });
    await settle();
  });
  expect(result.current.messages.items.map(({ text }) => text)).toEqual(['text 1']);
  await act(async () => {
    for (let seq = 2; seq <= 200; seq += 1) link.say(message(seq));
    await settle();
  });
  expect(result.current.messages.items.length).toBe(200);
  expect(result.current.chat.totalUnread).toBe(200);
  const { chat } = result.current.chat;
  unmount();
  expect(chat.messages('c1').items.length).toBe(50);
});

test('useStats looks again and again', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const { client, link, wrapper } = await world();
  let pinged = -1;
  const { result, unmount } = renderHook(
    () => {
      const stats = useStats(500);
      // A render says nothing to the server; the effect after it does.
      if (pinged < 0) pinged = link.asked('client:ping').length;
      return stats;
    },
    { wrapper },
  );
  expect([pinged, link.asked('client:ping').length]).toEqual([0, 1]);
  const { bytesIn } = result.current;
  link.say(message(1));
  act(() => void vi.advanceTimersByTime(500));
  expect(result.current.bytesIn).toBeGreaterThan(bytesIn);
  unmount();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  client.close();
});

test('usePresence watches while it is shown, once for all', async () => {
  const { link, wrapper } = await world();
  const both = renderHook(() => [usePresence(['bob']), usePresence(['carol'])] as const, { wrapper });
  await act(settle);
  expect(link.asked('subscribe').map((said) => said.data)).toEqual([{ channels: ['presence'], users: ['bob', 'carol'] }]);
  const person = (status: string, version: number) => ({ user_id: 'bob', status, version });
  await act(async () => {
    link.reply('subscribe', { subscriptions: [{ channel: 'presence', view: 4, epoch: 1 }] });
    link.say({ event: 'presence:snapshot', data: { view: 4, users: [person('busy', 1)], more: false } });
    await settle();
  });
  expect(both.result.current[0].get('bob')?.status).toBe('busy');
  act(() => link.say({ event: 'presence:changed', data: { view: 4, users: [person('away', 2)] } }));
  expect(both.result.current[1].get('bob')?.status).toBe('away');
  both.unmount();
  await act(settle);
  expect(link.asked('unsubscribe').map((said) => said.data)).toEqual([{ channels: ['presence'] }]);
});

test('one person renders when that one changes, and rendering asks the server nothing', async () => {
  const { link, wrapper } = await world();
  let renders = 0;
  const all = renderHook(({ users }) => usePresence(users), { wrapper, initialProps: { users: ['bob', 'carol'] } });
  const one = renderHook(() => ((renders += 1), usePerson('bob')), { wrapper });
  await act(settle);
  const person = (user_id: string, status: string, version: number) => ({ user_id, status, version });
  await act(async () => {
    link.reply('subscribe', { subscriptions: [{ channel: 'presence', view: 4, epoch: 1 }] });
    link.say({ event: 'presence:snapshot', data: { view: 4, users: [person('bob', 'busy', 1), person('carol', 'away', 2)], more: false } });
    await settle();
  });
  expect(one.result.current?.status).toBe('busy');
  const before = renders;
  act(() => link.say({ event: 'presence:changed', data: { view: 4, users: [person('carol', 'online', 3)] } }));
  expect(renders).toBe(before);
  act(() => link.say({ event: 'presence:changed', data: { view: 4, users: [person('bob', 'online', 4)] } }));
  expect(one.result.current?.status).toBe('online');
  for (let i = 0; i < 5; i += 1) all.rerender({ users: ['bob', 'carol'] });
  await act(settle);
  expect(link.asked('subscribe').length).toBe(1);
  expect(link.asked('unsubscribe').length).toBe(0);
});

test('useAvailability is what this device says', async () => {
  const { wrapper } = await world();
  const both = renderHook(() => [useAvailability(), usePeople()] as const, { wrapper });
  expect(both.result.current[0]).toBe('online');
  act(() => void both.result.current[1].set({ status: 'busy' }).catch(() => {}));
  expect(both.result.current[0]).toBe('busy');
});
