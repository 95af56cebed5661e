import { spawnSync } from 'node:child_process';

/** Ends a hook with a sentence for the person who deploys, and no stack. */
export class HookFailure extends Error {}

/**
 * Runs `az` or `azd` and reads its answer.
 * @returns what it printed, without the line end
 * @throws HookFailure with the command's own words
 */
export const command = (program: 'az' | 'azd', args: string[]): string => {
  // On Windows both are batch files, which only a shell starts.
  const shell = process.platform === 'win32';
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', shell });
  if (error) throw new HookFailure(`${program} could not be started: ${error.message}. Install it and sign in.`);
  if (status !== 0) throw new HookFailure(`${program} ${args.slice(0, 3).join(' ')} failed: ${stderr.trim()}`);
  return stdout.trim();
};

/** A variable of azd's environment. @throws HookFailure where it is not set */
export const required = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new HookFailure(`${name} is not set in the azd environment.`);
  return value;
};

/** Runs a hook and ends the process with 1 where it fails, which makes azd stop. */
export const hook = async (run: () => void | Promise<void>): Promise<void> => {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof HookFailure)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
};
