import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';

/** Where systems keep `sendmail` although it is on no ordinary user's PATH (LSB, FHS 4.9.2). */
const customary = ['/usr/sbin', '/usr/lib'];

/**
 * The mail command of the types `mail` (the default `sendmail` of PATH, /usr/sbin or /usr/lib) and `sendmail` (the
 * configured path). Looked up for each mail: it costs two file look-ups beside starting a process.
 * @returns its absolute path, or a sentence that says why there is none; used for refusing such settings as well
 */
export const commandExists = async (
  type: 'mail' | 'sendmail',
  path: string,
): Promise<{ path: string } | { reason: string }> => {
  if (type === 'mail') {
    const folders = [...(process.env.PATH ?? '').split(delimiter).filter(isAbsolute), ...customary];
    for (const folder of folders) {
      const candidate = join(folder, 'sendmail');
      if ((await whyNot(candidate)) === undefined) return { path: candidate };
    }
    return { reason: 'There is no sendmail command on this machine (PATH, /usr/sbin, /usr/lib). Use SMTP.' };
  }
  if (path === '') return { reason: 'Give the path of the sendmail command.' };
  if (!isAbsolute(path)) return { reason: 'Give an absolute path, such as /usr/sbin/sendmail.' };
  const reason = await whyNot(path);
  return reason === undefined ? { path } : { reason };
};

async function whyNot(path: string): Promise<string | undefined> {
  try {
    if (!(await stat(path)).isFile()) return `${path} is not a file.`;
  } catch {
    return `There is no ${path} on this machine.`;
  }
  try {
    await access(path, constants.X_OK);
    return undefined;
  } catch {
    return `${path} may not be executed.`;
  }
}
