// What lies under the agents, and what happens when it cannot be had: the operator's tile server, parts of the page that
// an upgrade has taken away, graphics that the browser takes away.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { Agents } from '../lib/agents.mjs';
import { Browser } from '../lib/browsers.mjs';
import { ask, go, live, press, says, signIn } from '../lib/people.mjs';
import { Server, token } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const TILE = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
/** Each request to the tile server, and whether it answers. */
const asked = [];
let answers = true;
const tiles = createServer((request, response) => {
  asked.push(request.url);
  if (!answers) return request.socket.destroy();
  response.writeHead(200, { 'content-type': 'image/png', 'access-control-allow-origin': '*', 'cache-control': 'no-store' }).end(TILE);
});
let server;
let plain;
let browser;
before(async () => {
  await new Promise((resolve) => { tiles.listen(0, '127.0.0.1', resolve); });
  const origin = `http://127.0.0.1:${tiles.address().port}`;
  const file = `[tiles]\nurl = "${origin}/{z}/{x}/{y}.png?key=k"\nattribution = "© Testers <b>"\nattribution_url = "https://example.org/licence"\n`;
  [server, plain, browser] = await Promise.all([Server.start([], {}, file), Server.start(), Browser.launch('chromium')]);
  const agents = await Agents.open(browser, server);
  await agents.send('bus', Array.from({ length: 5 }, (_, i) => ({ lat: 50 + i / 10_000, lon: 8, speed: 9 })));
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await plain?.stop();
  tiles.closeAllConnections();
  tiles.close();
});

const origins = (page) => {
  const found = new Set();
  page.on('request', (request) => { if (request.url().startsWith('http')) found.add(new URL(request.url()).host); });
  return found;
};

test('without the setting nobody else is asked, and the map says that streets are missing', async () => {
  const policy = (await fetch(plain.origin)).headers.get('content-security-policy');
  assert.ok(policy.includes("img-src 'self' data: blob:; connect-src 'self' ws://localhost:"), policy);
  const page = await browser.tab();
  const hosts = origins(page);
  await page.goto(`${plain.origin}/?test#token=${token('dana', 'admin')}`);
  await live(page);
  await says(page, 'main [role=status]', 'Streets are not configured');
  await until('the map', () => page.evaluate(() => window.__fanfare.map !== undefined), 20_000);
  await press(page, 'Map background');
  await says(page, '[role=menu]', 'Recent paths');
  const port = new URL(plain.base).port;
  assert.deepEqual([...hosts].filter((host) => !host.endsWith(`:${port}`)), []);
  await page.close();
});

test('with it, the page asks that server only, and only for somebody who looks at the map and may', async () => {
  const port = tiles.address().port;
  const policy = (await fetch(server.origin)).headers.get('content-security-policy');
  assert.ok(policy.includes(`img-src 'self' data: blob: http://127.0.0.1:${port}; connect-src 'self' http://127.0.0.1:${port} ws://localhost:`), policy);
  const pat = await signIn(browser, server, 'pat', 'member');
  await go(pat, '#/map');
  await says(pat, 'main', 'Positions are not yours to see');
  assert.deepEqual(asked, []);
  await pat.close();

  const dana = await signIn(browser, server, 'dana', 'admin', { width: 800, height: 500 });
  const seen = origins(dana);
  await until('tiles', () => asked.length > 0, 20_000);
  // The page that opens on another view asks for none, until the map is opened.
  await go(dana, '#/log');
  await dana.reload();
  await live(dana);
  asked.length = 0;
  await says(dana, '[role=option]', 'client:open');
  await ask(dana, 'location:latest', { limit: 1 });
  assert.deepEqual(asked, []);
  await go(dana, '#/map');
  await until('tiles', () => asked.length > 0, 20_000);
  assert.match(asked[0], /^\/\d+\/\d+\/\d+\.png\?key=k$/);
  await says(dana, '.maplibregl-ctrl-attrib', '© Testers <b>');
  assert.equal(await dana.$eval('.maplibregl-ctrl-attrib a[href="https://example.org/licence"]', (a) => a.target), '_blank');
  assert.doesNotMatch(await dana.$eval('main', (main) => main.textContent), /Tile server|not configured/);
  assert.deepEqual(dana.faults, []);
  assert.deepEqual([...seen].filter((host) => ![new URL(server.base).port, String(port)].includes(host.split(':')[1])), []);

  // It goes away, and comes back.
  answers = false;
  await dana.reload();
  await says(dana, 'main [role=status]', 'Tile server not reachable', 20_000);
  answers = true;
  await dana.evaluate(() => dispatchEvent(new Event('online')));
  await dana.waitForFunction(() => ![...document.querySelectorAll('main [role=status]')].some(({ textContent }) => textContent.includes('Tile server')), { polling: 50, timeout: 20_000 });
  await dana.close();
});

/** A page that cannot load what matches, until it is told otherwise. */
async function without(pattern, user) {
  const page = await browser.tab();
  const broken = { on: true };
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  await page.setRequestInterception(true);
  page.on('request', (request) => (broken.on && pattern.test(request.url()) ? request.respond({ status: 404 }) : request.continue()));
  await page.goto(`${server.origin}/?test#token=${token(user, 'admin')}`);
  await live(page);
  return { page, broken };
}

test('a part that an upgrade has taken away: the page says so, goes on, and a reload helps', async () => {
  const { page, broken } = await without(/assets\/(controller|SpeedChart)-/, 'finn');
  await says(page, '[role=alert]', 'The map could not be loaded');
  assert.doesNotMatch(await page.$eval('main', (main) => main.textContent), /WebGL/);
  await go(page, '#/agents/bus');
  await says(page, 'aside dd', '5');
  await says(page, 'aside [role=alert]', 'The chart could not be loaded');
  await says(page, 'aside h2', 'bus');
  broken.on = false;
  await press(page, 'Reload the page', 'aside');
  await live(page);
  await until('the map', () => page.evaluate(() => window.__fanfare?.map !== undefined), 20_000);
  await page.waitForSelector('.u-over');
  assert.deepEqual(page.faults, []);
  await page.close();
});

test('graphics that the browser takes away come back, where the map looked', async () => {
  const page = await signIn(browser, server, 'gus', 'admin');
  await go(page, '#/agents/bus');
  const map = () => page.evaluate(() => window.__fanfare.map && !window.__fanfare.map.moving && window.__fanfare.map.where('bus') && { ...window.__fanfare.map.center });
  const before = await until('the map to show the bus', async () => { const at = await map(); return at?.zoom > 10 && at; }, 20_000);
  const lose = (selector) => page.evaluate((canvas) => {
    delete window.__fanfare.map;
    document.querySelector(canvas).getContext('webgl2').getExtension('WEBGL_lose_context').loseContext();
  }, selector);
  await lose('.maplibregl-canvas');
  const then = await until('another map', map, 20_000);
  assert.ok(Math.abs(then.lat - before.lat) < 0.01 && Math.abs(then.zoom - before.zoom) < 0.5, JSON.stringify({ before, then }));
  assert.equal(await page.$('main [role=alert]'), null);
  // Again at once: it is not made anew for ever, but when somebody asks.
  await lose('.markers');
  await says(page, 'main [role=alert]', 'taken away the graphics');
  await press(page, 'Show the map again');
  await until('a third map', map, 20_000);
  assert.equal(await page.$('main [role=alert]'), null);
  assert.deepEqual(page.faults, []);
  await page.close();
});
