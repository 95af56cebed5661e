import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

const project = resolve(import.meta.dirname, '..');
export const infraFolder = join(project, 'infra');

/** Parameter sets whose predicted resources are committed beside them as `*.snapshot.json`. */
export const parameterSets = ['default', 'hardened'] as const;
export type ParameterSet = (typeof parameterSets)[number];

/** The compiler: `BICEP`, else `bicep` of the PATH, else the one that `dev/tools/install-bicep.sh` puts here. */
export const findBicep = (env: NodeJS.ProcessEnv = process.env): string | undefined =>
  [
    env.BICEP,
    ...(env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'bicep')),
    join(project, '.bicep/bicep'),
  ].find((path) => path && existsSync(path));

/** What main.bicepparam reads from azd's environment, where it has no default. */
const azdEnvironment = {
  AZURE_ENV_NAME: 'check',
  AZURE_LOCATION: 'westeurope',
  POSTERN_AUTH_CLIENT_ID: '11111111-1111-4111-8111-111111111111',
};

/** A subscription and a tenant that do not exist, so that snapshots are the same everywhere. */
const nowhere = [
  ...['--subscription-id', '00000000-0000-4000-8000-000000000000'],
  ...['--tenant-id', '99999999-9999-4999-8999-999999999999'],
  ...['--location', 'westeurope'],
];

/** Without profiling for later: the compiler ends after seconds, and takes a fifth less of them. */
const dotnet = { DOTNET_SYSTEM_GLOBALIZATION_INVARIANT: '1', DOTNET_TieredPGO: '0' };

interface Ran {
  status: number | null;
  output: string;
  /** Diagnostics and errors. The compiler writes both there, and ends with 0 after a mere warning. */
  complaints: string;
}

const run = (bicep: string, args: string[], folder: string): Ran => {
  const { status, stdout, stderr, error } = spawnSync(bicep, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, ...azdEnvironment, ...dotnet },
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status, output: stdout ?? '', complaints: error ? error.message : (stderr ?? '').trim() };
};

/** @returns the template that Azure Resource Manager gets, with its modules inside. @throws Error with the diagnostics */
export const templateOf = (bicep: string, folder: string, file: string): string => {
  const { status, output, complaints } = run(bicep, ['build', file, '--stdout'], folder);
  if (status !== 0 || complaints) throw new Error(complaints || `bicep ended with ${status}`);
  return output;
};

/** Writes the snapshot of a parameter set. @returns complaints, empty where it went well */
export const writeSnapshot = (bicep: string, folder: string, set: ParameterSet): string => {
  const args = ['snapshot', `snapshots/${set}.bicepparam`, '--mode', 'overwrite', ...nowhere];
  const { status, complaints } = run(bicep, args, folder);
  return status === 0 ? complaints : complaints || `bicep ended with ${status}`;
};

/**
 * Compiles and lints every file, parameters too, compares the format, and compares the predicted resources with the
 * committed ones. Any diagnostic counts: the compiler itself calls a mistyped property a warning.
 * @returns one text for each thing that is wrong
 */
export const checkInfra = (bicep: string): string[] => {
  const checks = [
    { what: 'lint', args: ['lint', '--pattern', '**/*.bicep*'] },
    ...parameterSets.map((set) => ({
      what: `snapshot ${set}`,
      args: ['snapshot', `snapshots/${set}.bicepparam`, '--mode', 'validate', ...nowhere],
    })),
  ];
  const faults = checks.flatMap(({ what, args }) => {
    const { status, output, complaints } = run(bicep, args, infraFolder);
    if (status === 0 && !complaints) return [];
    return [`${what}: ${complaints || output || `bicep ended with ${status}`}`];
  });
  return [...faults, ...unformatted(bicep)];
};

/** Formats a copy and names the files that came out different. */
const unformatted = (bicep: string): string[] => {
  const copy = mkdtempSync(join(tmpdir(), 'postern-infra-'));
  try {
    cpSync(infraFolder, copy, { recursive: true });
    const { status, complaints } = run(bicep, ['format', '--pattern', '**/*.bicep*'], copy);
    if (status !== 0) return [`format: ${complaints}`];
    return bicepFiles()
      .filter((file) => readFileSync(join(copy, file), 'utf8') !== readFileSync(join(infraFolder, file), 'utf8'))
      .map((file) => `format: infra/${file} is not formatted; run npm run infra -- --write`);
  } finally {
    rmSync(copy, { recursive: true });
  }
};

const bicepFiles = (): string[] => globSync('**/*.{bicep,bicepparam}', { cwd: infraFolder }).sort();

/** `--write` formats the files and writes the snapshots anew; without it nothing changes. */
if (import.meta.main) {
  const bicep = findBicep();
  if (!bicep) {
    console.error('The Bicep compiler is missing: run dev/tools/install-bicep.sh, or set BICEP to its path.');
    process.exit(1);
  }
  if (process.argv.includes('--write')) {
    run(bicep, ['format', '--pattern', '**/*.bicep*'], infraFolder);
    for (const set of parameterSets) writeSnapshot(bicep, infraFolder, set);
  }
  const faults = checkInfra(bicep);
  for (const fault of faults) console.error(fault);
  const checked = `${bicepFiles().length} files, ${parameterSets.length} snapshots`;
  console.log(`infra: ${checked}, ${faults.length === 0 ? '0 diagnostics' : `${faults.length} checks failed`}`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
