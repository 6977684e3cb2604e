// A page whose thread is blocked by what it draws, as a map in software: that is neither a slow store nor a slow network.
import { createServer, type Server as Site } from 'node:http';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromium } from './browsers.ts';
import { start, token, type Server } from './server.ts';

/** One frame, and for how long they follow each other. */
const FRAME = 1_700;
const BUSY = 6_000;

let site: Site;
let server: Server;
let browser: Browser;

beforeAll(async () => {
  const script = readFileSync(new URL('../../dist/fanfare.min.js', import.meta.url));
  // The client connects while frames begin to follow each other.
  const page = `<!doctype html><title>t</title><script src="/fanfare.min.js"></script><script>
    const { searchParams } = new URL(location.href);
    const end = performance.now() + Number(searchParams.get('busy'));
    const frame = () => {
      for (const until = performance.now() + ${FRAME}; performance.now() < until; );
      if (performance.now() < end) requestAnimationFrame(frame);
    };
    if (searchParams.get('busy') > 0) frame();
    window.client = new Fanfare.Client({ url: searchParams.get('url'), token: searchParams.get('token'), store: Fanfare.indexedStore('busy') });
    client.connect();
  </script>`;
  site = createServer((request, response) => {
    const isScript = request.url === '/fanfare.min.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html').end(isScript ? script : page);
  });
  await new Promise<void>((resolve) => site.listen(0, resolve));
  server = await start([`http://localhost:${(site.address() as AddressInfo).port}`]);
  browser = await puppeteer.launch(chromium());
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  site?.closeAllConnections();
  site?.close();
});

async function visit(page: Page, busy: number): Promise<{ transport: unknown; device: unknown }> {
  const asked = new URLSearchParams({ url: server.base, token: token('ann', 'member'), busy: String(busy) });
  await page.goto(`http://localhost:${(site.address() as AddressInfo).port}/?${asked}`);
  await page.waitForFunction(() => window.client?.state.name === 'open', { polling: 50, timeout: 40_000 });
  const transport = await page.evaluate(() => window.client.stats(false).transport);
  // Closed, it writes what it keeps.
  await page.evaluate(() => window.client.close());
  const read = async (key: string) => {
    const store = (window as unknown as { Fanfare: typeof import('../../dist/stores.js') }).Fanfare.indexedStore('busy');
    return ((await store.get(key)) as { device?: string } | undefined)?.device;
  };
  const key = `${server.base}/#0:place`;
  await page.waitForFunction(read, { polling: 50, timeout: 10_000 }, key);
  return { transport, device: await page.evaluate(read, key) };
}

test('it is the same device after a reload, and WebTransport stays', async () => {
  const page = await browser.newPage();
  const free = await visit(page, 0);
  expect(free).toEqual({ transport: 'webtransport', device: expect.any(String) });
  expect(await visit(page, BUSY)).toEqual(free);
  await page.close();
});
