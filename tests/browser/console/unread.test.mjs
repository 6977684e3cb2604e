// What is unread opens where it begins, and is read when it has been on the screen; drafts, lengths and lost keys.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, go, live, press, says, signIn } from '../lib/people.mjs';
import { world } from '../lib/world.mjs';

const w = world(['chromium']);

const unreadOf = async (page, id) => (await ask(page, 'conversation:list', { limit: 20 })).conversations.find((c) => c.conversation_id === id).unread;
const until = (page, what, ...args) => page.waitForFunction(what, { polling: 20, timeout: 15_000 }, ...args);
const put = (page, selector, text) => page.$eval(selector, (element, value) => {
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(element), 'value').set.call(element, value);
  element.dispatchEvent(new Event('input', { bubbles: true }));
}, text);

test('a group with 150 unread opens at the first of them, and only what was on the screen is read', async () => {
  const ann = await signIn(w.browsers.chromium, w.server, 'ann', 'member');
  const { conversation_id: id } = await ask(ann, 'conversation:create', { kind: 'group', title: 'Night', members: ['bob', 'carl'] });
  const bob = await signIn(w.browsers.chromium, w.server, 'bob', 'member');
  await bob.bringToFront();
  // A member begins where there is something for them.
  await until(bob, () => location.hash === '#/chat');
  assert.deepEqual(await bob.$$eval('nav[aria-label=Main] a', (all) => all.map((a) => a.getAttribute('aria-label'))), ['Chat', 'Event log', 'Connection']);
  await ann.evaluate(async (conversation_id) => {
    for (let i = 1; i <= 150; i++) await window.__fanfare.client.request('message:send', { conversation_id, text: `m${i}` });
  }, id);
  await until(bob, () => document.title === '(150) Fanfare');
  assert.match(await bob.$eval('link[rel=icon]', (link) => link.href), /icon-dot/);
  await go(bob, `#/chat/${id}`);
  await until(bob, () => document.querySelector('[data-new]') && !document.querySelector('[data-opening]'));
  const place = await bob.evaluate(() => {
    const log = document.querySelector('[role=log]').getBoundingClientRect();
    const line = document.querySelector('[data-new]');
    const next = line.nextElementSibling.querySelector('[data-key]');
    return { top: line.getBoundingClientRect().top - log.top, first: next.firstElementChild.textContent };
  });
  assert.equal(place.first, 'm1');
  assert.ok(place.top >= 0 && place.top < 200, `the line stands at ${place.top}`);
  // What is below the screen is not read, here and on the server.
  await until(bob, () => Number(document.title.match(/\d+/)?.[0]) < 150);
  assert.ok((await unreadOf(bob, id)) > 100);
  await says(bob, 'main button', 'new');
  await press(bob, await bob.$eval('main button[aria-label^="Jump to newest"]', (button) => button.getAttribute('aria-label')));
  await until(bob, () => document.title === 'Fanfare');
  await bob.waitForFunction(async (conversation) => {
    const { conversations } = await window.__fanfare.client.request('conversation:list', { limit: 20 });
    return conversations.find((c) => c.conversation_id === conversation).unread === 0;
  }, { polling: 100, timeout: 15_000 }, id);

  // By whom it was read, by name.
  await ann.bringToFront();
  await go(ann, `#/chat/${id}`);
  await ann.waitForSelector('[data-key] + *, [title="Who has read this"]');
  await (await ann.waitForSelector('[title="Who has read this"]')).click();
  await says(ann, '[role=dialog]', 'Read by 1bob');
  await ann.keyboard.press('Escape');

  // While nobody looks nothing is read, and the line says from where on.
  await bob.evaluate(() => { document.hasFocus = () => false; });
  await ask(ann, 'message:send', { conversation_id: id, text: 'while away' });
  await says(bob, '[role=log]', 'while away');
  await until(bob, () => document.title === '(1) Fanfare');
  assert.equal(await bob.$eval('[data-new] + * [data-key] > div', (element) => element.textContent), 'while away');
  await bob.evaluate(() => { delete document.hasFocus; dispatchEvent(new Event('focus')); });
  await bob.bringToFront();
  await until(bob, () => document.title === 'Fanfare');
  assert.deepEqual([...ann.faults, ...bob.faults], []);
  await ann.close();
  await bob.close();
});

