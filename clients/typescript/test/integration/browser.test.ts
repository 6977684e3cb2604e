// The built package in real browsers, with the real server, over both transports.
import { createServer, type Server as Site } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packFixes } from '../../dist/fixes.js';
import type * as Fanfare from '../../dist/index.js';
import type * as Stores from '../../dist/stores.js';
import { Client } from '../../dist/index.js';
import { chromium, firefox } from './browsers.ts';
import { start, token, until, type Server } from './server.ts';

declare global {
  interface Window {
    fanfare: typeof Fanfare & typeof Stores;
    client: Fanfare.Client;
    got: string[];
    locations: Fanfare.Locations;
    kinds: string[];
    reasons: string[];
  }
}

const KINDS = { chromium: () => puppeteer.launch(chromium()), firefox: () => puppeteer.launch(firefox()) };

let site: Site;
let origin: string;
let server: Server;

beforeAll(async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: "export * from './index.js'; export * from './stores.js'",
      resolveDir: fileURLToPath(new URL('../../dist/', import.meta.url)),
    },
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'fanfare',
  });
  const script = outputFiles[0]?.text ?? '';
  site = createServer((request, response) => {
    if (request.url === '/fanfare.js') return response.setHeader('content-type', 'text/javascript').end(script);
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>t</title><script src="/fanfare.js"></script>');
  });
  await new Promise<void>((resolve) => site.listen(0, resolve));
  origin = `http://localhost:${(site.address() as AddressInfo).port}`;
  server = await start([origin]);
});

afterAll(async () => {
  await server?.stop();
  site?.closeAllConnections();
  site?.close();
});

async function connect(page: Page, user: string, options: { transport?: Fanfare.Mode; kept?: boolean } = {}): Promise<void> {
  await page.goto(origin);
  await page.evaluate(
    (url, token, transport, kept) => {
      window.got = [];
      window.kinds = [];
      window.client = new window.fanfare.Client({
        url,
        token,
        transport,
        ...(kept && { store: window.fanfare.indexedStore('test') }),
      });
      window.client.on('message:new', ({ data }) => void window.got.push(data.text));
      window.client.on('state', (state) => void window.kinds.push(state.name));
      window.client.connect();
    },
    server.base,
    token(user, 'supervisor'),
    options.transport ?? 'auto',
    options.kept ?? false,
  );
  await page.waitForFunction(() => window.client.state.name === 'open', { polling: 10, timeout: 20_000 });
}

/**
 * Leaves the page: its connection ends, and the peer's alone is left. (A tab that is closed in Firefox may die before
 * the goodbye of its session has left the process; the server notices by its silence.)
 */
async function leave(page: Page): Promise<void> {
  await page.goto('about:blank');
  await server.connections(1, 5_000);
  await page.close();
}

const transport = (page: Page) => page.evaluate(() => window.client.stats().transport);

