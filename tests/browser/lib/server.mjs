// The real server, in a process of its own with a folder of its own.
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { until } from './until.mjs';

export const SECRET = 'a secret that is long enough for HS256';

export class Server {
  #process;
  #dir;
  #settings;
  #log = [];

  /** Starts one that lets pages of `origins` in, and its own. `file` is its configuration besides variables. */
  static async start(origins = [], settings = {}, file = '') {
    const server = new Server();
    server.#dir = mkdtempSync(join(tmpdir(), 'fanfare-browser-'));
    writeFileSync(join(server.#dir, 'fanfare.toml'), file);
    server.#settings = { FANFARE_ORIGINS: origins.join(','), ...settings };
    await server.#run('127.0.0.1:0');
    return server;
  }

  /** Where its console is, in what browsers take for a secure place. */
  get origin() {
    return `http://localhost:${new URL(this.base).port}`;
  }

  async #run(listen) {
    const args = ['serve', '--listen', listen, '--data-dir', join(this.#dir, 'data')];
    const child = spawn(process.env.FANFARE_BIN, args, {
      cwd: this.#dir,
      env: {
        PATH: process.env.PATH,
        NO_COLOR: '1',
        FANFARE_AUTH__SECRET: SECRET,
        // Some tests sign in as the role that runs the server.
        FANFARE_AUTH__PLATFORM: 'true',
        FANFARE_SHARDS: '2',
        FANFARE_TLS__DEVELOPMENT_DIR: join(this.#dir, 'certs'),
        ...this.#settings,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = child;
    this.exited = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
    child.once('error', (error) => this.#log.push(String(error)));
    let serving;
    createInterface(child.stderr).on('line', (line) => {
      this.#log.push(line);
      serving ??= line.match(/tcp=(\S+)/)?.[1]?.replace(/^/, 'http://');
    });
    try {
      this.base = await until('the server to start', () => serving, 20_000);
    } catch (error) {
      await this.stop();
      throw new Error(`${error.message}:\n${this.#log.join('\n')}`);
    }
  }

  /** Ends it by SIGKILL, and starts it again where it was. */
  async crash() {
    this.#process.kill('SIGKILL');
    await this.exited;
    await this.#run(new URL(this.base).host);
  }

  async told() {
    return (await fetch(`${this.base}/api/v1/transport`)).json();
  }

  /** The sum of a metric over its labels. */
  async metric(name) {
    const text = await (await fetch(`${this.base}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.match(`^${name}(_total)?[{ ]`));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  /** Waits until so many connections are open; answers how long it took in ms. */
  async connections(count, ms) {
    const start = performance.now();
    await until(`${count} connections`, async () => (await this.metric('fanfare_connections')) === count, ms);
    return Math.round(performance.now() - start);
  }

  terminate() {
    this.#process.kill('SIGTERM');
  }

  async stop() {
    this.terminate();
    const killer = setTimeout(() => this.#process.kill('SIGKILL'), 10_000);
    // It never ran if it has no id.
    if (this.#process.pid !== undefined) await this.exited;
    clearTimeout(killer);
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** A token of organisation `acme`; `exp` is in seconds. `more`: other claims. */
export function token(user, role, exp = 4_102_444_800, departments = [], more = {}) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { sub: user, org: 'acme', roles: [role], departments, teams: [], exp, ...more };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}
