// Runs on Node 20 and before any dependency is there: plain JavaScript, nothing imported but Node's own modules.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const project = dirname(dirname(fileURLToPath(import.meta.url)));

/** The Node that the project brings along, whatever Node called us. */
export const node = join(project, 'node_modules/.bin/node');

/** `npm ci` where dependencies are missing or older than the lockfile. Ends the process when that fails. */
export const installIfNeeded = () => {
  const marker = join(project, 'node_modules/.package-lock.json');
  const upToDate =
    existsSync(marker) &&
    existsSync(node) &&
    statSync(marker).mtimeMs >= statSync(join(project, 'package-lock.json')).mtimeMs;
  if (upToDate) return;
  console.log('Installing what is missing (npm ci) …');
  // Some packages want a newer Node than the caller's; they get it, so npm's warnings about that would only alarm.
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: project,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
};

/** Runs a TypeScript file with the project's Node, passes signals on, and ends as it ends. */
export const become = (file, args) => {
  const child = spawn(node, [join(project, file), ...args], { cwd: project, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
};
