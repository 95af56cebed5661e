import { spawnSync } from 'node:child_process';
import { become, installIfNeeded } from './install.mjs';

if (spawnSync('func', ['--version']).status !== 0) {
  console.error(
    'Azure Functions Core Tools (func) are not on your PATH. Install them from https://aka.ms/azfunc-install, or run npm start, which needs none.',
  );
  process.exit(1);
}
installIfNeeded();
process.env.POSTERN_HOST_BY = 'coreTools';
become('dev/start.ts', process.argv.slice(2));
