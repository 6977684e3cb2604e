// The example of both READMEs, as it stands there, in a process of its own.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packFixes } from '../../dist/fixes.js';
import { Client } from '../../dist/index.js';
import { start, token, until, type Server } from './server.ts';

let server: Server;
const dir = mkdtempSync(join(tmpdir(), 'fanfare-readme-'));
beforeAll(async () => {
  server = await start();
});
afterAll(async () => {
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('the example sends a message and sees an agent move', async () => {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const exampleOf = (readme: string) => /```js\n(.*?)```/s.exec(readFileSync(readme, 'utf8'))?.[1] ?? '';
  const example = exampleOf(`${root}README.md`);
  expect(exampleOf(`${root}../../README.md`)).toBe(example);
  const [imports, ...rest] = example.split('\n\n');
  expect(rest.join('\n').trim().split('\n').length).toBeLessThanOrEqual(10);
  mkdirSync(join(dir, 'node_modules'));
  symlinkSync(root, join(dir, 'node_modules/fanfare-client'));
  const given = `const url = ${JSON.stringify(server.base)};\nconst fetchToken = async () => ${JSON.stringify(token('alice', 'supervisor'))};\n`;
  writeFileSync(join(dir, 'example.mjs'), `${imports}\n${given}${rest.join('\n')}`);

  const bob = new Client({ url: server.base, token: token('bob', 'agent') });
  bob.connect();
  await until('bob', () => bob.state.name === 'open');
  for (const packet of packFixes([{ counter: 1, time: Date.now(), lat: 52.25, lon: 13.5 }])) bob.sendPacket(packet);

  const child = spawn(process.execPath, [...process.execArgv, 'example.mjs'], { cwd: dir });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk));
  const exited = new Promise((resolve) => child.once('exit', resolve));
  try {
    await until('the message', () => said.includes('alice: Gate 4 is open'));
    await until('the agent', () => /'bob', 52\.25, 13\.5/.test(said));
  } catch (error) {
    throw new Error(`${String(error)}:\n${said}`);
  } finally {
    child.kill();
    await exited;
    bob.close();
  }
});
