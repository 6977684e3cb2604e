// The package as others get it: installed from the checkout, packed, and as a script of a page.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'fanfare-install-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const PARTS = ['', '/chat', '/presence', '/store', '/fixes', '/protocol'];
const imports = `${PARTS.map((part) => `await import('fanfare-client${part}');`).join('')}
console.log(typeof (await import('fanfare-client')).Client, import.meta.resolve('fanfare-client/script').endsWith('fanfare.min.js'));`;

/** Runs npm or node in a folder of its own, without a network. */
function run(cwd: string, command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, npm_config_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false' } });
}

function app(name: string): string {
  const folder = join(dir, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{"name":"app","private":true}');
  return folder;
}

/** A checkout in which nothing is built, but for the packages of this one; in a folder as people have them. */
function checkout(): string {
  const copy = join(dir, 'a b ü/clients/typescript');
  cpSync(root, copy, { recursive: true, filter: (from) => !['node_modules', 'dist'].includes(basename(from)) });
  symlinkSync(`${root}node_modules`, join(copy, 'node_modules'));
  return copy;
}

test('the one line that the README shows installs it from a checkout, also where nothing is built; packed, it is whole', () => {
  const line = /npm i (\S*clients\/typescript)/.exec(readFileSync(`${root}README.md`, 'utf8'))?.[1];
  expect(line).toBeDefined();
  expect(readFileSync(`${root}../../README.md`, 'utf8')).toContain(`npm i ${line}`);
  const copy = checkout();
  const folder = app('linked');
  run(folder, 'npm', 'i', '../a b ü/clients/typescript');
  expect(run(folder, process.execPath, '--input-type=module', '-e', imports).trim()).toBe('function true');

  run(copy, 'npm', 'pack', '--pack-destination', dir);
  const tarball = readdirSync(dir).find((name) => name.endsWith('.tgz')) as string;
  const other = app('packed');
  run(other, 'npm', 'i', join(dir, tarball));
  const installed = join(other, 'node_modules/fanfare-client');
  expect(run(other, process.execPath, '--input-type=module', '-e', imports).trim()).toBe('function true');
  expect(readdirSync(installed).sort()).toEqual(['API.md', 'LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'dist', 'package.json']);

  const told = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  expect(told).toMatchObject({ sideEffects: false, engines: { node: expect.any(String) }, license: 'MIT OR Apache-2.0', types: './dist/index.d.ts' });
  const files = Object.values<string | { types: string; default: string }>(told.exports).flatMap((entry) => (typeof entry === 'string' ? [entry] : [entry.types, entry.default]));
  for (const file of [...files, told.main, told.unpkg, told.jsdelivr]) expect(existsSync(join(installed, file)), file).toBe(true);
  const built = (file: string) => readFileSync(join(installed, 'dist', file), 'utf8');
  expect(built('react/index.js').startsWith("'use client';")).toBe(true);
  for (const file of ['client.js', 'react/index.js', 'fanfare.min.js']) {
    const map = JSON.parse(built(/sourceMappingURL=(\S+)/.exec(built(file))?.[1]?.replace(/^/, file.includes('/') ? 'react/' : '') as string));
    expect(map.sourcesContent.every((text: unknown) => typeof text === 'string' && text.length > 0), file).toBe(true);
  }
  expect(built('fanfare.min.js').split('\n').length).toBeLessThan(10);
}, 300_000);
