// `npm test`: installs what is missing, then type check, lint, build and all tests with the project's own Node.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { installIfNeeded, node, project } from './install.mjs';

installIfNeeded();

const nothingSkipped = process.env.CI === 'true';
const resultsFile = join(project, '.dev/test-results.json');
const bin = join(project, 'node_modules/.bin');
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };

const stages = [
  { name: 'types', command: ['tsc', '-p', '.'] },
  { name: 'lint', command: ['biome', 'check', '.'] },
  { name: 'build', command: [node, 'dev/build.ts'] },
  {
    name: 'tests',
    command: [
      'vitest',
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${resultsFile}`,
      ...process.argv.slice(2),
    ],
  },
];

const onPath = (name) => env.PATH.split(delimiter).some((folder) => existsSync(join(folder, name)));
const extras = [
  {
    what: 'Chromium',
    found: () => ['chromium', 'chromium-browser', 'google-chrome'].some(onPath),
    without: 'the browser tests',
  },
  {
    what: 'The Bicep compiler',
    found: () => onPath('bicep') || existsSync(join(project, '.bicep/bicep')),
    without: 'the tests of infra/',
  },
  {
    what: 'A mail transfer agent (sendmail)',
    found: () => onPath('sendmail') || existsSync('/usr/sbin/sendmail'),
    without: 'the tests of the sendmail and mail relays',
  },
];

let failed = 0;
for (const { what, found, without } of extras) {
  if (found()) continue;
  console.log(`${what} is missing: ${without} ${nothingSkipped ? 'cannot pass' : 'are left out'}.`);
  if (nothingSkipped) failed++;
}

mkdirSync(join(project, '.dev'), { recursive: true });
rmSync(resultsFile, { force: true });
for (const { name, command } of stages) {
  const began = Date.now();
  console.log(`── ${name}`);
  const { status } = spawnSync(command[0], command.slice(1), { cwd: project, stdio: 'inherit', env });
  console.log(`── ${name}: ${status === 0 ? 'ok' : 'FAILED'} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  // The tests count for themselves, below.
  if (status !== 0 && name !== 'tests') failed++;
  if (name === 'tests' && status !== 0 && !existsSync(resultsFile)) failed++;
}

const results = existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, 'utf8')) : { testResults: [] };
// A file that cannot even be loaded has no tests that could fail.
const broken = results.testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && assertionResults.every((one) => one.status !== 'failed'),
);
const skipped = results.numPendingTests ?? 0;
failed += (results.numFailedTests ?? 0) + broken.length;
if (results.success === false && failed === 0) failed++;
if (skipped > 0) {
  console.log(`${skipped} tests were left out${nothingSkipped ? ', which counts as failed where CI=true' : ''}.`);
  if (nothingSkipped) failed += skipped;
}
console.log(`${results.numPassedTests ?? 0} passed, ${failed} failed`);
process.exitCode = failed > 0 || !results.numPassedTests ? 1 : 0;
