import { z } from 'zod';
import { defaultSettings, settingsSchema } from './schema.ts';

/** One setting, as a form or a table needs it. */
export const fieldSchema = z
  .object({
    path: z.string().meta({ description: 'As in the JSON document, e.g. `smtp.auth.user`.' }),
    group: z.string().meta({ description: 'The heading that it stands under.' }),
    title: z.string(),
    description: z.string(),
    type: z.enum(['text', 'number', 'switch', 'choice', 'secret']),
    default: z.union([z.string(), z.number(), z.boolean()]),
    choices: z.array(z.string()).optional(),
    min: z.number().optional(),
    max: z.number().optional().meta({ description: 'Of a number the largest, of a text the most characters.' }),
    role: z.literal('MasterAdmin').optional().meta({ description: 'Only this role may change it.' }),
  })
  .meta({ id: 'SettingsField' });
export type Field = z.output<typeof fieldSchema>;

interface Node {
  title: string;
  description: string;
  type?: string;
  enum?: string[];
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  properties?: Record<string, Node>;
  'x-secret'?: true;
  'x-role'?: 'MasterAdmin';
}

/** All settings in the order of the document, made from the schema. */
export const describeSettings = (): Field[] => {
  const root = z.toJSONSchema(settingsSchema, { io: 'input' }) as unknown as Node;
  return fieldsOf(root, '', 'General', defaultSettings);
};

const fieldsOf = (node: Node, path: string, group: string, values: object): Field[] =>
  Object.entries(node.properties ?? {}).flatMap(([key, inner]) => {
    const innerPath = path ? `${path}.${key}` : key;
    const value: unknown = values[key as keyof typeof values];
    return inner.properties && !inner['x-secret']
      ? fieldsOf(inner, innerPath, inner.title, value as object)
      : [fieldOf(inner, innerPath, group, value)];
  });

const fieldOf = (node: Node, path: string, group: string, value: unknown): Field => {
  const { title, description, minimum, maximum, maxLength } = node;
  const most = maximum ?? maxLength;
  return {
    path,
    group,
    title,
    description,
    type: typeOf(node),
    default: node['x-secret'] ? '' : (value as Field['default']),
    ...(node.enum && { choices: node.enum }),
    ...(minimum !== undefined && { min: minimum }),
    ...(most !== undefined && { max: most }),
    ...(node['x-role'] && { role: node['x-role'] }),
  };
};

const typeOf = (node: Node): Field['type'] => {
  if (node['x-secret']) return 'secret';
  if (node.enum) return 'choice';
  if (node.type === 'boolean') return 'switch';
  return node.type === 'integer' ? 'number' : 'text';
};

/** The README's table of all settings. */
export const settingsTable = (): string =>
  [
    '| setting | on the page | meaning | default |',
    '|---|---|---|---|',
    ...describeSettings().map((field) => {
      const choices = field.choices ? ` One of ${field.choices.map((it) => `\`${it}\``).join(', ')}.` : '';
      const value = field.default === '' ? '' : `\`${field.default}\``;
      return `| \`${field.path}\` | ${field.title} | ${field.description}${choices} | ${value} |`;
    }),
  ].join('\n');
