import { become, installIfNeeded } from './install.mjs';

installIfNeeded();
become('dev/start.ts', process.argv.slice(2));
