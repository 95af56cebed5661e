/**
 * `npm run chaos`: the whole stack as real processes, a relay that fails in every way, two functions hosts that are
 * killed again and again; then it counts what became of every mail. Ends with 1 where a law is broken.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildApp } from '../build.ts';
import { type ChaosOptions, readOptions, usage } from './options.ts';
import { tableOf } from './report.ts';
import { isLawful, type RunReport, runChaos } from './run.ts';

export const chaos = async (options: ChaosOptions): Promise<RunReport[]> => {
  const app = await mkdtemp(join(tmpdir(), 'postern-chaos-app-'));
  try {
    await buildApp(app);
    const reports: RunReport[] = [];
    for (const mode of options.modes) {
      const report = await runChaos(options, mode, app);
      reports.push(report);
      if (!options.json) console.log(tableOf(report));
    }
    return reports;
  } finally {
    await rm(app, { recursive: true, force: true });
  }
};

const main = async (): Promise<void> => {
  const options = readOptions(process.argv.slice(2));
  if (options.help) return console.log(usage);
  const reports = await chaos(options);
  if (options.json) console.log(JSON.stringify(reports, null, 2));
  if (!reports.every(isLawful)) process.exitCode = 1;
};

if (import.meta.main) {
  await main().catch((error: Error) => {
    console.error(error.stack);
    process.exitCode = 1;
  });
}
