import { TableClient } from '@azure/data-tables';
import type { Delivery } from '../../lib/delivery/delivery.ts';
import type { Api } from './api.ts';
import { tokenIn } from './mails.ts';

/** A mail that the relay took. */
export interface Arrival {
  token: string;
  to: string;
  /** Milliseconds since 1970. */
  at: number;
}

/** The row of a delivery with the token of its message; read from the table itself, not through Postern. */
export interface Row {
  token: string | undefined;
  delivery: Delivery;
}

export const readRows = async (connection: string, run: string): Promise<Row[]> => {
  const table = TableClient.fromConnectionString(connection, 'deliveries', { allowInsecureConnection: true });
  const rows: Row[] = [];
  for await (const entity of table.listEntities<Record<string, string>>()) {
    let text = '';
    for (let n = 0; entity[`data${n}`] !== undefined; n++) text += entity[`data${n}`];
    const delivery = JSON.parse(text) as Delivery;
    rows.push({ delivery, token: tokenIn(`${delivery.ref?.token ?? ''} ${delivery.subject}`, run) });
  }
  return rows;
};

export const readArrivals = async (api: Api, run: string): Promise<Arrival[]> => {
  const lines = await api.inbox();
  return lines.flatMap(({ rcptTo, subject, date }) => {
    const token = tokenIn(subject, run);
    return token === undefined ? [] : rcptTo.map((to) => ({ token, to, at: Date.parse(date) }));
  });
};