test('what is typed right after “Begin” is there, and the same person is one conversation', async () => {
  const page = await signIn(w.browsers.chromium, w.server, 'dan', 'member');
  await until(page, () => location.hash === '#/chat');
  // The server takes its time.
  await page.evaluate(() => {
    const { client } = window.__fanfare;
    const request = client.request.bind(client);
    client.request = (event, ...rest) => (event === 'conversation:create'
      ? new Promise((resolve) => { window.made = () => resolve(request(event, ...rest)); })
      : request(event, ...rest));
  });
  await press(page, 'New conversation');
  await page.type('dialog input', 'eve');
  await press(page, 'Begin', 'dialog');
  await page.keyboard.type('Are you ');
  await page.evaluate(() => window.made());
  await until(page, () => location.hash.startsWith('#/chat/'));
  // Once what was typed belongs to the conversation it is still there, and goes on.
  await until(page, () => Object.keys(localStorage).some((key) => key.includes(':chat/')));
  await page.keyboard.type('there?');
  assert.equal(await page.$eval('main textarea', (field) => field.value), 'Are you there?');
  const hash = await page.evaluate(() => location.hash);
  await page.keyboard.press('Enter');
  await says(page, '[role=log]', 'Are you there?');
  await go(page, '#/log');
  await go(page, '#/chat');
  await press(page, 'New conversation');
  await page.type('dialog input', 'eve');
  await press(page, 'Begin', 'dialog');
  await until(page, (before) => location.hash === before, hash);
  assert.equal((await ask(page, 'conversation:list', { limit: 20 })).conversations.length, 1);

  // One that is being begun stands in the place of none that one goes to meanwhile, and waits in the list.
  const making = ask(page, 'conversation:create', { kind: 'private', members: ['fay'] });
  await page.evaluate(() => window.made());
  const { conversation_id: other } = await making;
  await press(page, 'New conversation');
  await press(page, 'Group', 'dialog');
  await page.type('dialog input', 'Slow group');
  await (await page.$$('dialog input'))[1].type('gus');
  await press(page, 'Begin', 'dialog');
  await says(page, 'main h2', 'Slow group');
  await go(page, `#/chat/${other}`);
  await says(page, 'main h2', 'fay');
  await go(page, hash);
  await says(page, 'main h2', 'eve');
  await page.evaluate(() => window.made());
  await says(page, 'nav[aria-label=Conversations]', 'Slow group');
  assert.equal(await page.$eval('main h2', (head) => head.textContent), 'eve');
  assert.equal(await page.evaluate(() => location.hash), hash);
  assert.deepEqual(page.faults, []);
  await page.close();
});

test('drafts are there after a reload, also that of a notice; signing out leaves none', async () => {
  const page = await signIn(w.browsers.chromium, w.server, 'fay', 'supervisor');
  const { conversation_id: id } = await ask(page, 'conversation:create', { kind: 'private', members: ['gus'] });
  await go(page, `#/chat/${id}`);
  await (await page.waitForSelector('main textarea')).type('half a sen');
  await press(page, 'Send notice');
  await page.type('dialog textarea', 'Gate 4');
  await page.reload();
  await live(page);
  assert.equal(await (await page.waitForSelector('main textarea')).evaluate((field) => field.value), 'half a sen');
  await page.keyboard.type('tence');
  assert.equal(await page.$eval('main textarea', (field) => field.value), 'half a sentence');
  await press(page, 'Send notice');
  assert.equal(await (await page.waitForSelector('dialog textarea')).evaluate((field) => field.value), 'Gate 4');
  // The server counts what JSON escapes, and so does the page: no notice that would be refused can be sent.
  await put(page, 'dialog textarea', '{"a":1}\n'.repeat(380));
  await says(page, 'dialog small', 'Too long by 82 bytes');
  assert.equal(await page.$eval('dialog button[type=submit]', (button) => button.disabled), true);
  await put(page, 'dialog textarea', '');
  await page.keyboard.press('Escape');
  await until(page, () => !document.querySelector('dialog'));
  await page.focus('main textarea');
  await put(page, 'main textarea', '{"a":1}\n'.repeat(1500));
  await says(page, 'main [role=status]', 'Too long by 114 bytes');
  await page.keyboard.press('Enter');
  await put(page, 'main textarea', 'x'.repeat(16_384));
  await says(page, 'main [role=status]', '0 bytes left');
  await press(page, 'Send', 'main');
  await page.waitForSelector('[data-status=sent]');
  // Enter that ends the composing of a word, as Safari says it.
  await page.type('main textarea', 'not yet');
  await page.$eval('main textarea', (field) => field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true })));
  assert.equal(await page.$eval('main textarea', (field) => field.value), 'not yet');
  await press(page, 'Account of fay');
  await press(page, 'Sign out');
  await says(page, 'h1', 'Fanfare console');
  assert.equal(await page.evaluate(() => JSON.stringify(localStorage).includes('not yet')), false);
  await page.close();
});
