// How it lies on a desk and in a hand, and whether everybody can use it: axe finds nothing serious, in either theme.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { ask, go, press, says, signIn } from '../lib/people.mjs';
import { world } from '../lib/world.mjs';

const w = world(['chromium']);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PHONE = { width: 390, height: 844 };

async function prepared(theme, size) {
  const agent = await signIn(w.browsers.chromium, w.server, 'taxi', 'agent');
  const now = Date.now();
  const counter = Math.floor(now / 1000);
  await ask(agent, 'location:update', { fixes: [0, 1, 2].map((i) => ({ counter: counter + i, time: now - 2000 + i * 1000, lat: 31 + i / 1000, lon: 120, speed: 9, heading: 10, battery: 12, accuracy: 3 })) });
  await agent.close();
  const page = await signIn(w.browsers.chromium, w.server, 'dana', 'admin', { theme, ...size });
  const { conversation_id: id } = await ask(page, 'conversation:create', { client_id: 'layout', kind: 'group', title: 'Team', members: ['wei'] });
  await ask(page, 'message:send', { client_id: 'layout-1', conversation_id: id, text: 'Hello https://example.com @wei' });
  marked ??= people();
  await marked;
  return { page, id };
}

let marked;
/** People with each of the marks, who talk with dana and stay until the end. */
async function people() {
  for (const [status, text] of Object.entries({ busy: 'Rounds until 14:00', away: '', online: '', offline: '' })) {
    const other = await signIn(w.browsers.chromium, w.server, `is-${status}`, 'member');
    await ask(other, 'presence:set', { status, text });
    await ask(other, 'conversation:create', { client_id: 'layout-2', kind: 'private', members: ['dana'] });
  }
}

async function violations(page, where) {
  // What is fading in has other colours than it will have.
  await page.evaluate(() => Promise.all(document.getAnimations().filter((a) => a.effect.getComputedTiming().iterations === 1).map((a) => a.finished.catch(() => {}))));
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return found.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${where}: ${id}: ${nodes.map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ''}`).join('\n   ')}`);
}

const PLACES = (id) => [
  ['#/map', '[role=option], .maplibregl-canvas'], ['#/agents/taxi', 'aside h2'], ['#/chat', 'nav[aria-label=Conversations] a'],
  [`#/chat/${id}`, '[data-key]'], ['#/log', '[role=option]'], ['#/connection', '#rtt'],
];

for (const theme of ['dark', 'light']) {
  for (const [name, size] of [['desktop', {}], ['phone', PHONE]]) {
    test(`${name}, ${theme}: nothing serious stands in anybody's way`, async () => {
      const { page, id } = await prepared(theme, size);
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), theme);
      const found = [];
      for (const [hash, selector] of PLACES(id)) {
        await go(page, hash);
        await page.waitForSelector(selector);
        found.push(...(await violations(page, hash)));
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${hash} is ${wide} px too wide`);
      }
      await press(page, 'Send notice'.replace('Send', size.width ? 'Send a' : 'Send'));
      await page.waitForSelector('dialog[open]');
      found.push(...(await violations(page, 'dialog')));
      await page.keyboard.press('Escape');
      await page.waitForFunction(() => !document.querySelector('dialog'), { polling: 20 });
      await go(page, `#/chat/${id}`);
      await press(page, 'Members');
      await says(page, 'dialog[open]', 'wei');
      found.push(...(await violations(page, 'members')));
      await page.keyboard.press('Escape');
      await page.waitForFunction(() => !document.querySelector('dialog'), { polling: 20 });
      await press(page, 'Account of dana');
      await says(page, '[role=menu]', 'Sign out');
      found.push(...(await violations(page, 'menu')));
      await press(page, 'Set a status text');
      await page.waitForSelector('dialog[open]');
      found.push(...(await violations(page, 'status text')));
      assert.deepEqual(found, []);
      assert.deepEqual(page.faults, []);
      await page.close();
    });
  }
}

