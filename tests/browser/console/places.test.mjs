// Where agents are, and since when: clocks that are wrong, both sides of 180 degrees, 0/0, fixes that come late, names of
// any script, a page at 200 %.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Agents } from '../lib/agents.mjs';
import { Browser } from '../lib/browsers.mjs';
import { go, live, press, says, signIn } from '../lib/people.mjs';
import { Server, token } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const MIN = 60_000;
let server;
let browser;
let agents;
before(async () => {
  server = await Server.start();
  browser = await Browser.launch('chromium');
  agents = await Agents.open(browser, server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Signs in on a machine whose clock is wrong by so many ms. */
async function withClock(wrong, user, signed = token(user, 'admin')) {
  const page = await browser.tab();
  await page.evaluateOnNewDocument((ms) => {
    const Right = Date;
    globalThis.Date = class extends Right {
      constructor(...given) {
        if (given.length === 0) super(Right.now() + ms);
        else super(...given);
      }

      static now() {
        return Right.now() + ms;
      }
    };
  }, wrong);
  await page.goto(`${server.origin}/?test#token=${signed}`);
  return page;
}

const row = (page, id) => page.waitForFunction((name) => document.getElementById(`agent-${name}`)?.dataset.freshness, { polling: 50, timeout: 15_000 }, id).then((found) => found.jsonValue());

test('ages and trails count to the server\'s time, whatever the machine\'s clock says', async () => {
  await agents.send('clock-live', Array.from({ length: 20 }, (_, i) => ({ lat: 50 + i / 10_000, lon: 8, speed: 11 })));
  await agents.send('clock-dead', [{ lat: 50.1, lon: 8, time: Date.now() - 10 * MIN }]);
  for (const [wrong, fixes] of [[20 * MIN, 21], [-20 * MIN, 22]]) {
    const page = await withClock(wrong, 'dana');
    await live(page);
    await go(page, '#/agents/clock-live');
    await says(page, 'aside dd', String(fixes - 1));
    // One of now: the machine that tests may be slow.
    await agents.send('clock-live', [{ lat: 50.002, lon: 8, speed: 11 }]);
    await says(page, 'aside', 'Live');
    await says(page, 'aside dd', String(fixes));
    assert.deepEqual([await row(page, 'clock-live'), await row(page, 'clock-dead')], ['live', 'stale'], `${wrong} ms`);
    // So do the connection's own times.
    await go(page, '#/connection');
    await says(page, 'main header', 'last heard');
    const times = await page.$$eval('main [aria-label=State] p, main header span', (all) => all.map(({ textContent }) => textContent).join('\n'));
    assert.match(times, /for \d+ s ·/);
    assert.match(times, /last heard (now|\d+ s)/);
    await page.close();
  }
});

test('a token that counts from later on is said to, counted down by the right clock, and replaced', async () => {
  const now = Math.floor(Date.now() / 1000);
  const page = await withClock(20 * MIN, 'ida', token('ida', 'admin', now + 8 * 3600, [], { nbf: now + 150 }));
  await says(page, '[role=status]', 'Your access token is not valid yet');
  const seconds = await page.waitForFunction(() => document.querySelector('header')?.textContent.match(/in (\d+) s/)?.[1], { polling: 50, timeout: 10_000 });
  assert.ok(Number(await seconds.jsonValue()) <= 150, `it counts ${await seconds.jsonValue()} s`);
  await press(page, 'Use another');
  await page.type('dialog textarea', token('ida', 'admin', now + 280));
  await press(page, 'Go on', 'dialog');
  await live(page);
  // The warning before a token's end, too.
  await says(page, '[role=status]', 'Your access token ends in 5 min');
  await page.close();
});

test('a fleet on both sides of 180 degrees fills the map, and a trail over it is short', async () => {
  const places = { f1: 179.9, f2: 179.8, f3: -179.9, f4: -179.8 };
  const other = await Server.start();
  const there = await Agents.open(browser, other);
  for (const [user, lon] of Object.entries(places)) await there.send(user, [{ lat: -17, lon }]);
  await there.send('f-cross', [179.98, 179.99, -180, -179.99, -179.98].map((lon) => ({ lat: -17, lon, speed: 10 })));
  const page = await signIn(browser, other, 'dana', 'admin');
  const box = await (await page.waitForSelector('.maplibregl-canvas', { timeout: 20_000 })).boundingBox();
  const seen = await until('the map to be on them', async () => {
    const at = await page.evaluate(() => {
      const { map } = window.__fanfare;
      return map && !map.moving && { ...map.center, f2: map.where('f2'), f3: map.where('f3') };
    });
    return at?.f3 && at.zoom > 6 && at;
  }, 15_000);
  assert.ok(Math.abs(seen.lon) > 179.7, JSON.stringify(seen));
  assert.ok(seen.f2.x > 0 && seen.f2.x < seen.f3.x && seen.f3.x < box.width, JSON.stringify({ seen, box }));
  await go(page, '#/agents/f-cross');
  await says(page, 'aside dd', '5');
  const [distance] = await page.$$eval('aside section dl dd', (all) => all.map((element) => element.textContent));
  assert.match(distance, /^4\.\d km$/);
  await page.close();
  await other.stop();
});

test('0, 0 without an accuracy is marked and has no place on the map; unknown values are no 0', async () => {
  await agents.send('zero', [{ lat: 50, lon: 8 }, { lat: 0, lon: 0 }]);
  const page = await signIn(browser, server, 'dana', 'admin');
  await says(page, '#agent-zero', 'position unknown (0, 0)');
  await go(page, '#/agents/zero');
  await says(page, 'aside', 'Position unknown');
  await says(page, 'aside [aria-label=Trail]', '1 without a place');
  const facts = await page.$$eval('aside > dl dd', (all) => all.map((element) => element.textContent));
  assert.deepEqual(facts, ['–', '–', '–', '–', '–']);
  assert.equal(await until('the map', () => page.evaluate(() => window.__fanfare.map && (window.__fanfare.map.where('zero') ?? 'nowhere')), 15_000), 'nowhere');
  await page.close();
});

test('fixes that a device sends late fill the hole in the trail that is open', async () => {
  const now = Date.now();
  const at = (seconds) => ({ lat: 50.2 + seconds / 10_000, lon: 8, speed: 11, time: now + seconds * 1000, counter: now + seconds });
  await agents.send('late', Array.from({ length: 30 }, (_, i) => at(i - 60)));
  const page = await signIn(browser, server, 'dana', 'admin');
  await go(page, '#/agents/late');
  await says(page, 'aside dd', '30');
  // It was off for 30 s: its newest position first, then the rest.
  await agents.send('late', [at(0)]);
  await says(page, 'aside dd', '31');
  await agents.send('late', Array.from({ length: 30 }, (_, i) => at(i - 30)));
  await says(page, 'aside dd', '61');
  // What comes while the page is away is there after it.
  await page.evaluate(() => window.__fanfare.client.useTransport('websocket'));
  await live(page, 'websocket');
  await agents.send('late', [at(1), at(2)]);
  await page.evaluate(() => window.__fanfare.client.interrupt());
  await says(page, 'aside dd', '63');
  await page.close();
});

test('names of any script are read, found and sorted, in a Turkish browser, too', async () => {
  for (const user of ['TAXI-1', 'taxi-2', 'Zoë 7', '张三', 'רות']) await agents.send(user, [{ lat: 50.3, lon: 8 }]);
  const page = await signIn(browser, server, 'dana', 'admin');
  // As a Turkish browser does. `--lang=tr` needs language files that not every Chromium brings.
  await page.evaluate(() => {
    for (const name of ['toLocaleLowerCase', 'toLocaleUpperCase']) {
      const plain = String.prototype[name];
      String.prototype[name] = function turkish(locale = 'tr') { return plain.call(this, locale); };
    }
  });
  assert.equal(await page.evaluate(() => 'TAXI'.toLocaleLowerCase()), 'taxı');
  const find = async (text, names) => {
    await page.type('[role=searchbox]', text);
    await until(`${text} to find ${names}`, async () => {
      const found = await page.$$eval('[role=option]', (all) => all.map((element) => element.querySelector('bdi').textContent));
      return JSON.stringify(found) === JSON.stringify(names);
    });
    await press(page, 'Clear');
  };
  await find('taxi', ['TAXI-1', 'taxi-2']);
  await find('TAXİ-1', ['TAXI-1']);
  await find('zoe', ['Zoë 7']);
  await find('张三', ['张三']);
  await go(page, '#/agents/~~Zo=C3=AB=207');
  await says(page, 'aside h2', 'Zoë 7');
  await until('the label on the map', () => page.$$eval('.agent-label:not([hidden])', (all) => all.some(({ textContent, dir }) => textContent === 'Zoë 7' && dir === 'auto')), 15_000);
  await page.close();
});

test('at 200 % all that moves the map can be pressed, with a card and without', async () => {
  const page = await signIn(browser, server, 'dana', 'admin', { width: 960, height: 540 });
  for (const [width, height] of [[960, 540], [720, 450], [640, 400], [390, 844]]) {
    await page.setViewport({ width, height });
    for (const hash of ['#/map', '#/agents/late']) {
      await go(page, hash);
      if (hash !== '#/map') await page.waitForSelector('aside h2');
      await page.waitForSelector('[aria-label="Zoom in"]:not(:disabled)', { timeout: 20_000 });
      await until(`all buttons at ${hash}, ${width} × ${height}`, () => page.$$eval('[role=group][aria-label=Map] button', (all) => all.length === 4 && all.every((element) => {
        const { x, y, width: w, height: h } = element.getBoundingClientRect();
        return [[w / 2, 1], [1, h / 2], [w / 2, h - 2]].every(([dx, dy]) => document.elementFromPoint(x + dx, y + dy)?.closest('button') === element);
      })), 15_000);
    }
  }
  await page.close();
});