for (const [kind, launch] of Object.entries(KINDS)) {
  describe(kind, () => {
    let browser: Browser;
    let peer: Client;
    beforeAll(async () => {
      browser = await launch();
      peer = new Client({ url: server.base, token: token('peer', 'service') });
      peer.connect();
      await until('the peer', () => peer.state.name === 'open');
    });
    afterAll(async () => {
      peer?.close();
      await browser?.close();
    });

    for (const mode of ['auto', 'websocket'] as const) {
      test(`messages and positions, ${mode}`, async () => {
        const user = `${kind}-${mode}`;
        const page = await browser.newPage();
        const began = performance.now();
        await connect(page, user, { transport: mode });
        const took = Math.round(performance.now() - began);
        expect(await transport(page)).toBe(mode === 'auto' ? 'webtransport' : 'websocket');
        const { conversation_id } = await peer.request('conversation:create', { kind: 'private', members: [user] });
        const id = conversation_id as string;
        await peer.request('message:send', { conversation_id: id, text: 'to the page' });
        await page.waitForFunction(() => window.got.includes('to the page'), { polling: 10, timeout: 10_000 });

        await page.evaluate(() => void (window.locations = window.client.subscribe('locations')));
        await page.waitForFunction(() => window.locations.state === 'live', { polling: 10, timeout: 10_000 });
        let counter = 0;
        await until('three packets', async () => {
          counter += 1;
          const fix = { counter, time: Date.now(), lat: 52.5, lon: 13.4 };
          for (const packet of packFixes([fix])) peer.sendPacket(packet);
          return page.evaluate(() => window.client.stats().packets >= 3 && window.locations.agents.get('peer')?.fix?.lat === 52.5);
        });
        const rtt = await until('a round trip', () => page.evaluate(() => window.client.stats().rttMs));
        console.log(`${kind} ${mode}: open ${took} ms after the page was asked for, round trip ${rtt} ms`);
        await leave(page);
      });
    }

    for (const mode of ['auto', 'websocket'] as const) {
      test(`large messages come compressed, in order among small ones, ${mode}`, async () => {
        const user = `${kind}-large-${mode}`;
        const page = await browser.newPage();
        await connect(page, user, { transport: mode });
        const { conversation_id } = await peer.request('conversation:create', { kind: 'private', members: [user] });
        const before = await server.metric('fanfare_sent_compressed');
        const sent = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? `${i} ` + 'Gate 4 is open. → ü '.repeat(i * 30 + 60) : `${i}`));
        for (const text of sent) void peer.request('message:send', { conversation_id: conversation_id as string, text });
        await page.waitForFunction((count) => window.got.length >= count, { polling: 10, timeout: 10_000 }, sent.length);
        expect(await page.evaluate(() => window.got)).toEqual(sent);
        // Half of them, to the page and to the peer.
        expect((await server.metric('fanfare_sent_compressed')) - before).toBe(sent.length);
        await leave(page);
      });
    }

    test('from one transport to the other and back, with every message once', async () => {
      const user = `${kind}-switch`;
      const page = await browser.newPage();
      await connect(page, user);
      const { conversation_id } = await peer.request('conversation:create', { kind: 'private', members: [user] });
      const sent: string[] = [];
      const send = async (count: number) => {
        for (let i = 0; i < count; i += 1) {
          sent.push(`${sent.length}`);
          await peer.request('message:send', { conversation_id: conversation_id as string, text: sent.at(-1) as string });
        }
      };
      for (const mode of ['websocket', 'auto'] as const) {
        const sending = send(100);
        await page.evaluate((mode) => window.client.useTransport(mode), mode);
        const wanted = mode === 'auto' ? 'webtransport' : mode;
        await until(wanted, async () => (await transport(page)) === wanted);
        await sending;
        // The page's, and the peer's: the one before is closed.
        await server.connections(2, 5_000);
      }
      await page.waitForFunction((count) => window.got.length >= count, { polling: 10, timeout: 10_000 }, sent.length);
      expect(await page.evaluate(() => window.got)).toEqual(sent);
      // It never was without a connection.
      expect(await page.evaluate(() => window.kinds.includes('backoff'))).toBe(false);
      await leave(page);
    });

    for (const mode of ['webtransport', 'websocket'] as const) {
      test(`a token is renewed in place before it ends, and after, if need be, ${mode}`, async () => {
        const user = `${kind}-token-${mode}`;
        const page = await browser.newPage();
        await page.goto(origin);
        const ends = Date.now() / 1000 + 1;
        const connectWith = (second: number) =>
          page.evaluate(
            (url, transport, tokens) => {
              window.kinds = [];
              window.reasons = [];
              window.client = new window.fanfare.Client({
                url,
                transport,
                token: ({ reason }) => {
                  window.reasons.push(reason);
                  return reason === 'connect' ? tokens[0] : reason === 'expiring' ? tokens[1] : tokens[2];
                },
              });
              window.client.on('state', (state) => void window.kinds.push(state.name));
              window.client.connect();
            },
            server.base,
            mode,
            [token(user, 'supervisor', ends), token(user, 'supervisor', second), token(user, 'supervisor')] as const,
          );
        const reasons = (count: number) =>
          page.waitForFunction((count) => window.reasons.length >= count, { polling: 20, timeout: 20_000 }, count);

        await connectWith(4_102_444_800);
        await reasons(2);
        const still = () => page.evaluate(() => [window.client.state.name, window.kinds.includes('backoff')]);
        // Later than the server is patient with the first one.
        await until('the first token to be over', () => Date.now() / 1000 > ends + 8, 20_000);
        expect(await still()).toEqual(['open', false]);
        expect(await page.evaluate(() => window.reasons)).toEqual(['connect', 'expiring']);
        await page.evaluate(() => window.client.close());
        await server.connections(1, 5_000);

        // The one it is renewed with is old, too: refused by the server, which closes; a fresh one opens again.
        await connectWith(ends);
        await page.waitForFunction(() => window.reasons.includes('expired') && window.client.state.name === 'open', {
          polling: 20,
          timeout: 20_000,
        });
        await page.evaluate(() => window.client.close());
        await leave(page);
      });
    }

    for (const mode of ['webtransport', 'websocket'] as const) {
      test(`whoever is closed for good stays away, ${mode}`, async () => {
        const page = await browser.newPage();
        await connect(page, `${kind}-abuse-${mode}`, { transport: mode });
        const state = await page.evaluate(async () => {
          const { client } = window;
          const closed = new Promise((done) => client.on('state', (state) => state.name === 'closed' && done(state)));
          const say = { conversation_id: 'nowhere', text: 'hello' };
          // Refused each time, until the server has had enough.
          while (client.state.name === 'open') await Promise.race([closed, client.request('message:send', say).catch(() => {})]);
          return closed;
        });
        expect(state).toEqual({ name: 'closed', code: 4201, reason: 'too many invalid messages' });
        await server.connections(1, 5_000);
        await leave(page);
      });
    }

    test('a reload loses nothing and is the same device; a page that is left is gone', async () => {
      const user = `${kind}-reload`;
      const page = await browser.newPage();
      await connect(page, user, { kept: true });
      const { conversation_id } = await peer.request('conversation:create', { kind: 'private', members: [user] });
      const id = conversation_id as string;
      const heard: string[] = [];
      const off = peer.on('message:new', ({ data }) => void heard.push(data.text));
      await peer.request('message:send', { conversation_id: id, text: 'before' });
      await page.waitForFunction(() => window.got.includes('before'), { polling: 10, timeout: 10_000 });
      // Without a network, so that the message waits; then the page goes.
      await page.evaluate((id) => {
        Object.defineProperty(navigator, 'onLine', { value: false });
        window.client.interrupt();
        window.client.request('message:send', { conversation_id: id, text: 'written, then reloaded' }).catch(() => {});
      }, id);
      await page.evaluate(async () => {
        const open = () =>
          new Promise<unknown[]>((resolve) => {
            const request = indexedDB.open('test', 1);
            request.onsuccess = () => {
              const all = request.result.transaction('kept').objectStore('kept').getAll();
              all.onsuccess = () => (request.result.close(), resolve(all.result));
            };
          });
        while (!JSON.stringify(await open()).includes('written, then reloaded')) await new Promise((r) => setTimeout(r, 10));
      });
      await peer.request('message:send', { conversation_id: id, text: 'meanwhile' });
      await connect(page, user, { kept: true });
      await page.waitForFunction(() => window.got.includes('meanwhile'), { polling: 10, timeout: 10_000 });
      await until('the message', () => heard.includes('written, then reloaded'));
      expect(await page.evaluate(() => window.got)).not.toContain('before');
      off();
      await leave(page);
    });
  });
}