test('the door is open to everybody, too', async () => {
  for (const theme of ['dark', 'light']) {
    const page = await w.browsers.chromium.tab(PHONE);
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
    await page.goto(w.server.origin);
    await page.waitForSelector('textarea');
    assert.deepEqual(await violations(page, 'sign in'), []);
    const [field, button] = await page.$$eval('form :is(textarea, button)', (all) => all.map((element) => element.offsetWidth));
    assert.equal(field, button, 'the field has the look of the page');
    await page.close();
  }
});

test('in a hand: tabs below, one thing at a time, a sheet over the map', async () => {
  const { page } = await prepared('dark', PHONE);
  const tabs = await page.$$eval('nav[aria-label=Main] a', (all) => all.map((a) => a.textContent));
  assert.deepEqual(tabs.map((text) => text.replace(/\d/g, '')), ['Map', 'Agents', 'Chat', 'Log', 'Connection']);
  assert.equal(await page.$('[role=listbox]'), null);
  await page.click('nav a[href="#/agents"]');
  const list = await (await page.waitForSelector('[role=listbox]')).boundingBox();
  assert.equal(list.width, PHONE.width);
  await page.waitForSelector('[role=option]');
  await page.click('[role=option]');
  await says(page, 'aside h2', 'taxi');
  const sheet = await (await page.$('aside')).boundingBox();
  assert.ok(sheet.y > PHONE.height / 2, 'the map shows above the sheet');
  await page.click('nav a[href="#/chat"]');
  await says(page, 'nav[aria-label=Conversations]', 'Team');
  await page.click('nav[aria-label=Conversations] a ::-p-text(Team)');
  await page.waitForSelector('[data-key]');
  assert.equal(await page.$('nav[aria-label=Conversations]'), null);
  await press(page, 'All conversations');
  await page.waitForSelector('nav[aria-label=Conversations]');
  await page.close();
});

test('by keyboard alone: skip link, menu, theme', async () => {
  const { page } = await prepared('dark', {});
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), 'Skip to content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await page.focus('[aria-label="Account of dana"]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[role=menu]');
  const items = ['Online', 'Away', 'Do not disturb', 'Appear offline', 'Set a status text', 'As the system', 'Dark', 'Light'];
  for (const [i, name] of items.entries()) {
    if (i > 0) await page.keyboard.press('ArrowDown');
    await says(page, '[role^=menuitem][data-highlighted]', name);
  }
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'light', { polling: 20 });
  await page.close();
});

test('notices move nothing, and cover nothing that is typed into or leads elsewhere', async () => {
  const sender = await signIn(w.browsers.chromium, w.server, 'boss', 'admin');
  for (const size of [{}, PHONE]) {
    const page = await signIn(w.browsers.chromium, w.server, 'dana', 'admin', { theme: 'light', ...size });
    const { conversation_id: id } = await ask(page, 'conversation:create', { kind: 'private', members: ['wei'] });
    const place = () => page.$eval('main', (main) => JSON.stringify(main.getBoundingClientRect()));
    const before = await place();
    for (const priority of ['low', 'medium', 'high', 'urgent']) await ask(sender, 'system:broadcast', { message: `${priority} ${size.width}`, priority });
    const map = '[aria-label="Zoom in"]:not(:disabled)';
    for (const [hash, selector] of [[`#/chat/${id}`, 'main textarea'], ['#/log', 'main input'], ['#/map', map], ['#/agents/taxi', map]]) {
      await go(page, hash);
      await page.waitForSelector(selector);
      for (const [area, text] of [['alert', 'urgent'], ['status', 'high'], ['status', 'medium']]) await says(page, `[role=${area}]`, `${text} ${size.width}`);
      const covered = await page.$$eval('header button, main header button, main [role=group] button, main aside button, main :is(input, textarea), nav a', (all) => all.filter((element) => {
        const { x, y, width, height } = element.getBoundingClientRect();
        const top = document.elementFromPoint(x + width / 2, y + height / 2);
        return width > 0 && top?.closest('[role=alert], [role=status]:has(button)');
      }).map((element) => element.ariaLabel ?? element.textContent));
      assert.deepEqual(covered, [], hash);
      assert.equal(await place(), before, 'the page stays where it was');
    }
    assert.deepEqual(await violations(page, 'notices'), []);
    await page.close();
  }
  await sender.close();
});
