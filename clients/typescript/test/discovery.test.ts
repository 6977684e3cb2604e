// Which addresses are connected to: never weaker ones, never those of other hosts, always beneath the program's own.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';
import { baseOf, discover } from '../src/discovery.ts';
import { Client, type Address } from '../src/index.ts';
import { FakeClock, settle, World } from './fake.ts';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** What is asked, and where one would connect to, with a server at `url` that names these addresses. */
async function ways(url: string, told?: object, hosts: string[] = []) {
  const asked: string[] = [];
  const fetch = async (at: URL) => {
    asked.push(String(at));
    if (!told) throw new TypeError('no server');
    return { ok: true, json: async () => told };
  };
  const answer = await discover(baseOf(url), hosts, new FakeClock(), fetch as never, new AbortController().signal);
  return { asked, ws: answer.addresses.websocket?.url, wt: answer.addresses.webtransport?.url, left: answer.left };
}

const names = (websocket: string, webtransport?: string) => ({
  websocket: { url: websocket },
  ...(webtransport && { webtransport: { url: webtransport, certificate_hashes: ['00ff'] } }),
});

test.each([
  ['https://x/y', 'https://x/y/api/v1/transport', 'wss://x/y/ws'],
  ['https://x/y/', 'https://x/y/api/v1/transport', 'wss://x/y/ws'],
  ['https://x/y?z=1#t', 'https://x/y/api/v1/transport', 'wss://x/y/ws'],
  ['wss://x', 'https://x/api/v1/transport', 'wss://x/ws'],
  ['http://[::1]:4433', 'http://[::1]:4433/api/v1/transport', 'ws://[::1]:4433/ws'],
  ['http://printer.lan:80/rt', 'http://printer.lan/rt/api/v1/transport', 'ws://printer.lan/rt/ws'],
])('%s keeps its path', async (url, asks, falls) => {
  expect(await ways(url)).toMatchObject({ asked: [asks], ws: falls, wt: undefined });
});

test.each([
  ['of the same host', 'https://x', names('wss://x/ws', 'https://x:4433/wt'), 'wss://x/ws', 'https://x:4433/wt'],
  ['of another port', 'https://x:8443', names('wss://x:5021/ws', 'https://x:5020/wt'), 'wss://x:5021/ws', 'https://x:5020/wt'],
  ['of an IPv6 host', 'http://[::1]:1', names('ws://[::1]:1/ws', 'https://[::1]:1/wt'), 'ws://[::1]:1/ws', 'https://[::1]:1/wt'],
  ['of this machine by another name', 'http://localhost:1', names('ws://localhost:1/ws', 'https://127.0.0.1:1/wt'), 'ws://localhost:1/ws', 'https://127.0.0.1:1/wt'],
  ['in other letters', 'https://X.example', names('wss://x.EXAMPLE/ws'), 'wss://x.example/ws', undefined],
  ['relative to the folder', 'https://x/y', names('ws', 'wt'), 'wss://x/y/ws', 'https://x/y/wt'],
  ['relative to the host', 'https://x', names('/deep/ws', '//x:9/wt'), 'wss://x/deep/ws', 'https://x:9/wt'],
  ['stronger', 'http://x', names('wss://x/ws', 'https://x/wt'), 'wss://x/ws', 'https://x/wt'],
  ['without the path that the proxy adds', 'https://x/y', names('wss://x/ws'), 'wss://x/y/ws', undefined],
  ['with that path', 'https://x/y', names('wss://x/y/sock'), 'wss://x/y/sock', undefined],
])('an address %s', async (_, url, told, ws, wt) => {
  expect(await ways(url, told)).toMatchObject({ ws, wt, left: [] });
});

test.each([
  ['weaker', 'https://x/y', 'ws://x/y/ws'],
  ['of another host', 'https://x/y', 'wss://evil/ws'],
  ['weaker and of the machine behind the proxy', 'https://x/y', 'ws://127.0.0.1:4433/ws'],
  ['of a host below', 'https://x/y', 'wss://a.x/ws'],
  ['of another scheme', 'https://x/y', 'ftp://x/ws'],
  ['with the host as a user', 'https://x/y', 'wss://x@evil/ws'],
  ['that is none', 'https://x/y', 'https://'],
])('an address that is %s is not used', async (_, url, told) => {
  expect(await ways(url, names(told, told.replace(/^wss?/, 'http')))).toMatchObject({ ws: 'wss://x/y/ws', wt: undefined });
});

test('a host that the program names is used, a weaker address only with its scheme', async () => {
  const told = names('wss://edge.x:7/ws', 'https://quic.x/wt');
  expect(await ways('https://x', told, ['edge.x', 'QUIC.x'])).toMatchObject({ ws: 'wss://edge.x:7/ws', wt: 'https://quic.x/wt' });
  expect(await ways('https://x', told, ['edge.x:7'])).toMatchObject({ ws: 'wss://edge.x:7/ws', wt: undefined });
  expect(await ways('https://x', told, ['edge.x:8'])).toMatchObject({ ws: 'wss://x/ws', left: ['https://quic.x/wt', 'wss://edge.x:7/ws'] });
  const plain = names('ws://10.0.0.7/ws');
  expect(await ways('https://x', plain, ['10.0.0.7'])).toMatchObject({ ws: 'wss://x/ws' });
  expect(await ways('https://x', plain, ['ws://10.0.0.7'])).toMatchObject({ ws: 'ws://10.0.0.7/ws' });
});

