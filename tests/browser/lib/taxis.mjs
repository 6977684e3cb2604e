// The sample taxis, driven by the program's own `replay`.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SECRET } from './server.mjs';

const TRACKS = fileURLToPath(new URL('../../../samples/wuxi-taxis.csv', import.meta.url));

export class Taxis {
  #process;

  /** Lets so many drive in organisation `acme`, until `stop`. */
  static drive(server, agents, { transport = 'auto', ...options } = {}) {
    const taxis = new Taxis();
    const more = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const args = ['replay', '--url', server.base, '--org', 'acme', '--agents', String(agents), '--loop', '--transport', transport, ...more, TRACKS];
    taxis.#process = spawn(process.env.FANFARE_BIN, args, {
      env: { PATH: process.env.PATH, NO_COLOR: '1', FANFARE_AUTH__SECRET: SECRET },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    taxis.log = '';
    taxis.#process.stderr.on('data', (data) => { taxis.log = (taxis.log + data).slice(-4000); });
    taxis.exited = new Promise((resolve) => taxis.#process.once('exit', resolve));
    return taxis;
  }

  async stop() {
    this.#process.kill('SIGTERM');
    await this.exited;
  }
}
