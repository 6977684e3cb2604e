// Agents on the map and in the list: they appear, move, are found, selected, followed; their trail is drawn.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, go, press, says, signIn } from '../lib/people.mjs';
import { until } from '../lib/until.mjs';
import { world } from '../lib/world.mjs';

const w = world(['chromium', 'firefox']);
const counters = new Map();

/** Sends an agent's fixes by its own page; the last one is of now. */
async function drive(page, user, places, { step = 5000, ...more } = {}) {
  const now = Date.now();
  const first = counters.get(user) ?? 1;
  counters.set(user, first + places.length);
  const fixes = places.map(([lat, lon], i) => ({ counter: first + i, time: now - (places.length - 1 - i) * step, lat, lon, speed: 12, heading: 45, battery: 71, accuracy: 4, ...more }));
  await ask(page, 'location:update', { fixes });
}

const at = (page, hash) => page.waitForFunction((wanted) => location.hash === wanted, { polling: 20, timeout: 10_000 }, hash);
const where = (page, id) => page.evaluate((a) => window.__fanfare.map?.where(a), id);

/** A click on a marker selects it. */
async function clickOn(page, box, id) {
  await press(page, 'Show all agents');
  const target = await until('the map to rest', async () => {
    if (await page.evaluate(() => window.__fanfare.map.moving)) return false;
    const shown = await where(page, id);
    return shown && shown.x > 0 && shown.x < box.width && shown.y > 0 && shown.y < box.height && shown;
  });
  await page.mouse.click(box.x + target.x, box.y + target.y);
  await says(page, 'aside h2', id);
}

for (const kind of ['chromium', 'firefox']) {
  test(`${kind}: agents come, are found, selected, followed, and their trail is read`, async () => {
    const agents = {};
    for (const name of ['taxi-1', 'taxi-2', 'van-7']) agents[name] = await signIn(w.browsers.chromium, w.server, `${name}-${kind}`, 'agent');
    await drive(agents['taxi-1'], `taxi-1-${kind}`, Array.from({ length: 450 }, (_, i) => [31.3 + i / 5000, 120.3]), { step: 1000 });
    await drive(agents['taxi-2'], `taxi-2-${kind}`, [[31.35, 120.4]]);
    await drive(agents['van-7'], `van-7-${kind}`, [[31.4, 120.2]], { battery: 9 });
    const page = await signIn(w.browsers[kind], w.server, 'dana', 'admin');
    await page.waitForFunction((n) => window.__fanfare.session.fleet.agents.size >= n, { polling: 20, timeout: 15_000 }, 3);
    const name = `taxi-1-${kind}`;
    // Firefox has no WebGL where there is no graphics card. Then it says so, and all but the map works.
    const drawn = kind === 'chromium' || (await page.evaluate(() => document.createElement('canvas').getContext('webgl2') !== null));
    let box;
    if (drawn) {
      const shown = await until('the map', () => where(page, name), 30_000);
      box = await (await page.$('.maplibregl-canvas')).boundingBox();
      // All of them are within the map.
      assert.ok(shown.x > 0 && shown.x < box.width && shown.y > 0 && shown.y < box.height, JSON.stringify({ shown, box }));
    } else await says(page, '[role=alert]', 'The map needs WebGL 2');

    await page.type('[role=searchbox]', `van-7 ${kind}`);
    await page.waitForFunction(() => document.querySelectorAll('[role=option]').length === 1, { polling: 20 });
    await says(page, '[role=option]', '9');
    await press(page, 'Clear');
    await page.type('[role=searchbox]', name);
    await page.waitForFunction(() => document.querySelectorAll('[role=option]').length === 1, { polling: 20 });

    // By keyboard: from the search into the list.
    await page.focus('[role=listbox]');
    await page.keyboard.press('ArrowDown');
    await says(page, 'aside h2', name);
    await at(page, `#/agents/${name}`);
    await says(page, 'aside', '43 km/h');
    await says(page, 'aside [role=status]', 'to');
    // More than two pages of history.
    await says(page, 'aside dd', '450');
    await page.waitForSelector('.u-over');

    await press(page, 'Follow');
    await says(page, 'aside', 'Following');
    await drive(agents['taxi-1'], name, [[31.5, 120.31]]);
    // The trail goes on with what comes live, and the map goes after the agent.
    await says(page, 'aside dd', '451');
    if (drawn) await until('the map to follow', async () => {
      const { lat, lon } = await page.evaluate(() => window.__fanfare.map.center);
      return Math.abs(lat - 31.5) < 0.01 && Math.abs(lon - 120.31) < 0.01;
    }, 15_000);

    await press(page, 'Close', 'aside');
    await at(page, '#/map');
    if (drawn) await clickOn(page, box, `van-7-${kind}`);
    assert.deepEqual(page.faults, []);
    for (const open of [page, ...Object.values(agents)]) await open.close();
  });
}

test('a department that is not one\'s own: the list says so, and one can go back', async () => {
  const page = await signIn(w.browsers.chromium, w.server, 'kim', 'supervisor', { departments: ['north'] });
  await page.evaluate(() => window.__fanfare.session.fleet.narrow('south'));
  await says(page, 'section[aria-label=Agents]', 'Not yours to see');
  await page.evaluate(() => window.__fanfare.session.fleet.narrow('north'));
  await says(page, 'section[aria-label=Agents]', 'No agents yet');
  await page.close();
});

test('a place in the address opens where it says, also what is not there', async () => {
  const page = await signIn(w.browsers.chromium, w.server, 'dana', 'admin');
  for (const [hash, selector, text] of [
    ['#/agents/taxi-1-chromium', 'aside h2', 'taxi-1-chromium'], ['#/agents/nobody', 'aside', 'Not on the map now'],
    ['#/chat/nowhere', 'main', 'No such conversation'], ['#/log', '[role=option]', 'client:open'], ['#/connection', 'main', 'Live over'],
  ]) {
    await go(page, hash);
    await says(page, selector, text);
  }
  await page.close();
});
