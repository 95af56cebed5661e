// `azd env set NAME value`, and nothing else.
import { readFileSync, writeFileSync } from 'node:fs';

const [group, verb, name, value] = process.argv.slice(2);
if (group !== 'env' || verb !== 'set') {
  console.error(`unknown azd command: ${process.argv.slice(2).join(' ')}`);
  process.exit(1);
}
const values = JSON.parse(readFileSync(process.env.FAKE_AZD, 'utf8'));
writeFileSync(process.env.FAKE_AZD, JSON.stringify({ ...values, [name]: value }));
