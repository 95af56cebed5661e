// Runs a hook with the project's own Node, on a fresh clone too: `node infra/hooks/run.mjs preprovision`.
import { become, installIfNeeded } from '../../dev/install.mjs';

installIfNeeded();
become(`infra/hooks/${process.argv[2]}.ts`, []);
