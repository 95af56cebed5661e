import { readFileSync, writeFileSync } from 'node:fs';
import { composePostern } from '../functions/app.ts';
import { days, hours, minutes } from '../lib/clock.ts';
import { readConfig } from '../lib/config.ts';
import { appRoles } from '../lib/http/principal.ts';
import type { AnyRoute } from '../lib/http/route.ts';
import { kinds, lanes } from '../lib/message/kinds.ts';
import { settingsTable } from '../lib/settings/describe.ts';
import { portTable } from './start/ports.ts';

/**
 * The tables of README.md that are made from the code. Each stands between `<!-- name -->` and `<!-- /name -->`;
 * `npm run readme` writes them anew.
 */
export const readmeTables = (): Record<string, string> => ({
  settings: settingsTable(),
  routes: routesTable(),
  kinds: kindsTable(),
  ports: portsTable(),
});

/** The README with its tables as the code has them now. @throws Error for a table that has no place in the text */
export const withTables = (readme: string): string =>
  Object.entries(readmeTables()).reduce((text, [name, table]) => {
    const place = new RegExp(`(<!-- ${name} -->\n).*?(<!-- /${name} -->)`, 's');
    if (!place.test(text)) throw new Error(`README.md has no place for the table ${name}.`);
    return text.replace(place, (_, begin: string, end: string) => `${begin}\n${table}\n\n${end}`);
  }, readme);

/** Every route of the app. Nothing is asked of the storage and the vault that are named here. */
const everyRoute = (): readonly AnyRoute[] => {
  const nowhere = ['Blob', 'Queue', 'Table'].map((service) => `${service}Endpoint=http://127.0.0.1:9/none`).join(';');
  const { routes } = composePostern(
    readConfig({
      AzureWebJobsStorage: `DefaultEndpointsProtocol=http;AccountName=none;AccountKey=bm9uZQ==;${nowhere}`,
      KEY_VAULT_URI: 'https://localhost:9',
      POSTERN_PUBLIC_URL: 'https://localhost:9',
    }),
  );
  return routes;
};

const routesTable = () =>
  table(
    ['route', 'role', 'what it does'],
    everyRoute().map(({ method, path, access, summary }) => [
      `\`${method} /${path}\``,
      access === 'public' ? 'public' : access.map((role) => `\`${appRoles[role]}\``).join(', '),
      summary,
    ]),
  );

const kindsTable = () =>
  table(
    ['kind', 'lane', 'sent within', 'sender shown', 'what it is for'],
    Object.entries(kinds).map(([kind, traits]) => [
      `\`${kind}\``,
      `\`${lanes[traits.class]}\``,
      spanOf(traits.timeToLive),
      traits.shareMail ? 'the user, unless concealed' : 'the settings’',
      traits.about,
    ]),
  );

const portsTable = () =>
  table(
    ['port', 'what listens', 'variable that moves it', 'with `POSTERN_PORT_BASE`'],
    Object.values(portTable).map(({ usual, offset, variable, what }) => [
      String(usual),
      what,
      `\`${variable}\``,
      `base + ${offset}`,
    ]),
  );

const spanOf = (milliseconds: number): string => {
  const units = [
    [days(1), 'day'],
    [hours(1), 'hour'],
    [minutes(1), 'minute'],
  ] as const;
  const [length, unit] = units.find(([one]) => milliseconds % one === 0) ?? [1000, 'second'];
  const count = milliseconds / length;
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
};

const table = (head: string[], rows: string[][]): string =>
  [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');

if (import.meta.main) {
  const file = new URL('../README.md', import.meta.url);
  writeFileSync(file, withTables(readFileSync(file, 'utf8')));
}
