// Takes the pictures of docs/images: the built console with a real server, the sample taxis and two people who chat.
// FANFARE_BIN names the server, CHROMIUM the browser. Arguments, all optional: folder, desktop or phone, dark or light.
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Browser } from '../../tests/browser/lib/browsers.mjs';
import { press } from '../../tests/browser/lib/people.mjs';
import { Server, token } from '../../tests/browser/lib/server.mjs';
import { Taxis } from '../../tests/browser/lib/taxis.mjs';

const target = process.argv[2] ?? fileURLToPath(new URL('../../docs/images', import.meta.url));
/** Those that documents show; a folder as argument gets all. */
const KEPT = ['map-dark', 'map-light', 'agent-dark', 'chat-light', 'connection-dark', 'log-dark', 'map-dark-390', 'agent-dark-390', 'chat-light-390'];
const wanted = (list, index) => (process.argv[index] ? [process.argv[index]] : list);
mkdirSync(target, { recursive: true });

const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844, scale: 1.5 } };
const server = await Server.start();
const taxis = Taxis.drive(server, 475);
const browser = await Browser.launch('chromium');

async function open(user, role, size, theme) {
  const page = await browser.tab(SIZES[size]);
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
  await page.goto(`${server.origin}/?test#token=${token(user, role)}`);
  await page.waitForFunction("window.__fanfare?.client?.state.name === 'open'", { polling: 50, timeout: 20_000 });
  return page;
}

/** The map has its land, and agents that move. */
async function mapped(page) {
  await page.waitForFunction('window.__fanfare.session.fleet.agents.size > 470', { polling: 100, timeout: 60_000 });
  await page.waitForFunction('window.__fanfare.frames().frames > 60', { polling: 100, timeout: 30_000 });
}

const TALK = [
  ['dana', 'Morning. Two of the northern taxis report slow traffic at Huishan bridge.'],
  ['wei', 'Seen it on the map, they crawl. I am sending 0086 round by the ring road.'],
  ['dana', '@wei thanks. Can you take the airport queue as well until ten?'],
  ['wei', 'Sure, on it.'],
  ['chen', 'Airport queue is at 14 cars now, average wait 9 minutes. Terminal 2 is the busier one, the first lane is closed for works until noon.'],
  ['dana', 'Noted. I will tell the drivers by notice.'],
  ['wei', 'Queue is down to 9 cars.'],
];

/** Says something to the server as somebody, with the client of a page. */
const ask = (page, event, data) => page.evaluate((e, d) => window.__fanfare.client.request(e, d), event, data);

async function talk(people) {
  const { conversation_id: id } = await ask(people.dana, 'conversation:create', { kind: 'group', title: 'Day shift', members: ['wei', 'chen'] });
  await ask(people.wei, 'conversation:create', { kind: 'private', members: ['dana'] })
    .then(({ conversation_id }) => ask(people.wei, 'message:send', { conversation_id, text: 'Are you at the depot?' }));
  await ask(people.chen, 'conversation:create', { kind: 'group', title: 'Airport', members: ['dana', 'wei', 'li'] })
    .then(({ conversation_id }) => ask(people.chen, 'message:send', { conversation_id, text: 'Lane 1 opens again at 12:00' }));
  for (const [who, text] of TALK) await ask(people[who], 'message:send', { conversation_id: id, text });
  return id;
}

const shots = [];
try {
  const people = {};
  for (const who of ['wei', 'chen']) people[who] = await open(who, 'supervisor', 'desktop', 'dark');
  people.dana = await open('dana', 'admin', 'desktop', 'dark');
  const id = await talk(people);
  for (const who of ['wei', 'chen']) {
    await people[who].evaluate((to) => { location.hash = `#/chat/${to}`; }, id);
    await people[who].bringToFront();
    await people[who].waitForSelector('[data-key]');
  }
  await people.dana.close();

  for (const size of wanted(['desktop', 'phone'], 3)) {
    for (const theme of wanted(['dark', 'light'], 4)) {
      const page = await open('dana', 'admin', size, theme);
      const go = (hash) => page.evaluate((to) => { location.hash = to; }, hash);
      const shot = async (name) => {
        const full = `${name}-${theme}${size === 'phone' ? '-390' : ''}`;
        if (!process.argv[2] && !KEPT.includes(full)) return;
        const path = `${target}/console-${full}.png`;
        await page.screenshot({ path });
        shots.push(path);
      };
      await mapped(page);
      await page.waitForFunction('window.__fanfare.session.history.samples.length > 7', { polling: 100, timeout: 60_000 });
      await shot('map');
      if (size === 'phone') {
        await go('#/agents');
        await page.waitForSelector('[role=option]');
        await shot('agents');
      }
      const agent = await page.evaluate(() => {
        const agents = [...window.__fanfare.session.fleet.agents.values()];
        return agents.filter(({ fix }) => fix?.speed > 5).sort((a, b) => b.fix.speed - a.fix.speed)[20]?.agentId ?? agents[0].agentId;
      });
      await go(`#/agents/${encodeURIComponent(agent)}`);
      await page.waitForSelector('.u-over');
      await page.waitForFunction('!window.__fanfare.session.busy', { polling: 50 });
      await press(page, 'Follow');
      const start = await page.evaluate(() => window.__fanfare.frames().frames);
      await page.waitForFunction((n) => window.__fanfare.frames().frames > n + 120, { polling: 100, timeout: 30_000 }, start);
      await shot('agent');
      await go(`#/chat/${id}`);
      await page.waitForSelector('[data-key]');
      await shot('chat');
      if (size === 'phone') {
        await go('#/chat');
        await shot('conversations');
      }
      await go('#/connection');
      await page.waitForSelector('#rtt');
      await shot('connection');
      await go('#/log');
      await page.waitForSelector('[role=option]');
      if (size === 'desktop') await page.click('[role=option]');
      await shot('log');
      await page.close();
    }
  }
} finally {
  await browser.close();
  await taxis.stop();
  await server.stop();
}
console.log(shots.join('\n'));