test('hosts are found as the documentation writes them, with the usual port as well', async () => {
  const read = (file: string) => readFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), 'utf8');
  for (const [file, host] of [['README.md', 'quic.example.org'], ['API.md', 'ws://10.0.0.7:80'], ['src/types.ts', 'ws://10.0.0.7:80']] as const) {
    expect(read(file)).toContain(host);
  }
  const quic = names('wss://x/ws', 'https://quic.example.org/wt');
  for (const host of ['quic.example.org', 'quic.example.org:443', 'https://quic.example.org', 'https://quic.example.org:443/']) {
    expect(await ways('https://x', quic, [host]), host).toMatchObject({ wt: 'https://quic.example.org/wt', left: [] });
  }
  const plain = names('ws://10.0.0.7:80/ws');
  for (const host of ['ws://10.0.0.7:80', 'WS://10.0.0.7']) {
    expect(await ways('https://x', plain, [host]), host).toMatchObject({ ws: 'ws://10.0.0.7/ws', left: [] });
  }
  for (const host of ['10.0.0.7:80', 'ws://10.0.0.7:81', 'wss://10.0.0.7:80']) {
    expect(await ways('https://x', plain, [host]), host).toMatchObject({ ws: 'wss://x/ws' });
  }
  expect(await ways('https://x', names('wss://bücher.example/ws'), ['bücher.example'])).toMatchObject({ ws: 'wss://xn--bcher-kva.example/ws' });
});

test.each([
  ['nothing', {}],
  ['null', null],
  ['other types', { websocket: { url: 7 }, webtransport: { url: null, certificate_hashes: 7 } }],
  ['no hashes', { webtransport: { url: 'https://x/wt' } }],
])('an answer with %s leaves the derived address', async (_, told) => {
  expect((await ways('https://x', told as never)).ws).toBe('wss://x/ws');
});

test('an answer that is an error says nothing', async () => {
  const fetch = async () => ({ ok: false, status: 502, json: async () => names('wss://x/other') });
  const { addresses } = await discover(baseOf('https://x'), [], new FakeClock(), fetch as never, new AbortController().signal);
  expect(addresses.websocket?.url).toBe('wss://x/ws');
});

test('the client connects to no more than that, and says once what it leaves out', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const world = new World();
  const opened: string[] = [];
  const open = async (address: Address) => {
    opened.push(address.url);
    throw new Error('refused');
  };
  const client = world.client({
    url: 'https://h/app',
    fetch: (async () => ({ ok: true, json: async () => names('ws://127.0.0.1/ws', 'https://h:1/wt') })) as never,
    transports: { webtransport: open, websocket: open },
  });
  client.connect();
  await world.clock.pass(60_000);
  expect(new Set(opened)).toEqual(new Set(['https://h:1/wt', 'wss://h/app/ws']));
  expect(opened.length).toBeGreaterThan(4);
  expect(warn.mock.calls.filter(([line]) => String(line).includes('ws://127.0.0.1/ws'))).toHaveLength(1);
  client.close();
});

test('an endless back-off says why, as far as a page gets to know', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const reason = async (fetch: unknown, page = false) => {
    const world = new World();
    world.behaviour.webtransport = world.behaviour.websocket = 'fail';
    if (page) {
      vi.stubGlobal('document', new EventTarget());
      vi.stubGlobal('location', { origin: 'http://localhost:8000' });
    }
    const client = world.client({ ...(fetch ? { fetch: fetch as never } : {}) });
    client.connect();
    await world.clock.pass(0);
    await settle();
    const { state } = client;
    client.close();
    return state.name === 'backoff' && state.reason;
  };
  const nobody = async () => Promise.reject(new TypeError('failed'));
  expect(await reason(nobody)).toBe('not reachable: http://h does not answer');
  expect(await reason(undefined)).toBe('http://h answers, but no transport opened');
  const broken = async () => ({ ok: false, status: 502 });
  expect(await reason(broken)).toBe('http://h answers with status 502');
  expect(await reason(broken, true)).toBe('http://h answers with status 502');
  expect(await reason(undefined, true)).toMatch(/no transport opened: is this page's origin http:\/\/localhost:8000 among/);
  // What a browser does where the server does not name the page's origin: only an answer that cannot be read is to be had.
  const other = async (_: URL, init: RequestInit) => (init.mode === 'no-cors' ? { ok: false } : nobody());
  expect(await reason(other, true)).toMatch(/does not answer this page: is this page's origin http:\/\/localhost:8000 among/);
  expect(await reason(nobody, true)).toBe('not reachable: http://h does not answer');
  expect(warn).toHaveBeenCalledTimes(7);
});

test('an address that is none is refused where it is given', () => {
  expect(() => new Client({ token: 't' })).toThrow(/`url` is needed/);
  expect(() => new Client({ token: 't', url: 'nothing' })).toThrow(TypeError);
  expect(() => new Client({ token: 't', url: 'http://h', hosts: ['not a host'] })).toThrow(TypeError);
});

test('a name that begins like this machine is another host', async () => {
  const told = names('ws://127.0.0.1.example/ws', 'https://localhost.example/wt');
  const { ws, wt, left } = await ways('http://localhost:1', told);
  expect([ws, wt, left.length]).toEqual(['ws://localhost:1/ws', undefined, 2]);
});
